mod permissions {
    sdk::permissions! {
        /// 查看.
        READ = "thing.read": { "anyone": all };
    }
}
use sdk::prelude::*;

#[derive(Collection)]
#[collection(plural = "things", title = name, shard = subject, read = permissions::READ)]
struct Undocumented {
    name: String,
}

/// 名称不对.
#[derive(Action)]
#[action(name = "rename", permission = permissions::READ)]
struct Rename;

/// 没有声明权限.
#[derive(Action)]
#[action(name = "thing.rename")]
struct Unpermitted;

#[derive(Choice, Clone, Copy)]
enum Status {
    Open(u8),
}

fn main() {}
