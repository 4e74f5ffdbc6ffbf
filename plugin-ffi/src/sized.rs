//! Structs that grow: the caller's `struct_size` says which of the fields it knows.

use crate::boundary::Fault;
use std::mem::{MaybeUninit, size_of};
use std::ptr;

/// A struct of the ABI that may get further fields at its end.
///
/// # Safety
/// It is `repr(C)`, starts with `struct_size: usize`, and zero bytes are a valid value.
pub(crate) unsafe trait Extensible: Copy {}

/// The value of all zeros.
pub(crate) fn zeroed<T: Extensible>() -> T {
    // SAFETY: `Extensible` promises that zero bytes are valid.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The caller's options; fields that it does not know are zero. Fields that this library does not know must be zero,
/// as in the kernel's extensible calls: an option is never passed over in silence.
///
/// # Safety
/// `given` is NULL or points to `struct_size` readable bytes, the first of which are that size.
pub(crate) unsafe fn read<T: Extensible>(given: *const T, name: &str) -> Result<T, Fault> {
    let mut value = zeroed::<T>();
    if given.is_null() {
        return Ok(value);
    }
    // SAFETY: the caller's promise; bytes need no alignment.
    let size = unsafe { claimed_size(given.cast()) };
    check(size, name)?;
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes can be read there and written here.
    unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut value).cast(), known) };
    // SAFETY: the caller promised `size` readable bytes.
    let beyond = (known..size).any(|i| unsafe { *given.cast::<u8>().add(i) } != 0);
    if beyond {
        return Err(Fault::Core(gani_core::Error::Unsupported(format!(
            "{name} sets a field that this libgani {} does not know; use a newer libgani",
            env!("CARGO_PKG_VERSION")
        ))));
    }
    Ok(value)
}

/// Fills the caller's struct as far as it goes, leaving its size as it is.
///
/// # Safety
/// `to` is NULL or points to `struct_size` writable bytes, the first of which are that size.
pub(crate) unsafe fn write<T: Extensible>(to: *mut T, value: &T, name: &str) -> Result<(), Fault> {
    if to.is_null() {
        return Err(Fault::null(name));
    }
    // SAFETY: the caller's promise.
    let size = unsafe { claimed_size(to.cast_const().cast()) };
    check(size, name)?;
    let known = size.min(size_of::<T>()) - size_of::<usize>();
    // SAFETY: `known` bytes after the size can be read here and written there.
    unsafe {
        let from = ptr::from_ref(value).cast::<u8>().add(size_of::<usize>());
        ptr::copy_nonoverlapping(from, to.cast::<u8>().add(size_of::<usize>()), known);
    }
    Ok(())
}

/// # Safety
/// A `usize` can be read at `at`.
unsafe fn claimed_size(at: *const usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { at.read_unaligned() }
}

fn check(size: usize, name: &str) -> Result<(), Fault> {
    // No struct will ever have a page of fields: a larger number is memory that nobody set.
    if (size_of::<usize>()..=4096).contains(&size) {
        return Ok(());
    }
    Err(Fault::Misuse(format!("{name}.struct_size is {size}; set it to sizeof({name})")))
}
