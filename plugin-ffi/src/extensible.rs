//! Extensible structs: `struct_size` tells how many fields the caller was compiled with.

use crate::boundary::FfiError;
use std::mem::{MaybeUninit, size_of};
use std::ptr;

/// A struct of the ABI that later versions may extend at its end.
///
/// # Safety
/// The type is `repr(C)`, its first field is `struct_size: usize`, and all-zero bytes are a valid value.
pub(crate) unsafe trait Extensible: Copy {
    /// Offset and end of every field, in bytes.
    const FIELDS: &'static [[usize; 2]];
}

/// Implements [`Extensible`] for a struct, with all of its fields.
macro_rules! extensible {
    ($name:ident { $($field:ident),* $(,)? }) => {
        // SAFETY: a repr(C) struct of integers, floats and pointers that begins with struct_size.
        unsafe impl $crate::extensible::Extensible for $name {
            const FIELDS: &'static [[usize; 2]] = &[$({
                let offset = std::mem::offset_of!($name, $field);
                const fn size<T>(_: fn($name) -> T) -> usize { std::mem::size_of::<T>() }
                [offset, offset + size(|$name { $field, .. }| $field)]
            }),*];
        }
    };
}
pub(crate) use extensible;

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
    check::<T>(size, name)?;
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
    check::<T>(size, name)?;
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

/// Accepts sizes that end where a field ends or, because of padding, where the next one begins; and larger ones of newer versions.
/// Rejects sizes above 4096 bytes: no struct is that large, so the field was not initialized.
fn check<T: Extensible>(size: usize, name: &str) -> Result<(), FfiError> {
    let is_boundary = T::FIELDS.iter().any(|field| field[1] == size || (field[0] == size && size > 0));
    if is_boundary || (size_of::<T>()..=4096).contains(&size) {
        return Ok(());
    }
    Err(FfiError::Misuse(format!("{name}.struct_size is {size}; set it to sizeof({name})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gani_image_desc, gani_invert_options, gani_paste_options};

    #[test]
    fn a_size_that_cuts_a_field_is_refused() {
        // struct_size, then three fields of 4 bytes, and padding.
        let accepted = |size| check::<gani_paste_options>(size, "options").is_ok();
        let good: Vec<usize> = (0..=24).filter(|&size| accepted(size)).collect();
        assert_eq!(good, [8, 12, 16, 20, 24]);
        assert!(accepted(28) && accepted(4096) && !accepted(4097));
        // preview_interval is followed by 4 bytes of padding; cache_folder by a field of 8 bytes.
        let size = size_of::<gani_invert_options>();
        let accepted = |size| check::<gani_invert_options>(size, "options").is_ok();
        assert!(accepted(size) && accepted(size - 4) && accepted(size - 8) && !accepted(size - 6));
        for end in [gani_image_desc::FIELDS.last(), gani_paste_options::FIELDS.last()] {
            assert!(end.is_some_and(|end| end[1] > end[0]));
        }
        assert_eq!(gani_image_desc::FIELDS.last().map(|f| f[1]), Some(size_of::<gani_image_desc>()));
    }
}
