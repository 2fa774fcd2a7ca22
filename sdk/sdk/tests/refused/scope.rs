sdk::permissions! {
    /// 查看.
    READ = "thing.read": { "anyone": everything };
}

fn main() {}
