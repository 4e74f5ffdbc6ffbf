//! Cancellation: a flag that also stops the network run in progress.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::RunOptions;

use crate::{Error, Result};

/// A shared cancellation flag. Clones share the flag; give one to a signal handler or a button.
///
/// Work in steps tests it with [`check`](Cancel::check). A network run in progress stops within milliseconds.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    running: Mutex<Vec<Arc<RunOptions>>>,
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Sets the flag and stops every run that uses it. May be called from any thread, any number of times.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for run in self.0.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Err(e) = run.terminate() {
                log::debug!("a run could not be stopped and continues to its end: {e}");
            }
        }
    }

    /// Whether [`cancel`](Cancel::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Fails once the flag is set: `cancel.check()?` between steps.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Calls `run` with options that let [`cancel`](Cancel::cancel) stop it. `cuda_graph` is the id of the CUDA graph to capture or
    /// replay.
    pub(super) fn run_cancellable<T>(
        &self,
        cuda_graph: i32,
        run: impl FnOnce(&RunOptions) -> Result<T>,
    ) -> Result<T> {
        let options = RunOptions::new().and_then(|mut options| {
            options.set("gpu_graph_id", cuda_graph.to_string())?;
            Ok(Arc::new(options))
        });
        let options = options.map_err(|e| Error::Runtime(e.to_string()))?;
        let running = || self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running().push(Arc::clone(&options));
        // The check comes after the push: it sees an earlier cancel(), and a later cancel() finds the run in the list.
        let result = self.check().and_then(|()| run(&options));
        running().retain(|other| !Arc::ptr_eq(other, &options));
        // ONNX Runtime reports a stopped run as a general failure. The flag tells the two apart.
        if self.is_cancelled() { Err(Error::Cancelled) } else { result }
    }
}
