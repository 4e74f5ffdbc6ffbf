//! GIMP, behind safe calls: libgimp through run-time tables, from the main thread only.

pub mod functions;
pub mod handles;
mod library;
pub mod picture;
mod plug_in;

pub use plug_in::serve;

use functions::{GTK, Gimp, Gtk};
use handles::*;
use std::ffi::{CStr, CString, c_char, c_double, c_int};
use std::marker::PhantomData;
use std::ptr::null_mut;

/// libgimp. It may be called from the main thread only, so this cannot be sent to another one.
#[derive(Clone, Copy)]
pub struct Host {
    gimp: &'static Gimp,
    main_thread: PhantomData<*mut ()>,
}

impl Host {
    /// The table itself.
    pub fn gimp(self) -> &'static Gimp {
        self.gimp
    }

    /// GTK, opened now.
    ///
    /// # Errors
    /// What is missing.
    pub fn gtk(self) -> Result<Gtk, String> {
        let libraries = library::open_all(GTK)?;
        // SAFETY: the signatures follow GTK's and libgimpui's headers; the libraries are never closed.
        let table = unsafe { Gtk::load(&libraries) };
        std::mem::forget(libraries);
        table
    }

    /// A double argument's value.
    pub fn number(self, config: Config, name: &CStr) -> f64 {
        let mut value: c_double = 0.0;
        // SAFETY: the config has this property with this type, because `create` declared it.
        unsafe { (self.gimp.g_object_get)(config, name.as_ptr(), &mut value, null_mut::<c_char>()) };
        value
    }

    /// An int argument's value.
    pub fn whole(self, config: Config, name: &CStr) -> i32 {
        let mut value: c_int = 0;
        // SAFETY: as in `number`.
        unsafe { (self.gimp.g_object_get)(config, name.as_ptr(), &mut value, null_mut::<c_char>()) };
        value
    }

    /// A string's or choice's value; empty where it has none.
    pub fn text(self, config: Config, name: &CStr) -> String {
        let mut value: *mut c_char = null_mut();
        // SAFETY: as in `number`; the string is a copy that is ours.
        unsafe {
            (self.gimp.g_object_get)(config, name.as_ptr(), &mut value, null_mut::<c_char>());
            self.take_string(value)
        }
    }

    /// # Safety
    /// `string` is NULL or a C string from GLib that nobody else frees.
    unsafe fn take_string(self, string: *mut c_char) -> String {
        if string.is_null() {
            return String::new();
        }
        // SAFETY: by the caller.
        unsafe {
            let copy = CStr::from_ptr(string).to_string_lossy().into_owned();
            (self.gimp.g_free)(string);
            copy
        }
    }

    /// Begins a progress bar, in the image's window or GIMP's status bar.
    pub fn progress_begin(self, text: &str) {
        // SAFETY: the string lives through the call; libgimp copies it.
        unsafe { (self.gimp.gimp_progress_init)(c_text(text).as_ptr()) };
    }

    /// Says what is going on and how far it is (0 to 1, or unknown).
    pub fn progress(self, text: &str, fraction: Option<f64>) {
        // SAFETY: as above.
        unsafe {
            (self.gimp.gimp_progress_set_text)(c_text(text).as_ptr());
            match fraction {
                Some(fraction) => (self.gimp.gimp_progress_update)(fraction.clamp(0.0, 1.0)),
                None => (self.gimp.gimp_progress_pulse)(),
            };
        }
    }

    /// Ends the progress bar.
    pub fn progress_end(self) {
        // SAFETY: a plain call.
        unsafe { (self.gimp.gimp_progress_end)() };
    }

    /// Shows a message to the user as GIMP is set to show them.
    pub fn message(self, text: &str) {
        // SAFETY: as in `progress_begin`.
        unsafe { (self.gimp.gimp_message)(c_text(text).as_ptr()) };
    }

    /// Redraws the windows.
    pub fn flush_displays(self) {
        // SAFETY: a plain call.
        unsafe { (self.gimp.gimp_displays_flush)() };
    }
}

/// A C string; zero bytes, which it cannot hold, are left out.
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
