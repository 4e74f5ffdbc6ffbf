//! The boundary between C and Rust: error status, error text, panics and strings.

use crate::gani_status::{self, *};
use gani_core::Error;
use gani_core::util::printable::printable;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Why a call failed.
pub(crate) enum FfiError {
    /// An error of gani-core.
    Core(Error),
    /// The caller broke a rule of the ABI: a NULL pointer, an invalid handle, an unknown enum value.
    Misuse(String),
}

impl FfiError {
    /// A required pointer named `name` is NULL.
    pub(crate) fn null(name: &str) -> FfiError {
        FfiError::Misuse(format!("{name} is NULL"))
    }
}

impl From<Error> for FfiError {
    fn from(error: Error) -> FfiError {
        FfiError::Core(error)
    }
}

thread_local! {
    static LAST_ERROR: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Runs the body of an exported function. Converts its result into a status, stores the error text for
/// `gani_last_error`, and converts a panic into `GANI_ERROR_INTERNAL`.
pub(crate) fn guard(function: &str, body: impl FnOnce() -> Result<(), FfiError>) -> gani_status {
    // Unwind safety: state that a panic can leave incomplete is local to the call or behind locks that ignore poisoning.
    let result = catch_unwind(AssertUnwindSafe(body));
    crate::library::deliver_pending();
    let (status, text) = match result {
        Ok(Ok(())) => return GANI_OK,
        Ok(Err(FfiError::Misuse(text))) => (GANI_ERROR_MISUSE, text),
        Ok(Err(FfiError::Core(error))) => (status_of(&error), error.to_string()),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message =
                message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message available");
            (GANI_ERROR_INTERNAL, format!("internal error in gani, please report it: {message}"))
        }
    };
    let text = c_string(&printable(&format!("{function}: {text}")));
    // Fails only while the thread is being destroyed.
    let _ = LAST_ERROR.try_with(|last| last.replace(Some(text)));
    status
}

/// The text of the calling thread's last error; empty if there was none.
pub(crate) fn last_error() -> *const c_char {
    let text = LAST_ERROR.try_with(|last| last.borrow().as_ref().map(|text| text.as_ptr()));
    text.ok().flatten().unwrap_or(c"".as_ptr())
}

fn status_of(error: &Error) -> gani_status {
    match error {
        Error::Input(_) => GANI_ERROR_INPUT,
        Error::Model(_) => GANI_ERROR_MODEL,
        Error::Unsupported(_) => GANI_ERROR_UNSUPPORTED,
        Error::Limits(_) => GANI_ERROR_LIMITS,
        Error::Runtime(_) => GANI_ERROR_RUNTIME,
        Error::Io { .. } => GANI_ERROR_IO,
        Error::Cancelled => GANI_CANCELLED,
        _ => GANI_ERROR_INTERNAL,
    }
}

/// Converts to a C string, truncated at the first NUL.
pub(crate) fn c_string(text: &str) -> CString {
    let until_nul: Vec<u8> = text.bytes().take_while(|&b| b != 0).collect();
    CString::new(until_nul).unwrap_or_default()
}

/// Reads an optional string argument; NULL gives `None`.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that is not modified during the call.
pub(crate) unsafe fn optional<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>, FfiError> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: guaranteed by the caller.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| FfiError::Core(Error::Input(format!("{name} is not valid UTF-8"))))
}

/// Reads a required string argument.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn required<'a>(text: *const c_char, name: &str) -> Result<&'a str, FfiError> {
    // SAFETY: guaranteed by the caller.
    unsafe { optional(text, name) }?.ok_or_else(|| FfiError::null(name))
}

/// Reads a required path argument.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn path(text: *const c_char, name: &str) -> Result<PathBuf, FfiError> {
    // SAFETY: guaranteed by the caller.
    unsafe { required(text, name) }.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        // SAFETY: the string is valid until the next failure on this thread.
        unsafe { CStr::from_ptr(last_error()) }.to_str().unwrap().into()
    }

    #[test]
    fn panics_become_a_status_and_errors_are_per_thread() {
        assert_eq!(text(), "");
        assert_eq!(guard("gani_test", || panic!("index {} is out of range", 7)), GANI_ERROR_INTERNAL);
        assert!(
            text().contains("gani_test: internal error in gani")
                && text().contains("index 7 is out of range")
        );
        std::thread::spawn(|| assert_eq!(text(), "")).join().unwrap();
        assert_eq!(guard("gani_test", || Ok(())), GANI_OK);
        assert_eq!(guard("gani_test", || Err(FfiError::Core(Error::Input("a\0b".into())))), GANI_ERROR_INPUT);
        assert_eq!(text(), "gani_test: a\\u{0}b");
    }
}
