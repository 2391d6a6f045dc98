//! Seeing changes under the root while a host runs. What a change means is the engine's business; here it is only noticed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use orc_engine::Engine;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Several saves within this are one change.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// The engine looks anyway this often: a watch can be lost (a replaced directory, an exhausted kernel limit).
const LOOK_ANYWAY: Duration = Duration::from_secs(10);

/// Lets the engine look at the root whenever something under it changes, until `shutdown`.
pub async fn watch_root(engine: Arc<Engine>, root: PathBuf, shutdown: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let watcher = watcher(&root, Arc::clone(&changed));
    if let Err(error) = &watcher {
        tracing::warn!(root = %root.display(), %error, "the root cannot be watched; it is looked at every {} s", LOOK_ANYWAY.as_secs());
    }
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = changed.notified() => tokio::time::sleep(DEBOUNCE).await,
            () = tokio::time::sleep(LOOK_ANYWAY) => {}
        }
        if let Err(error) = engine.scan_root().await {
            tracing::error!(%error, "the root could not be looked at");
        }
    }
}

fn watcher(root: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    for folder in ["config", "policies", "phases"] {
        let path = root.join(folder);
        if path.is_dir() {
            watcher.watch(&path, RecursiveMode::Recursive)?;
        }
    }
    Ok(watcher)
}
