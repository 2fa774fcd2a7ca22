//! What a component wants, read from its bytes before anything of it is compiled or run.

use sdk_contract::manifest::MAX_COMPONENT_BYTES;
use wasmparser::{
    ComponentExternalKind, ComponentTypeRef, Parser, Payload, Validator, WasmFeatures,
};

/// A component's outer imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surface {
    /// Imports that carry functions or values, by full name.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("the file has {0} bytes; at most {MAX_COMPONENT_BYTES} are accepted")]
    TooLarge(usize),
    #[error("the file is not a valid WebAssembly component")]
    NotAComponent(#[source] wasmparser::BinaryReaderError),
    #[error("the file is a core module; a component is needed")]
    CoreModule,
    #[error("the component imports what the sandbox does not offer: {}", .0.join(", "))]
    ForeignImports(Vec<String>),
    #[error("the component does not export {0}")]
    MissingExport(String),
}

/// Reads the surface of a component. All but the functions' bodies is validated: those are left to the
/// compiler, which does nothing else first, and whose code is kept from one start to the next.
pub fn surface(bytes: &[u8]) -> Result<Surface, InspectError> {
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(InspectError::TooLarge(bytes.len()));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(InspectError::CoreModule);
    }
    let mut validator = Validator::new_with_features(WasmFeatures::default());
    let mut found = Surface {
        imports: Vec::new(),
        exports: Vec::new(),
    };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(InspectError::NotAComponent)?;
        validator
            .payload(&payload)
            .map_err(InspectError::NotAComponent)?;
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(InspectError::NotAComponent)?;
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        found.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(InspectError::NotAComponent)?;
                    if export.kind != ComponentExternalKind::Type {
                        found.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The surface, if every import starts with `allowed` and `export` is there. Every foreign import
/// is named. Extra exports are tolerated: some languages add their own.
pub fn admit(bytes: &[u8], allowed: Option<&str>, export: &str) -> Result<Surface, InspectError> {
    let found = surface(bytes)?;
    let foreign: Vec<String> = found
        .imports
        .iter()
        .filter(|name| allowed.is_none_or(|prefix| !name.starts_with(prefix)))
        .cloned()
        .collect();
    if !foreign.is_empty() {
        return Err(InspectError::ForeignImports(foreign));
    }
    if !found.exports.iter().any(|name| name == export) {
        return Err(InspectError::MissingExport(export.to_owned()));
    }
    Ok(found)
}
