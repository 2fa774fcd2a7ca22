//! From a few lines of WebAssembly text to a component of one of our worlds.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where constants begin. What lies below is scratch space: [`SCRATCH`] and up.
const CONSTANTS: usize = 1024;
/// Where functions put the results they compute.
pub const SCRATCH: usize = 16;
/// Bytes of a page of linear memory.
pub const WASM_PAGE: usize = 65_536;

/// Constants of a core module, each with an address.
#[derive(Default)]
pub struct Constants(Vec<u8>);

impl Constants {
    /// Address and length of a text.
    pub fn text(&mut self, text: &str) -> (usize, usize) {
        let at = self.end();
        self.0.extend(text.as_bytes());
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        (at, text.len())
    }

    /// Address of a record of 32-bit words.
    pub fn words(&mut self, words: &[usize]) -> usize {
        let at = self.end();
        for word in words {
            self.0.extend(u32::try_from(*word).unwrap().to_le_bytes());
        }
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        at
    }

    fn end(&self) -> usize {
        CONSTANTS + self.0.len()
    }
}

/// The parts of a core module that differ from guest to guest.
pub struct Core<'a> {
    /// `(import …)` lines.
    pub imports: &'a str,
    /// `(func …)` lines; they may call `$alloc`, bytes → address.
    pub functions: String,
    pub constants: Constants,
    /// Pages of memory at the start, besides what the constants need.
    pub pages: usize,
}

/// Takes memory and gives none back: an instance lives for one call.
const ALLOC: &str = r#"
(func $alloc (param $size i32) (result i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
  (global.set $free (i32.add (local.get $at) (local.get $size)))
  (block $fits
    (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
    (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
  (local.get $at))
(func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
  (call $alloc (local.get $size)))
"#;

/// Encodes a core module as a component of a world: `plugin` or `model`, which is also the name of
/// its folder under `wit/`.
pub fn component(world: &str, core: &Core<'_>) -> Vec<u8> {
    let heap = core.constants.end();
    let pages = core.pages + heap.div_ceil(WASM_PAGE);
    let data = core
        .constants
        .0
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        });
    let text = format!(
        r#"(module {imports}
        (memory (export "memory") {pages})
        (global $free (mut i32) (i32.const {heap}))
        (data (i32.const {CONSTANTS}) "{data}")
        {ALLOC} {functions})"#,
        imports = core.imports,
        functions = core.functions,
    );
    let mut module = wat::parse_str(&text).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../wit")
        .join(world);
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

/// A component that imports these interfaces, each with one function, and does nothing.
pub fn importing(interfaces: &[&str]) -> Vec<u8> {
    let imports = interfaces.iter().fold(String::new(), |mut text, name| {
        write!(
            text,
            "(import \"{name}\" (instance (export \"f\" (func (result u64)))))"
        )
        .unwrap();
        text
    });
    wat::parse_str(format!("(component {imports})")).unwrap()
}
