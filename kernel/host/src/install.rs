//! From a folder to an installed module.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kernel_storage::{By, Commit, CommitError, PlanError, RowFilter, StorageError};
use sdk_contract::call::Write;
use sdk_contract::def::{ModuleDef, SeedDef};
use sdk_contract::manifest::{Manifest, PluginKind};
use sdk_contract::validate;
use wasmtime::component::Component;

use crate::access::Access;
use crate::catalog::Installed;
use crate::engine::Sandbox;
use crate::guest::Guest;
use crate::inspect::{InspectError, admit};
use crate::module::Module;
use crate::platform::Platform;
use crate::plugin_toml::{self, ManifestError};
use crate::{DescribeError, Host, console, effects};

/// Imports a plugin may have.
const PLUGIN_IMPORTS: &str = "rongqiao:plugin/";
/// The export every plugin has.
const PLUGIN_EXPORT: &str = "rongqiao:plugin/guest@0.1.0";

/// Why a module was not installed. What was installed before stays.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the blobs of before cannot be listed")]
    Files(#[source] sdk_contract::error::Fault),
    #[error("plugin folder {path} cannot be read")]
    Folder {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{plugin}: manifest refused")]
    Manifest {
        plugin: String,
        #[source]
        source: ManifestError,
    },
    #[error("{plugin}: component refused")]
    Inspect {
        plugin: String,
        #[source]
        source: InspectError,
    },
    #[error("{plugin}: does not compile")]
    Compile {
        plugin: String,
        #[source]
        source: wasmtime::Error,
    },
    #[error("{plugin}: declaration refused")]
    Describe {
        plugin: String,
        #[source]
        source: DescribeError,
    },
    #[error("{plugin}: declaration refused: {}", faults.join("; "))]
    Declaration { plugin: String, faults: Vec<String> },
    #[error("{plugin}: tables cannot be made")]
    Plan {
        plugin: String,
        #[source]
        source: PlanError,
    },
    #[error("{plugin}: seed rows cannot be inserted")]
    Seed {
        plugin: String,
        #[source]
        source: CommitError,
    },
    #[error("{plugin}: seed rows are not valid: {what}")]
    SeedValues { plugin: String, what: String },
    #[error("the store failed")]
    Storage(#[from] StorageError),
}

impl Host {
    /// Puts the kernel's own modules in place.
    pub(crate) async fn install_native(&self) -> Result<(), InstallError> {
        let platform = Platform::new(self.clone(), self.0.ground.sessions.clone());
        self.native(kernel_identity::module::definition(), Arc::new(platform))
            .await?;
        let access = Access::new(self.clone());
        self.native(kernel_identity::apps::definition(), Arc::new(access))
            .await?;
        let console = console::Console::new(self.clone());
        self.native(console::def(), Arc::new(console)).await?;
        // On the heap: planning is deep, and starting is rare.
        Box::pin(self.install_data()).await
    }

    async fn native(&self, def: ModuleDef, module: Arc<dyn Module>) -> Result<(), InstallError> {
        self.declare(&def).await?;
        let id = def.id.clone();
        let former = self.store().former(&id);
        let installed = Installed::native(def, former, module);
        self.change_catalog(|c| {
            c.modules.insert(id, Arc::new(installed));
        });
        Ok(())
    }

    /// Installs every plugin of the folder; then the seeds, since they name each other's rows.
    pub(crate) async fn install_all(&self) -> Result<(), InstallError> {
        let folder = &self.0.ground.plugins;
        let failed = |source| InstallError::Folder {
            path: folder.display().to_string(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().join("plugin.toml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        // Compiling is what takes time, and each core can do one.
        let cores = available_parallelism().map_or(1, NonZero::get);
        let built: Vec<(&String, Built)> = stream::iter(&names)
            .map(async |name| Ok::<_, InstallError>((name, self.build(name).await?)))
            .buffered(cores)
            .try_collect()
            .await?;
        for (name, built) in built {
            self.put(name, built).await?;
        }
        self.seed_all().await
    }

    /// Installs or replaces one plugin from its folder. On any error the one that serves stays.
    pub async fn install(&self, name: &str) -> Result<(), InstallError> {
        let built = self.build(name).await?;
        self.put(name, built).await?;
        self.refresh_classified().await
    }

    /// Reads, admits and compiles one plugin, on a thread that does not serve.
    #[expect(
        clippy::result_large_err,
        reason = "one error type for installing; not on a hot path"
    )]
    async fn build(&self, name: &str) -> Result<Built, InstallError> {
        let sandbox = self.engines().plugins.clone();
        let folder = self.0.ground.plugins.join(name);
        let plugin = name.to_owned();
        tokio::task::spawn_blocking(move || build(&sandbox, &folder, plugin))
            .await
            .unwrap_or_else(|e| {
                Err(InstallError::Compile {
                    plugin: name.to_owned(),
                    source: wasmtime::format_err!("compilation ended early: {e}"),
                })
            })
    }

    async fn put(&self, name: &str, built: Built) -> Result<(), InstallError> {
        let Built {
            manifest,
            digest,
            component,
        } = built;
        let plugin = name.to_owned();
        let manifest = Arc::new(manifest);
        let (guest, def) = Guest::load(self.clone(), Arc::clone(&manifest), &component)
            .await
            .map_err(|source| InstallError::Describe {
                plugin: plugin.clone(),
                source,
            })?;
        let mut faults = validate::faults(&def);
        if def.id != manifest.id || manifest.id != name {
            faults.push(format!(
                "folder {name}, plugin.toml {} and describe() {} differ",
                manifest.id, def.id
            ));
        }
        for event in def
            .on
            .iter()
            .filter(|e| !manifest.capabilities.events.subscribe.contains(*e))
        {
            faults.push(format!(
                "hears {event}; add to plugin.toml: [capabilities.events] subscribe = [\"{event}\"]"
            ));
        }
        if !faults.is_empty() {
            return Err(InstallError::Declaration { plugin, faults });
        }
        self.declare(&def).await?;
        let _one = self.0.switches.lock().await;
        let enabled = self
            .enabled(name, manifest.kind == PluginKind::Edition)
            .await?;
        let installed = Installed {
            former: self.store().former(name),
            def,
            manifest: Some(manifest),
            digest,
            enabled,
            suspended: BTreeSet::new(),
            module: Arc::new(guest),
        };
        tracing::info!(plugin = name, digest = %installed.digest, "installed");
        self.change_catalog(|c| {
            c.modules.insert(name.to_owned(), Arc::new(installed));
        });
        Ok(())
    }

    pub(crate) async fn declare(&self, def: &ModuleDef) -> Result<(), InstallError> {
        let now = self.clock().now().micros();
        self.store()
            .apply(def, now)
            .await
            .map(|_| ())
            .map_err(|source| InstallError::Plan {
                plugin: def.id.clone(),
                source,
            })
    }

    /// Inserts the seeds that are not there yet. Modules whose seeds name rows of a module that
    /// comes later are tried again after it.
    async fn seed_all(&self) -> Result<(), InstallError> {
        let catalog = self.catalog();
        let mut waiting: Vec<_> = catalog.modules.values().collect();
        loop {
            let before = waiting.len();
            let mut failed = None;
            let mut next = Vec::new();
            for installed in waiting {
                match self.seed(&installed.def).await {
                    Err(InstallError::Seed {
                        plugin,
                        source: source @ CommitError::BadReference { .. },
                    }) => {
                        failed = Some(InstallError::Seed { plugin, source });
                        next.push(installed);
                    }
                    other => other?,
                }
            }
            match failed {
                None => return Ok(()),
                Some(error) if next.len() == before => return Err(error),
                Some(_) => waiting = next,
            }
        }
    }

    async fn seed(&self, def: &ModuleDef) -> Result<(), InstallError> {
        let mut writes = Vec::new();
        for seed in def.seeds.iter().filter(|s| self.0.ground.demo || !s.demo) {
            let name = kernel_storage::CollectionName::new(&def.id, &seed.collection);
            if self
                .store()
                .get(&name, &seed.id, &RowFilter::All)
                .await
                .map_err(query)?
                .is_none()
            {
                writes.push(insert(seed));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let running = effects::Running {
            def,
            action: None,
            record: None,
        };
        let (writes, _) =
            effects::writes(running, writes).map_err(|f| InstallError::SeedValues {
                plugin: def.id.clone(),
                what: f.message,
            })?;
        let commit = Commit {
            at: self.clock().now().micros(),
            by: By {
                user: String::new(),
                name: "seed".into(),
                organisation: None,
            },
            request: "seed".into(),
            module: def.id.clone(),
            writes,
            ..Commit::default()
        };
        self.store()
            .commit(commit)
            .await
            .map(|_| ())
            .map_err(|source| InstallError::Seed {
                plugin: def.id.clone(),
                source,
            })
    }
}

/// A plugin that is admitted and compiled, but not yet there.
struct Built {
    manifest: Manifest,
    /// SM3 of the component, hex.
    digest: String,
    component: Component,
}

#[expect(
    clippy::result_large_err,
    reason = "one error type for installing; not on a hot path"
)]
fn build(sandbox: &Sandbox, folder: &Path, plugin: String) -> Result<Built, InstallError> {
    let manifest = match plugin_toml::read(&folder.join("plugin.toml")) {
        Ok(manifest) => manifest,
        Err(source) => return Err(InstallError::Manifest { plugin, source }),
    };
    let bytes = read(&folder.join("component.wasm"))?;
    if let Err(source) = admit(&bytes, Some(PLUGIN_IMPORTS), PLUGIN_EXPORT) {
        return Err(InstallError::Inspect { plugin, source });
    }
    let digest = kernel_crypto::sm3::digest(&bytes).to_string();
    match sandbox.compile(&bytes) {
        Ok(component) => Ok(Built {
            manifest,
            digest,
            component,
        }),
        Err(source) => Err(InstallError::Compile { plugin, source }),
    }
}

fn insert(seed: &SeedDef) -> Write {
    Write::Insert {
        collection: seed.collection.clone(),
        id: seed.id.clone(),
        subject: seed.subject.clone(),
        organisation: seed.organisation.clone(),
        district: seed.district.clone(),
        values: seed.values.clone(),
    }
}

#[expect(
    clippy::result_large_err,
    reason = "one error type for installing; not on a hot path"
)]
fn read(path: &Path) -> Result<Vec<u8>, InstallError> {
    std::fs::read(path).map_err(|source| InstallError::Folder {
        path: path.display().to_string(),
        source,
    })
}

/// A kernel question about a declared collection can only fail by the store.
pub(crate) fn query(error: kernel_storage::QueryError) -> StorageError {
    match error {
        kernel_storage::QueryError::Storage(e) => e,
        other => StorageError::Damaged(other.to_string()),
    }
}
