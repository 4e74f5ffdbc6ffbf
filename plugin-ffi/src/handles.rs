//! Handles: numbers that stand for live objects. None is ever an address, none is used twice.
//!
//! A handle that was freed, or is no handle at all, is simply not in the table: an error, never a read of wild memory.
//! Every handle is odd, as no pointer to an object is. A call holds its objects while it runs, so that freeing a handle
//! on another thread only takes it from the table.

use crate::boundary::Fault;
use std::any::Any;
use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What handles stand for.
pub(crate) trait Object: Send + Sync + 'static {
    /// The type that C sees.
    type Opaque;
    /// For messages: "a model".
    const KIND: &'static str;
}

struct Entry {
    kind: &'static str,
    object: Arc<dyn Any + Send + Sync>,
}

#[derive(Default)]
struct Table {
    made: usize,
    live: HashMap<usize, Entry>,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn table() -> MutexGuard<'static, Option<Table>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle for `object`, put where the caller wants it.
///
/// # Safety
/// `to` may be written.
pub(crate) unsafe fn give<T: Object>(to: *mut *mut T::Opaque, object: T) {
    let mut slot = table();
    let table = slot.get_or_insert_default();
    table.made += 1;
    let handle = table.made * 2 + 1;
    table.live.insert(handle, Entry { kind: T::KIND, object: Arc::new(object) });
    // SAFETY: the caller's promise.
    unsafe { to.write(ptr::without_provenance_mut(handle)) };
}

/// Sets the caller's handle to NULL, so that a failed call leaves none; an error where there is no place for it.
///
/// # Safety
/// `to` is NULL or may be written.
pub(crate) unsafe fn clear<O>(to: *mut *mut O, name: &str) -> Result<(), Fault> {
    if to.is_null() {
        return Err(Fault::null(name));
    }
    // SAFETY: the caller's promise.
    unsafe { to.write(ptr::null_mut()) };
    Ok(())
}

/// The object of a handle.
pub(crate) fn get<T: Object>(handle: *const T::Opaque) -> Result<Arc<T>, Fault> {
    let slot = table();
    let entry = find::<T>(slot.as_ref(), handle)?;
    Arc::clone(&entry.object).downcast().map_err(|_| Fault::Misuse(format!("this is {}", entry.kind)))
}

/// Frees a handle; NULL is none. The object goes when the last call that uses it ends.
pub(crate) fn free<T: Object>(handle: *mut T::Opaque) -> Result<(), Fault> {
    if handle.is_null() {
        return Ok(());
    }
    let mut slot = table();
    find::<T>(slot.as_ref(), handle)?;
    let entry = slot.as_mut().and_then(|table| table.live.remove(&handle.addr()));
    drop(slot); // an object may take long to go
    drop(entry);
    Ok(())
}

fn find<T: Object>(table: Option<&Table>, handle: *const T::Opaque) -> Result<&Entry, Fault> {
    let kind = T::KIND;
    if handle.is_null() {
        return Err(Fault::null(kind));
    }
    match table.and_then(|table| table.live.get(&handle.addr())) {
        Some(entry) if entry.kind == kind => Ok(entry),
        Some(entry) => Err(Fault::Misuse(format!("this is a handle of {}, not of {kind}", entry.kind))),
        None => Err(Fault::Misuse(format!("this is no handle of {kind}, or it was freed"))),
    }
}
