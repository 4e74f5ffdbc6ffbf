//! Functions of the library as a whole: versions, last error, logging.

use crate::boundary::{self, FfiError, guard};
use crate::handles;
use crate::{GANI_ABI_VERSION, gani_log_fn, gani_log_level, gani_status};
use gani_core::report::about::about;
use gani_core::runtime::RuntimeOptions;
use gani_core::util::printable::printable;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::{Arc, Condvar, Mutex, Once, PoisonError, RwLock};

/// Returns the ABI version of this library; see gani_abi_check().
#[unsafe(no_mangle)]
pub extern "C" fn gani_abi_version() -> u32 {
    GANI_ABI_VERSION
}

/// Checks that a program compiled against ABI `version` can use this library; pass GANI_ABI_VERSION. Returns
/// GANI_ERROR_UNSUPPORTED if it cannot.
#[unsafe(no_mangle)]
pub extern "C" fn gani_abi_check(version: u32) -> gani_status {
    guard("gani_abi_check", || match version {
        GANI_ABI_VERSION => Ok(()),
        _ => Err(FfiError::Core(gani_core::Error::Unsupported(format!(
            "the program was compiled for ABI version {version}, but libgani {} has ABI version {GANI_ABI_VERSION}; \
             install the libgani that the program was compiled with, or recompile the program",
            env!("CARGO_PKG_VERSION")
        )))),
    })
}

/// Returns the version of gani, such as "0.1.0". The string is static; do not free it.
#[unsafe(no_mangle)]
pub extern "C" fn gani_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns what a dialog "About" shows: the versions of gani and ONNX Runtime, the device, the default model and its license, and
/// folders, one per line as "name: value", in UTF-8. Loads ONNX Runtime; if it is missing, its line has cause and fix. The library
/// owns the string; it is valid until the next call of this function on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn gani_about() -> *const c_char {
    thread_local! {
        static TEXT: RefCell<CString> = RefCell::default();
    }
    let mut text = String::new();
    guard("gani_about", || {
        register_location();
        let facts = about(&RuntimeOptions::default());
        text = facts.iter().map(|fact| format!("{}\n", printable(&fact.to_string()))).collect();
        Ok(())
    });
    let text = boundary::c_string(&text);
    // Fails only while the thread is being destroyed.
    let stored = TEXT.try_with(|last| {
        last.replace(text);
        last.borrow().as_ptr()
    });
    stored.unwrap_or(c"".as_ptr())
}

/// Returns the message of the last failed call on the calling thread, with cause and fix, in UTF-8; "" if no call failed.
/// The library owns the string; it is valid until the next call fails on this thread.
#[unsafe(no_mangle)]
pub extern "C" fn gani_last_error() -> *const c_char {
    boundary::last_error()
}

/// Returns the number of handles of this process that were created and not freed, of all kinds. For leak tests.
#[unsafe(no_mangle)]
pub extern "C" fn gani_handle_count() -> usize {
    handles::count()
}

