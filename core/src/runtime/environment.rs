//! ONNX Runtime's environment: the loaded library, its thread pool and its log. A process has one.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::{Environment, GlobalThreadPoolOptions};
use ort::logging::LogLevel;

use super::{arena, library};
use crate::{Error, Result};

/// Target of the `log` records that come from ONNX Runtime. At level `trace` they include the device of every node of a session.
pub const LOG: &str = "onnxruntime";

/// The loaded library and its environment.
#[derive(Debug)]
pub(super) struct Loaded {
    pub environment: Environment,
    pub library: PathBuf,
    pub version: String,
    /// Threads of the global pool.
    pub threads: usize,
}

static LOADED: Mutex<Option<Arc<Loaded>>> = Mutex::new(None);

thread_local! {
    /// Whether this thread is in [`load_once`].
    static IS_LOADING: Cell<bool> = const { Cell::new(false) };
}

/// The process's library and environment, created by the first call.
///
/// # Errors
/// [`Error::Runtime`] if the library cannot be loaded, or if a log function calls this while its thread loads the library.
pub(super) fn load_once(wanted: Option<&Path>, threads: usize) -> Result<Arc<Loaded>> {
    // Loading logs while it holds the lock.
    if IS_LOADING.replace(true) {
        return Err(Error::Runtime(
            "ONNX Runtime is being loaded by this thread; call again when it is loaded".into(),
        ));
    }
    let loaded = locked_load(wanted, threads);
    IS_LOADING.set(false);
    loaded
}

fn locked_load(wanted: Option<&Path>, threads: usize) -> Result<Arc<Loaded>> {
    let mut slot = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(loaded) = slot.as_ref() {
        return match wanted {
            Some(path) if path != loaded.library => Err(Error::Runtime(format!(
                "this process already uses {}; {} cannot be loaded as well",
                loaded.library.display(),
                path.display()
            ))),
            _ => Ok(Arc::clone(loaded)),
        };
    }
    let found = library::find(wanted)?;
    let environment = environment(&found.path, threads)?;
    let version = found.version.map_or_else(|| "unknown".to_owned(), |v| v.to_string());
    log::info!("ONNX Runtime {version} from {}", found.path.display());
    let loaded = Arc::new(Loaded { environment, library: found.path, version, threads });
    *slot = Some(Arc::clone(&loaded));
    Ok(loaded)
}

/// Creates the environment. All sessions share one thread pool: with a pool each, idle threads of one session would spin and slow
/// down the next session's run. Nodes of a graph run one after the other, on the caller's thread and the pool.
fn environment(library: &Path, threads: usize) -> Result<Environment> {
    let builder = ort::init_from(library).map_err(|e| {
        Error::Runtime(format!(
            "{} cannot be used as ONNX Runtime: {e}. {}",
            library.display(),
            library::how_to_get_it()
        ))
    })?;
    let failed = |e: ort::Error| Error::Runtime(format!("ONNX Runtime in {}: {e}", library.display()));
    let pool = GlobalThreadPoolOptions::default()
        .with_intra_threads(threads)
        .and_then(|pool| pool.with_inter_threads(1))
        .map_err(failed)?;
    let environment = builder
        .with_name("gani")
        .with_telemetry(false)
        .with_global_thread_pool(pool)
        .with_logger(Arc::new(forward_log))
        .build()
        .map_err(failed)?;
    arena::register(&environment).map_err(failed)?;
    Ok(environment)
}

/// Forwards ONNX Runtime's log to the `log` crate. Its warnings become `debug`: they are of no use to users.
fn forward_log(level: LogLevel, category: &str, _id: &str, location: &str, message: &str) {
    let level = match level {
        LogLevel::Verbose => log::Level::Trace,
        LogLevel::Info | LogLevel::Warning => log::Level::Debug,
        LogLevel::Error | LogLevel::Fatal => log::Level::Warn,
    };
    log::log!(target: LOG, level, "{category} {location}: {message}");
}
