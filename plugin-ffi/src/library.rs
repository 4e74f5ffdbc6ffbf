//! The library itself: versions, the last error, the log, where it lies.

use crate::boundary::{self, Fault, entry};
use crate::{GANI_ABI_VERSION, gani_log_fn, gani_log_level, gani_status};
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::sync::{Once, PoisonError, RwLock};

/// The version of the ABI that this library has. Compare it with GANI_ABI_VERSION, or let gani_abi_check() do so.
#[unsafe(no_mangle)]
pub extern "C" fn gani_abi_version() -> u32 {
    GANI_ABI_VERSION
}

/// GANI_OK where a program compiled with `version`, its GANI_ABI_VERSION, may use this library.
#[unsafe(no_mangle)]
pub extern "C" fn gani_abi_check(version: u32) -> gani_status {
    entry("gani_abi_check", || match version {
        GANI_ABI_VERSION => Ok(()),
        _ => Err(Fault::Core(gani_core::Error::Unsupported(format!(
            "this program was compiled for version {version} of the ABI, this libgani {} has version {GANI_ABI_VERSION}; \
             install the one that it was compiled with, or compile it again",
            env!("CARGO_PKG_VERSION")
        )))),
    })
}

/// The version of gani, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn gani_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// What went wrong in the last call that failed on this thread, with cause and fix, in UTF-8; "" where none did. Valid
/// until the next call fails on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn gani_last_error() -> *const c_char {
    boundary::last_error()
}

struct Receiver {
    function: unsafe extern "C" fn(u32, *const c_char, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: who sets a log function promises that any thread may call it with this user_data.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

static RECEIVER: RwLock<Option<Receiver>> = RwLock::new(None);

thread_local! {
    static IN_RECEIVER: Cell<bool> = const { Cell::new(false) };
}

struct Forward;

impl log::Log for Forward {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let receiver = RECEIVER.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = &*receiver {
            let message = boundary::c_string(&record.args().to_string());
            // 1 is Error and 4 is Debug on both sides; Trace is 5.
            let level = (record.level() as u32).min(gani_log_level::GANI_LOG_DEBUG as u32);
            IN_RECEIVER.set(true);
            // SAFETY: a function of this type, with the user_data that it was set with.
            unsafe { (receiver.function)(level, message.as_ptr(), receiver.user_data) };
            IN_RECEIVER.set(false);
        }
    }

    fn flush(&self) {}
}

/// Sends log lines up to `level` (a gani_log_level) to `function`, on whatever thread they arise; NULL or GANI_LOG_OFF
/// ends that. When this returns, the function that was set before is not running any more and will not be called again.
/// One for the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_log_set(
    level: u32,
    function: gani_log_fn,
    user_data: *mut c_void,
) -> gani_status {
    static INSTALL: Once = Once::new();
    entry("gani_log_set", || {
        let filter = match level {
            0 => log::LevelFilter::Off,
            1 => log::LevelFilter::Error,
            2 => log::LevelFilter::Warn,
            3 => log::LevelFilter::Info,
            4 => log::LevelFilter::Debug,
            _ => return Err(Fault::Misuse(format!("{level} is no gani_log_level"))),
        };
        if IN_RECEIVER.get() {
            return Err(Fault::Misuse("a log function must not set another".into()));
        }
        let receiver = function.map(|function| Receiver { function, user_data });
        *RECEIVER.write().unwrap_or_else(PoisonError::into_inner) = receiver;
        // A Rust program that links this crate may have a logger of its own, which then keeps all lines.
        INSTALL.call_once(|| drop(log::set_logger(&Forward)));
        log::set_max_level(if function.is_some() { filter } else { log::LevelFilter::Off });
        Ok(())
    })
}

/// Tells gani-core that it is a library of this file and not the host's executable, once.
pub(crate) fn locate() {
    static LOCATE: Once = Once::new();
    LOCATE.call_once(|| {
        if let Some(file) = own_file() {
            gani_core::place::set_own_file(file.canonicalize().unwrap_or(file));
        }
    });
}

#[cfg(unix)]
fn own_file() -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let here: extern "C" fn() -> u32 = gani_abi_version;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked about; `info` may be written.
    let found = unsafe { libc::dladdr(here as *const c_void, info.as_mut_ptr()) };
    // SAFETY: zero bytes are valid for it, should dladdr have written nothing.
    let info = unsafe { info.assume_init() };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's string, which lives as long as this library, which is never unloaded.
    let name = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) };
    Some(std::ffi::OsStr::from_bytes(name.to_bytes()).into())
}

#[cfg(not(unix))]
fn own_file() -> Option<std::path::PathBuf> {
    None
}
