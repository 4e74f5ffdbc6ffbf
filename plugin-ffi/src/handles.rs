//! The handle table: maps the handles that C holds to Rust objects.
//!
//! A handle is a unique odd number, so it never equals the address of an aligned object and is never reused. Looking up a
//! freed or made-up handle gives an error instead of an invalid memory access. A running call keeps its objects alive
//! through `Arc`, so another thread may free the handle at any time.

use crate::boundary::FfiError;
use std::any::Any;
use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A Rust object that a handle can refer to.
pub(crate) trait Object: Send + Sync + 'static {
    /// The handle's type in C.
    type Opaque;
    /// Name with article for error messages, such as "a model".
    const KIND: &'static str;
}

struct Entry {
    kind: &'static str,
    object: Arc<dyn Any + Send + Sync>,
}

#[derive(Default)]
struct Table {
    /// Number of handles created so far.
    created: usize,
    live: HashMap<usize, Entry>,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<Table>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds `object` to the table and writes its handle to `out`.
///
/// # Safety
/// `out` is valid for writes.
pub(crate) unsafe fn insert<T: Object>(out: *mut *mut T::Opaque, object: T) {
    let mut slot = table();
    let table = slot.get_or_insert_default();
    table.created += 1;
    let handle = table.created * 2 + 1;
    table.live.insert(handle, Entry { kind: T::KIND, object: Arc::new(object) });
    // SAFETY: guaranteed by the caller.
    unsafe { out.write(ptr::without_provenance_mut(handle)) };
}

/// Sets an output handle to NULL, so that a call that fails later returns no handle.
///
/// # Errors
/// [`FfiError::Misuse`] if `out` is NULL.
///
/// # Safety
/// `out` is NULL or valid for writes.
pub(crate) unsafe fn reset<O>(out: *mut *mut O, name: &str) -> Result<(), FfiError> {
    if out.is_null() {
        return Err(FfiError::null(name));
    }
    // SAFETY: guaranteed by the caller.
    unsafe { out.write(ptr::null_mut()) };
    Ok(())
}

/// The object that a handle refers to.
///
/// # Errors
/// [`FfiError::Misuse`] if the handle is NULL, was freed, or refers to an object of another type.
pub(crate) fn get<T: Object>(handle: *const T::Opaque) -> Result<Arc<T>, FfiError> {
    let slot = table();
    let entry = find::<T>(slot.as_ref(), handle)?;
    Arc::clone(&entry.object)
        .downcast()
        .map_err(|_| FfiError::Misuse(format!("the handle refers to {}", entry.kind)))
}

/// Removes a handle; NULL is ignored. The object is dropped when the last call that uses it returns.
pub(crate) fn free<T: Object>(handle: *mut T::Opaque) -> Result<(), FfiError> {
    if handle.is_null() {
        return Ok(());
    }
    let mut slot = table();
    find::<T>(slot.as_ref(), handle)?;
    let entry = slot.as_mut().and_then(|table| table.live.remove(&handle.addr()));
    drop(slot); // Unlock first: dropping a model can take long.
    drop(entry);
    Ok(())
}

/// The number of live handles.
pub(crate) fn count() -> usize {
    table().as_ref().map_or(0, |table| table.live.len())
}

fn find<T: Object>(table: Option<&Table>, handle: *const T::Opaque) -> Result<&Entry, FfiError> {
    let kind = T::KIND;
    if handle.is_null() {
        return Err(FfiError::Misuse(format!("the handle of {kind} is NULL")));
    }
    match table.and_then(|table| table.live.get(&handle.addr())) {
        Some(entry) if entry.kind == kind => Ok(entry),
        Some(entry) => {
            Err(FfiError::Misuse(format!("expected the handle of {kind}, got that of {}", entry.kind)))
        }
        None => Err(FfiError::Misuse(format!("not a valid handle of {kind}, or it was freed"))),
    }
}
