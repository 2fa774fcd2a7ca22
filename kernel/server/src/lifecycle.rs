//! Start and stop. A first signal asks everything to finish; a second, or too long a wait, ends.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a polite stop may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tracks background work and tells it when to stop.
#[derive(Clone, Default)]
pub(crate) struct Lifecycle {
    soft: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Runs work until it ends or the platform stops.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let soft = self.soft.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = soft.cancelled() => {}
            }
        });
    }

    /// Resolves when the platform should stop.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.soft.clone().cancelled_owned()
    }

    /// Waits for the first signal, then tells everyone.
    pub(crate) fn listen(&self) {
        let (soft, signal) = (self.soft.clone(), signal());
        self.tasks.spawn(async move {
            tokio::select! {
                () = signal => tracing::info!("stopping; once more to stop at once"),
                () = soft.cancelled() => {}
            }
            soft.cancel();
        });
    }

    /// Waits for tracked work, but not past a second signal or [`PATIENCE`].
    pub(crate) async fn finish(&self, also: &TaskTracker) {
        self.soft.cancel();
        self.tasks.close();
        also.close();
        let work = async {
            self.tasks.wait().await;
            also.wait().await;
        };
        tokio::select! {
            () = work => {}
            () = signal() => tracing::warn!("stopped at once"),
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("stopped with work unfinished"),
        }
    }
}

/// Interrupt or terminate, whichever comes first. They are heard from this call on; before it, either ends
/// the process at once.
fn signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let both = signal(SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
    async move {
        match both {
            Ok((mut terminate, mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            Err(error) => {
                tracing::error!(%error, "signals cannot be heard");
                std::future::pending::<()>().await;
            }
        }
    }
}