struct Receiver {
    function: unsafe extern "C" fn(u32, *const c_char, *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the header requires that the log function and its user_data can be used on any thread.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

static RECEIVER: RwLock<Option<Arc<Receiver>>> = RwLock::new(None);

/// Wakes gani_log_set when a call of a receiver has ended.
static CALL_ENDED: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

thread_local! {
    static IN_RECEIVER: Cell<bool> = const { Cell::new(false) };
}

/// Messages of ONNX Runtime that are delivered when a call of gani ends.
static PENDING: Mutex<Vec<(u32, CString)>> = Mutex::new(Vec::new());

/// Maximum number of such messages; later ones are dropped.
const MAX_PENDING: usize = 1000;

/// Delivers the messages of ONNX Runtime. The caller holds no lock.
pub(crate) fn deliver_pending() {
    if IN_RECEIVER.get() {
        return;
    }
    let pending = std::mem::take(&mut *PENDING.lock().unwrap_or_else(PoisonError::into_inner));
    pending.iter().for_each(|(level, message)| call_receiver(*level, message));
}

/// Calls the receiver. No lock is held meanwhile: it may call gani, which logs, while another thread replaces it.
fn call_receiver(level: u32, message: &CStr) {
    let Some(receiver) = RECEIVER.read().unwrap_or_else(PoisonError::into_inner).clone() else { return };
    IN_RECEIVER.set(true);
    // SAFETY: the function and user_data were set together by gani_log_set.
    unsafe { (receiver.function)(level, message.as_ptr(), receiver.user_data) };
    IN_RECEIVER.set(false);
    drop(receiver);
    let _guard = CALL_ENDED.0.lock().unwrap_or_else(PoisonError::into_inner);
    CALL_ENDED.1.notify_all();
}

/// Forwards messages of the `log` crate to the receiver.
struct Forwarder;

impl log::Log for Forwarder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // A log function may call gani. The messages of these calls are dropped, because they would not end.
        if IN_RECEIVER.get() {
            return;
        }
        // Both enums number Error 1 to Debug 4; `log` has Trace 5 in addition.
        let level = (record.level() as u32).min(gani_log_level::GANI_LOG_DEBUG as u32);
        let message = boundary::c_string(&printable(&record.args().to_string()));
        if record.target() != gani_core::runtime::LOG {
            return call_receiver(level, &message);
        }
        // ONNX Runtime holds locks while it logs. A log function that called gani would wait for them forever.
        let mut pending = PENDING.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.len() < MAX_PENDING {
            pending.push((level, message));
        }
    }

    fn flush(&self) {}
}

/// Sets the log function of the process; replaces the previous one. It receives messages up to `level` (a
/// gani_log_level), on the thread that logs them. It may call other functions of gani, except with an object that a
/// running call uses; messages of these calls are not delivered. Messages of ONNX Runtime are delivered when a call ends.
/// NULL or GANI_LOG_OFF disables logging. When this call returns, the previous function is not running and will not be
/// called again, so its user_data may be freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_log_set(
    level: u32,
    function: gani_log_fn,
    user_data: *mut c_void,
) -> gani_status {
    static INSTALL: Once = Once::new();
    guard("gani_log_set", || {
        let filter = match level {
            0 => log::LevelFilter::Off,
            1 => log::LevelFilter::Error,
            2 => log::LevelFilter::Warn,
            3 => log::LevelFilter::Info,
            4 => log::LevelFilter::Debug,
            _ => return Err(FfiError::Misuse(format!("{level} is not a gani_log_level"))),
        };
        if IN_RECEIVER.get() {
            return Err(FfiError::Misuse("a log function must not call gani_log_set".into()));
        }
        let receiver = function.map(|function| Arc::new(Receiver { function, user_data }));
        let previous = {
            let mut current = RECEIVER.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, receiver)
        };
        if let Some(previous) = previous {
            // Calls that have begun hold a reference. New calls get the new function.
            let mut guard = CALL_ENDED.0.lock().unwrap_or_else(PoisonError::into_inner);
            while Arc::strong_count(&previous) > 1 {
                guard = CALL_ENDED.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
        }
        // Fails if a Rust program that links this crate has set its own logger, which then receives all messages.
        INSTALL.call_once(|| drop(log::set_logger(&Forwarder)));
        log::set_max_level(if function.is_some() { filter } else { log::LevelFilter::Off });
        Ok(())
    })
}

/// Tells gani-core the path of this library, because models and ONNX Runtime are searched relative to it and not to the
/// host's executable. Only the first call has an effect.
pub(crate) fn register_location() {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        if let Some(file) = library_path() {
            gani_core::util::paths::set_own_file(file.canonicalize().unwrap_or(file));
        }
    });
}

#[cfg(unix)]
fn library_path() -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let symbol: extern "C" fn() -> u32 = gani_abi_version;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr accepts any address; `info` is writable.
    let found = unsafe { libc::dladdr(symbol as *const c_void, info.as_mut_ptr()) };
    // SAFETY: zero bytes are a valid Dl_info, in case dladdr wrote nothing.
    let info = unsafe { info.assume_init() };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the string belongs to the loader and lives as long as this library, which is never unloaded.
    let name = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) };
    Some(std::ffi::OsStr::from_bytes(name.to_bytes()).into())
}

#[cfg(not(unix))]
fn library_path() -> Option<std::path::PathBuf> {
    None
}
