//! A core module becomes a component, and what it may import is checked: our own interfaces and
//! nothing else, so that there is no ambient authority to forbid later.

use anyhow::{Context, Result, bail, ensure};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The package namespace of every interface that a guest may ask for.
const OURS: &str = "rongqiao:";

/// Wraps a core module that carries its component type (wit-bindgen embeds it) and checks the
/// result.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("the module's interface cannot be read")?
        .encode()
        .context("the module does not fit its interface")?;
    check(&component)?;
    Ok(component)
}

/// Refuses a component that asks for what is not ours, or that offers nothing.
fn check(component: &[u8]) -> Result<()> {
    let surface = Surface::read(component)?;
    let foreign: Vec<_> = surface
        .imports
        .iter()
        .filter(|name| !name.starts_with(OURS))
        .collect();
    if !foreign.is_empty() {
        bail!("imports {foreign:?}; a guest may import only `{OURS}` interfaces");
    }
    ensure!(
        !surface.exports.is_empty(),
        "exports nothing: the crate implements no world"
    );
    Ok(())
}

/// What a component asks for and offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surface {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// The core module inside a component that a compiler made: the first one. Others are glue.
pub fn main_module(component: &[u8]) -> Result<&[u8]> {
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ModuleSection {
            unchecked_range, ..
        } = payload.context("the component cannot be read")?
        {
            let range =
                usize::try_from(unchecked_range.start)?..usize::try_from(unchecked_range.end)?;
            return component.get(range).context("the component is cut off");
        }
    }
    bail!("the component has no code")
}

impl Surface {
    /// Reads a component's outer imports and exports.
    pub fn read(component: &[u8]) -> Result<Self> {
        let mut surface = Self {
            imports: Vec::new(),
            exports: Vec::new(),
        };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(component) {
            match payload.context("the component cannot be read")? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                // Deeper ones are between the component's own parts.
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        surface.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        surface.exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    /// A type section with the type of an empty instance.
    const TYPE: &[u8] = &[7, 3, 1, 0x42, 0];

    fn section(id: u8, name: &str, rest: &[u8]) -> Vec<u8> {
        let mut body = vec![1, 0, u8::try_from(name.len()).unwrap()];
        body.extend(name.as_bytes());
        body.extend(rest);
        let mut section = vec![id, u8::try_from(body.len()).unwrap()];
        section.extend(body);
        section
    }

    /// A component that imports an empty instance, and passes it on if `export` names it.
    fn component(import: &str, export: Option<&str>) -> Vec<u8> {
        let mut bytes = [HEADER, TYPE].concat();
        bytes.extend(section(10, import, &[5, 0]));
        if let Some(name) = export {
            bytes.extend(section(11, name, &[5, 0, 0]));
        }
        bytes
    }

    #[test]
    fn our_interfaces_may_be_imported() {
        check(&component(
            "rongqiao:plugin/reads@0.1.0",
            Some("rongqiao:plugin/guest@0.1.0"),
        ))
        .unwrap();
    }

    #[test]
    fn a_foreign_import_is_refused_by_name() {
        let wasi = component(
            "wasi:filesystem/types@0.2.3",
            Some("rongqiao:plugin/guest@0.1.0"),
        );
        let refusal = check(&wasi).unwrap_err().to_string();
        assert!(refusal.contains("wasi:filesystem/types@0.2.3"), "{refusal}");
    }

    #[test]
    fn a_component_that_offers_nothing_is_refused() {
        let mute = component("rongqiao:plugin/reads@0.1.0", None);
        assert!(
            check(&mute)
                .unwrap_err()
                .to_string()
                .contains("exports nothing")
        );
    }

    #[test]
    fn a_module_without_an_interface_is_refused() {
        let empty = b"\0asm\x01\0\0\0";
        assert!(encode(empty).is_err());
    }
}
