//! Extensible structs: `struct_size` tells how many fields the caller was compiled with.

use crate::boundary::FfiError;
use std::mem::{MaybeUninit, size_of};
use std::ptr;

/// A struct of the ABI that later versions may extend at its end.
///
/// # Safety
/// The type is `repr(C)`, its first field is `struct_size: usize`, and all-zero bytes are a valid value.
pub(crate) unsafe trait Extensible: Copy {}

/// The all-zero value.
pub(crate) fn zeroed<T: Extensible>() -> T {
    // SAFETY: `Extensible` guarantees that all-zero bytes are valid.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Reads the caller's struct; NULL gives the defaults. Fields that the caller does not have are zero.
///
/// # Errors
/// [`FfiError::Misuse`] if `struct_size` is out of range. [`gani_core::Error::Unsupported`] if a field that this
/// library does not have is not zero: an option is never silently ignored.
///
/// # Safety
/// `source` is NULL or points to `struct_size` readable bytes that begin with that size.
pub(crate) unsafe fn read<T: Extensible>(source: *const T, name: &str) -> Result<T, FfiError> {
    let mut value = zeroed::<T>();
    if source.is_null() {
        return Ok(value);
    }
    // SAFETY: guaranteed by the caller.
    let size = unsafe { claimed_size(source.cast()) };
    check(size, name)?;
    let known = size.min(size_of::<T>());
    // SAFETY: `known` bytes are readable at `source` and writable at `value`.
    unsafe { ptr::copy_nonoverlapping(source.cast::<u8>(), (&raw mut value).cast(), known) };
    // SAFETY: the caller guarantees `size` readable bytes.
    let sets_unknown_field = (known..size).any(|i| unsafe { *source.cast::<u8>().add(i) } != 0);
    if sets_unknown_field {
        return Err(FfiError::Core(gani_core::Error::Unsupported(format!(
            "{name} sets a field that libgani {} does not support; use a newer libgani",
            env!("CARGO_PKG_VERSION")
        ))));
    }
    Ok(value)
}

/// Writes the fields that the caller's struct has; leaves its `struct_size` unchanged.
///
/// # Errors
/// [`FfiError::Misuse`] if `out` is NULL or its `struct_size` is out of range.
///
/// # Safety
/// `out` is NULL or points to `struct_size` writable bytes that begin with that size.
pub(crate) unsafe fn write<T: Extensible>(out: *mut T, value: &T, name: &str) -> Result<(), FfiError> {
    if out.is_null() {
        return Err(FfiError::null(name));
    }
    // SAFETY: guaranteed by the caller.
    let size = unsafe { claimed_size(out.cast_const().cast()) };
    check(size, name)?;
    let known = size.min(size_of::<T>()) - size_of::<usize>();
    // SAFETY: `known` bytes after the size are readable in `value` and writable at `out`.
    unsafe {
        let from = ptr::from_ref(value).cast::<u8>().add(size_of::<usize>());
        ptr::copy_nonoverlapping(from, out.cast::<u8>().add(size_of::<usize>()), known);
    }
    Ok(())
}

/// # Safety
/// A `usize` is readable at `at`; it need not be aligned.
unsafe fn claimed_size(at: *const usize) -> usize {
    // SAFETY: guaranteed by the caller.
    unsafe { at.read_unaligned() }
}

/// Rejects sizes above 4096 bytes: no struct is that large, so the field was not initialized.
fn check(size: usize, name: &str) -> Result<(), FfiError> {
    if (size_of::<usize>()..=4096).contains(&size) {
        return Ok(());
    }
    Err(FfiError::Misuse(format!("{name}.struct_size is {size}; set it to sizeof({name})")))
}
