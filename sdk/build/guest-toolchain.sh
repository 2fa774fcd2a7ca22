#!/usr/bin/env bash
# Finds or makes a standard library for wasm32-unknown-unknown, the target of every guest.
#
#   guest-toolchain.sh CACHE_DIR
#
# An ordinary machine gets it from rustup, and CACHE_DIR/guest-std/env stays empty. Where rustup
# cannot fetch it, std is built once from Debian's rustc-web source with Debian's rustc-web,
# unpacked privately (installing that package would shadow rustup's rustc). The env file then names
# that compiler and rustup's linker; the guest build alone (`sdk/build`) sets both.
# RONGQIAO_GUEST_STD=debian takes the second way even where the first would do.
set -euo pipefail

cache=${1:?usage: guest-toolchain.sh CACHE_DIR}/guest-std
target=wasm32-unknown-unknown
repo=$(cd "$(dirname "$0")/../.." && pwd)
cd "$repo" # rust-toolchain.toml decides which cargo and rustc run here
mkdir -p "$cache"

say() { echo "guest-toolchain: $*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
has_std() { ls "$("$1" --print target-libdir --target "$target")"/libstd-*.rlib >/dev/null 2>&1; }
finish() { printf '%s' "$1" >"$cache/env.new" && mv "$cache/env.new" "$cache/env"; }

# 1. rustup's own target: there already, or to be had.
way=${RONGQIAO_GUEST_STD:-rustup}
if [ "$way" = rustup ] && has_std rustc; then finish ''; exit 0; fi
kept=$(sed -n 's/^RUSTC=//p' "$cache/env" 2>/dev/null || true)
linker=$(sed -n 's/^CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=//p' "$cache/env" 2>/dev/null || true)
if [ -x "$kept" ] && [ -x "$linker" ] && has_std "$kept"; then exit 0; fi
if [ "$way" = rustup ] && command -v rustup >/dev/null && timeout 120 rustup target add "$target" >"$cache/rustup.log" 2>&1 \
  && has_std rustc; then
  say "rustup has $target"
  finish ''
  exit 0
fi
say "no $target from rustup; building std from Debian's packages (once, a minute or two)"

# 2. Debian's compiler and its source, names and versions from the package lists.
command -v apt-get >/dev/null || { say "no apt-get here: install the rustup target $target by hand"; exit 1; }
export DEBIAN_FRONTEND=noninteractive
candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -v '(none)' || true; }
[ -n "$(candidate rust-web-src)" ] || as_root apt-get update -qq
version=$(candidate rust-web-src)
[ -n "$version" ] || { say "the package lists have no rust-web-src"; exit 1; }
std=$(apt-cache depends libstd-rust-web-dev | sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p')
# What the compiler's library needs (LLVM and below) and this machine lacks.
missing=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances "$std" | grep '^[a-z]' | grep -v "^$std\$" | sort -u \
  | while read -r name; do
      dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"
    done)

dir=$cache/$(printf '%s' "$version" | tr -c 'A-Za-z0-9._-' _)
work=$dir.part.$$
mkdir -p "$work/debs" "$work/root"
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086 # a list of names
fetch() { (cd "$work/debs" && apt-get -qq download rustc-web libstd-rust-web-dev "$std" rust-web-src $missing); }
fetch 2>/dev/null || { as_root apt-get update -qq && fetch; }
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
rm -rf "$work/debs"

# 3. The compiler runs from its folder; moving the finished folder must not break it.
cat >"$work/rustc" <<'WRAPPER'
#!/usr/bin/env bash
root=$(dirname "$(readlink -f "$0")")/root
LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$root/usr/bin/rustc" "$@"
WRAPPER
chmod +x "$work/rustc"

# 4. std, built as a dependency of an empty crate. Without bitcode, link-time optimisation of the
#    guests fails; without the remapping, names of this machine's folders would be inside every guest.
mkdir -p "$work/mkstd/src"
cat >"$work/mkstd/Cargo.toml" <<'MANIFEST'
[package]
name = "mkstd"
version = "0.0.0"
edition = "2024"
[workspace]
[profile.release]
opt-level = 3
panic = "abort"
debug = false
MANIFEST
echo '#![no_std]' >"$work/mkstd/src/lib.rs"
RUSTC="$work/rustc" RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/mkstd/target" \
  RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked --remap-path-prefix=$work/root/usr=/rust --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  cargo build -q --manifest-path "$work/mkstd/Cargo.toml" --release \
  --target "$target" -Zbuild-std=std,panic_abort
lib=$work/root/usr/lib/rustlib/$target/lib
mkdir -p "$lib"
find "$work/mkstd/target/$target/release/deps" -name '*.rlib' ! -name 'libmkstd*' -exec cp {} "$lib/" \;
rm -rf "$work/mkstd" "$work/root/usr/src" "$work/root/usr/share/doc"

rm -rf "$dir"
mv "$work" "$dir"
has_std "$dir/rustc" || { say "std was built but is not where rustc looks"; exit 1; }
# cargo does not notice a changed sysroot
rm -rf "$(dirname "$cache")/guest-target"
finish "RUSTC=$dir/rustc
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld
"
say "std $version is ready"
