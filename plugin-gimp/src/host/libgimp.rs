//! libgimp's functions for arguments, progress and messages behind safe calls.

use super::functions::{GTK_LIBRARIES, GimpFunctions, GtkFunctions};
use super::handles::Config;
use super::library;
use std::ffi::{CStr, CString, c_char, c_double, c_int};
use std::marker::PhantomData;
use std::ptr::null_mut;

/// libgimp. It may only be called from the main thread, so this type is not `Send`.
#[derive(Clone, Copy)]
pub struct LibGimp {
    functions: &'static GimpFunctions,
    not_send: PhantomData<*mut ()>,
}

impl LibGimp {
    /// Wraps the functions. Only GIMP's callbacks, which run on the main thread, create one.
    pub(super) fn new(functions: &'static GimpFunctions) -> LibGimp {
        LibGimp { functions, not_send: PhantomData }
    }

    /// The C functions.
    pub fn functions(self) -> &'static GimpFunctions {
        self.functions
    }

    /// Opens GTK and libgimpui.
    ///
    /// # Errors
    /// The missing library or function.
    pub fn open_gtk(self) -> Result<GtkFunctions, String> {
        let libraries = library::open_all(GTK_LIBRARIES)?;
        // SAFETY: the signatures follow the headers of GTK and libgimpui. The libraries are never closed.
        let functions = unsafe { GtkFunctions::load(&libraries) };
        std::mem::forget(libraries);
        functions
    }

    /// The value of a double argument.
    pub fn get_double(self, config: Config, name: &str) -> f64 {
        let mut value: c_double = 0.0;
        // SAFETY: `declare_argument` declared this property with this type.
        unsafe {
            (self.functions.g_object_get)(config, c_string(name).as_ptr(), &mut value, null_mut::<c_char>())
        };
        value
    }

    /// The value of an int argument.
    pub fn get_int(self, config: Config, name: &str) -> i32 {
        let mut value: c_int = 0;
        // SAFETY: as in `get_double`.
        unsafe {
            (self.functions.g_object_get)(config, c_string(name).as_ptr(), &mut value, null_mut::<c_char>())
        };
        value
    }

    /// The value of a string or choice argument; empty if GIMP returns NULL.
    pub fn get_string(self, config: Config, name: &str) -> String {
        let mut value: *mut c_char = null_mut();
        // SAFETY: as in `get_double`. The caller owns the returned string.
        unsafe {
            (self.functions.g_object_get)(config, c_string(name).as_ptr(), &mut value, null_mut::<c_char>());
            self.take_string(value)
        }
    }

    /// Sets a double argument.
    pub fn set_double(self, config: Config, name: &str, value: f64) {
        // SAFETY: as in `get_double`.
        unsafe {
            (self.functions.g_object_set)(config, c_string(name).as_ptr(), value, null_mut::<c_char>())
        };
    }

    /// Sets a string or choice argument.
    pub fn set_string(self, config: Config, name: &str, value: &str) {
        let value = c_string(value);
        // SAFETY: as in `get_double`. GLib copies the string.
        unsafe {
            (self.functions.g_object_set)(
                config,
                c_string(name).as_ptr(),
                value.as_ptr(),
                null_mut::<c_char>(),
            )
        };
    }

    /// Copies a string and frees the original.
    ///
    /// # Safety
    /// `string` is NULL or a GLib-allocated C string that the caller owns.
    pub(super) unsafe fn take_string(self, string: *mut c_char) -> String {
        if string.is_null() {
            return String::new();
        }
        // SAFETY: guaranteed by the caller.
        unsafe {
            let copy = CStr::from_ptr(string).to_string_lossy().into_owned();
            (self.functions.g_free)(string);
            copy
        }
    }

    /// Shows a progress bar, in the image window or in GIMP's status bar.
    pub fn progress_init(self, text: &str) {
        // SAFETY: the string lives until the call returns; libgimp copies it.
        unsafe { (self.functions.gimp_progress_init)(c_string(text).as_ptr()) };
    }

    /// Updates the progress bar: the current step, and the completed part (0 to 1) or none if it is unknown.
    pub fn progress_update(self, text: &str, fraction: Option<f64>) {
        // SAFETY: as in `progress_init`.
        unsafe {
            (self.functions.gimp_progress_set_text)(c_string(text).as_ptr());
            match fraction {
                Some(fraction) => (self.functions.gimp_progress_update)(fraction.clamp(0.0, 1.0)),
                None => (self.functions.gimp_progress_pulse)(),
            };
        }
    }

    /// Removes the progress bar.
    pub fn progress_end(self) {
        // SAFETY: a call without arguments.
        unsafe { (self.functions.gimp_progress_end)() };
    }

    /// Shows a message to the user, in the way that GIMP is configured for.
    pub fn message(self, text: &str) {
        // SAFETY: as in `progress_init`.
        unsafe { (self.functions.gimp_message)(c_string(text).as_ptr()) };
    }

    /// Redraws the image windows.
    pub fn flush_displays(self) {
        // SAFETY: a call without arguments.
        unsafe { (self.functions.gimp_displays_flush)() };
    }
}

/// A C string. Zero bytes, which a C string cannot contain, are dropped.
pub fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
