//! Development: a rebuilt plugin is served within a second of its file's change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::Host;

/// Changes within this time are one change: a build writes several files.
const SETTLE: Duration = Duration::from_millis(150);

impl Host {
    /// Reinstalls a plugin whenever its folder changes, until the returned future is dropped.
    /// A plugin that no longer loads is reported, and the one that serves stays.
    pub async fn watch(self) -> Result<(), notify::Error> {
        let root = self.0.ground.plugins.clone();
        let (tell, mut changes) = mpsc::unbounded_channel();
        let mut watcher: RecommendedWatcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if let Ok(event) = event
                    && !event.kind.is_access()
                {
                    for path in event.paths {
                        let _ = tell.send(path);
                    }
                }
            })?;
        watcher.watch(&root, RecursiveMode::Recursive)?;
        while let Some(first) = changes.recv().await {
            let mut names = BTreeSet::from_iter(plugin_of(&root, &first));
            while let Ok(Some(path)) = tokio::time::timeout(SETTLE, changes.recv()).await {
                names.extend(plugin_of(&root, &path));
            }
            for name in names {
                if let Err(error) = self.install(&name).await {
                    tracing::error!(
                        plugin = name,
                        error = crate::reads::chain(&error),
                        "not reloaded"
                    );
                }
            }
        }
        Ok(())
    }
}

/// The plugin whose file changed.
fn plugin_of(root: &Path, path: &Path) -> Option<String> {
    let inside: PathBuf = path.strip_prefix(root).ok()?.to_path_buf();
    let mut parts = inside.components();
    let name = parts.next()?.as_os_str().to_str()?.to_owned();
    let file = parts.next()?.as_os_str().to_str()?;
    matches!(file, "component.wasm" | "plugin.toml").then_some(name)
}
