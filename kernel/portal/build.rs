//! The browser assets are built before this crate; say how when they are not there.

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    if !std::path::Path::new("web/dist/manifest.json").exists() {
        println!(
            "cargo::error=kernel/portal/web/dist is missing: build the browser assets with `./x assets` \
             (that is `npm ci && npm run build` in kernel/portal/web)"
        );
    }
}
