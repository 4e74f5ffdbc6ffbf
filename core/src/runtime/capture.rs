//! Keeps other threads off the GPU while a CUDA graph is captured.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The graph id that tells ONNX Runtime to run node by node, without a CUDA graph.
pub(super) const NOT_CAPTURED: i32 = -1;

/// CUDA rejects allocations, copies and launches of other threads during a capture. Everything that uses the GPU holds this lock
/// for reading, a capture holds it for writing.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Waits until no capture is in progress, and prevents one while the guard is alive.
///
/// Take it before the lock of a session or tensor. The same order everywhere rules out a deadlock.
pub(super) fn gpu_access() -> RwLockReadGuard<'static, ()> {
    CAPTURING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no other thread uses the GPU, and keeps all of them off it while the guard is alive.
pub(super) fn exclusive_gpu_access() -> RwLockWriteGuard<'static, ()> {
    CAPTURING.write().unwrap_or_else(PoisonError::into_inner)
}
