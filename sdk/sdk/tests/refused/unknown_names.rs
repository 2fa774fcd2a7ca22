mod permissions {
    sdk::permissions! {
        /// 查看.
        READ = "thing.read": { "anyone": all };
    }
}
use sdk::prelude::*;

/// 东西.
#[derive(Collection)]
#[collection(plural = "things", title = nam, shard = subject, read = permissions::READ)]
struct Title {
    name: String,
}

/// 东西.
#[derive(Collection)]
#[collection(plural = "things", title = name, shard = nobody, read = permissions::READ)]
struct Sharded {
    name: String,
}

/// 东西.
#[derive(Collection)]
#[collection(plural = "things", title = name, shard = subject, read = permissions::READ, index(nam))]
struct Indexed {
    name: String,
}

/// 东西.
#[derive(Collection)]
#[collection(plural = "things", title = name, shard = subject, read = permissions::READ)]
struct Optioned {
    #[field(requird)]
    name: String,
}

fn main() {}
