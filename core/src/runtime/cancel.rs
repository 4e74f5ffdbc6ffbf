//! Stopping: a flag that also ends the network run in progress.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::RunOptions;

use crate::{Error, Result};

/// The id of a run that is no CUDA graph, in ONNX Runtime's words.
pub(super) const NOT_RECORDED: i32 = -1;

/// A shared "please stop". Clones are the same flag; give one to a signal handler or a button.
///
/// Work checks it each step with [`check`](Cancel::check); a network run in progress ends within milliseconds.
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

    /// Sets the flag and ends every run that holds it. May be called from any thread, any number of times.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for run in self.0.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Err(e) = run.terminate() {
                log::debug!("a run could not be told to stop and will end by itself: {e}");
            }
        }
    }

    /// Whether [`cancel`](Cancel::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// [`Error::Cancelled`] once the flag is set, for `cancel.check()?` between steps.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Does a network run that [`cancel`](Cancel::cancel) can end. Where the session records CUDA graphs, it is the one called
    /// `cuda_graph`.
    pub(super) fn during<T>(&self, cuda_graph: i32, run: impl FnOnce(&RunOptions) -> Result<T>) -> Result<T> {
        let options = RunOptions::new().and_then(|mut options| {
            options.set("gpu_graph_id", cuda_graph.to_string())?;
            Ok(Arc::new(options))
        });
        let options = options.map_err(|e| Error::Runtime(e.to_string()))?;
        let running = || self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running().push(Arc::clone(&options));
        // Looked at after the push: a cancel() before it is seen here, one after it finds the run in the list.
        let result = self.check().and_then(|()| run(&options));
        running().retain(|other| !Arc::ptr_eq(other, &options));
        // ONNX Runtime reports a stopped run as a general failure; the flag says what it was.
        if self.is_cancelled() { Err(Error::Cancelled) } else { result }
    }
}
