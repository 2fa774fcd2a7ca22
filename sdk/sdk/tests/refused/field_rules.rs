mod permissions {
    sdk::permissions! {
        /// 查看.
        READ = "thing.read": { "anyone": all };
    }
}
use sdk::prelude::*;

/// 加密又可搜索.
#[derive(Collection)]
#[collection(plural = "things", title = name, shard = subject, read = permissions::READ)]
struct Searched {
    #[field(encrypted, search)]
    name: String,
}

/// 小数位太多.
#[derive(Action)]
#[action(name = "thing.price", permission = permissions::READ)]
struct Price {
    #[field(min = 0.005)]
    amount: Money,
}

fn main() {}
