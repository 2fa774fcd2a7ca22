mod permissions {
    sdk::permissions! {
        /// 查看.
        READ = "thing.read": { "anyone": all };
    }
}
use sdk::prelude::*;

/// 东西.
#[derive(Collection)]
#[collection(plural = "things", title = name, shard = subject, read = permissions::READ)]
struct Thing {
    name: String,
    revision: i64,
}

fn main() {}
