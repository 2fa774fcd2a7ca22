//! Stylesheet, script and icons, built by `./x assets` and embedded in the binary.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Built;

/// Site-relative addresses of what every page needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assets {
    pub styles: String,
    pub script: String,
    /// What seals passwords, for pages that have a field for one.
    pub seal: String,
    pub icons: String,
    /// The site's mark in a browser's tab.
    pub favicon: String,
}

/// A file to answer `/assets/<name>` with. Names carry a hash of the content: cache for ever.
#[derive(Debug, Clone)]
pub struct AssetFile {
    pub bytes: Cow<'static, [u8]>,
    pub media: &'static str,
}

impl Assets {
    /// The addresses of the embedded files, under `/assets/`.
    pub fn embedded() -> Self {
        let names: BTreeMap<String, String> = Built::get("manifest.json")
            .and_then(|m| serde_json::from_slice(&m.data).ok())
            .unwrap_or_default();
        let at = |name: &str| {
            names
                .get(name)
                .map(|f| format!("/assets/{f}"))
                .unwrap_or_default()
        };
        Self {
            styles: at("app.css"),
            script: at("app.js"),
            seal: at("seal.js"),
            icons: at("icons.svg"),
            favicon: at("favicon.svg"),
        }
    }
}

/// An embedded file by its hashed name; `None` for anything else.
pub fn file(name: &str) -> Option<AssetFile> {
    let media = match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Built::get(name).map(|f| AssetFile {
        bytes: f.data,
        media,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_leads_to_a_file() {
        let assets = Assets::embedded();
        for (address, media) in [
            (&assets.styles, "text/css; charset=utf-8"),
            (&assets.script, "text/javascript; charset=utf-8"),
            (&assets.seal, "text/javascript; charset=utf-8"),
            (&assets.icons, "image/svg+xml"),
            (&assets.favicon, "image/svg+xml"),
        ] {
            let found = file(address.strip_prefix("/assets/").unwrap()).unwrap();
            assert_eq!(found.media, media);
            assert!(!found.bytes.is_empty());
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for name in ["manifest.json", "../Cargo.toml", "app.css", "", "x.css"] {
            assert!(file(name).is_none(), "{name}");
        }
    }
}
