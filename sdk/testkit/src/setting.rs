//! What a scenario begins with.

use sdk::module::Module;
use sdk_contract::model::ModelDef;

/// The plugins of a scenario, with their demo seeds and switched on everywhere, and the banks'
/// models that are live. The people are always those of `host-config/demo.toml`.
#[derive(Clone)]
pub struct Setting {
    pub(crate) modules: Vec<Module>,
    pub(crate) models: Vec<LiveModel>,
}

/// A model that scores for an institution.
#[derive(Clone)]
pub(crate) struct LiveModel {
    pub(crate) organisation: String,
    pub(crate) def: ModelDef,
}

impl Setting {
    pub fn of(modules: impl IntoIterator<Item = Module>) -> Self {
        Self {
            modules: modules.into_iter().collect(),
            models: Vec::new(),
        }
    }

    /// With one plugin more.
    #[must_use]
    pub fn with(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// With a live model of an institution, by the document that the model declares: on a stage the
    /// built component of that name scores, on the mock a stand-in that reads the same features.
    ///
    /// # Panics
    /// When the document is not a model's.
    #[must_use]
    #[expect(clippy::panic, reason = "a scenario that cannot begin fails its test")]
    pub fn model(mut self, organisation: &str, document: &str) -> Self {
        match serde_json::from_str(document) {
            Ok(def) => self.models.push(LiveModel {
                organisation: organisation.to_owned(),
                def,
            }),
            Err(error) => panic!("not a model's document: {error}"),
        }
        self
    }
}

impl<const N: usize> From<[Module; N]> for Setting {
    fn from(modules: [Module; N]) -> Self {
        Self::of(modules)
    }
}
