//! The way in and out: nothing unwinds into a host, and what went wrong can be asked for.

use crate::gani_status::{self, *};
use gani_core::Error;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Why a call failed.
pub(crate) enum Fault {
    /// gani-core says so.
    Core(Error),
    /// The caller's mistake.
    Misuse(String),
}

impl Fault {
    /// For a pointer that must not be NULL.
    pub(crate) fn null(name: &str) -> Fault {
        Fault::Misuse(format!("{name} is NULL"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Core(error)
    }
}

thread_local! {
    static LAST_ERROR: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Runs the body of an entry point; keeps the text of its error, and turns a panic into one.
pub(crate) fn entry(function: &str, body: impl FnOnce() -> Result<(), Fault>) -> gani_status {
    // What a panic leaves half done is behind locks that recover, or local to the call.
    let (status, text) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return GANI_OK,
        Ok(Err(Fault::Misuse(text))) => (GANI_ERROR_MISUSE, text),
        Ok(Err(Fault::Core(error))) => (status_of(&error), error.to_string()),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
            (GANI_ERROR_INTERNAL, format!("a fault in gani, please report it: {said}"))
        }
    };
    let text = c_string(&format!("{function}: {text}"));
    // A thread that is about to end has no place for it any more.
    let _ = LAST_ERROR.try_with(|last| last.replace(Some(text)));
    status
}

/// The text of this thread's last error.
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

/// A string for C; what follows a NUL is lost.
pub(crate) fn c_string(text: &str) -> CString {
    let until_nul: Vec<u8> = text.bytes().take_while(|&b| b != 0).collect();
    CString::new(until_nul).unwrap_or_default()
}

/// A string that the caller may leave out.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string that stays unchanged during the call.
pub(crate) unsafe fn optional<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>, Fault> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| Fault::Core(Error::Input(format!("{name} is not UTF-8"))))
}

/// A string that the caller must give.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn required<'a>(text: *const c_char, name: &str) -> Result<&'a str, Fault> {
    // SAFETY: the caller's promise.
    unsafe { optional(text, name) }?.ok_or_else(|| Fault::null(name))
}

/// A path that the caller must give.
///
/// # Safety
/// As [`optional`].
pub(crate) unsafe fn path(text: *const c_char, name: &str) -> Result<PathBuf, Fault> {
    // SAFETY: the caller's promise.
    unsafe { required(text, name) }.map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        // SAFETY: a string that is valid until this thread's next failure.
        unsafe { CStr::from_ptr(last_error()) }.to_str().unwrap().into()
    }

    #[test]
    fn a_panic_becomes_a_status_and_errors_are_each_threads_own() {
        assert_eq!(text(), "");
        assert_eq!(entry("gani_test", || panic!("index {} is out of range", 7)), GANI_ERROR_INTERNAL);
        assert!(text().contains("gani_test: a fault in gani") && text().contains("index 7 is out of range"));
        std::thread::spawn(|| assert_eq!(text(), "")).join().unwrap();
        assert_eq!(entry("gani_test", || Ok(())), GANI_OK);
        assert_eq!(entry("gani_test", || Err(Fault::Core(Error::Input("a\0b".into())))), GANI_ERROR_INPUT);
        assert_eq!(text(), "gani_test: a");
    }
}
