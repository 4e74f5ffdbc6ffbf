//! The host's pointers, a type for each kind: libgimp answers a wrong one with a CRITICAL line and goes on.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

/// A pointer that is passed on and never looked into.
pub type Opaque = *mut c_void;
/// A C string that the callee only reads.
pub type Text = *const c_char;
/// GLib's name of a class.
pub type GType = usize;

macro_rules! handles {
    ($( $(#[$doc:meta])* $name:ident, )*) => { $(
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(NonNull<c_void>);

        impl $name {
            #[allow(dead_code, reason = "only some are given to GObject")]
            /// As the pointer that GObject's own functions take.
            pub fn object(self) -> Opaque {
                self.0.as_ptr()
            }
        }
    )* };
}

handles! {
    /// `GimpPlugIn`.
    PlugIn,
    /// `GimpProcedure`.
    Procedure,
    /// `GimpProcedureConfig`: a call's arguments.
    Config,
    /// `GimpValueArray`: a call's results.
    Values,
    /// `GValue` inside of an array.
    Value,
    /// `GimpChoice`.
    Choice,
    /// `GimpImage`.
    Image,
    /// `GimpItem`: what the Layers dialog lists.
    Item,
    /// `GimpDrawable`: an item with pixels.
    Drawable,
    /// `GimpLayer`.
    Layer,
    /// `GimpLayerMask`.
    Mask,
    /// `GeglBuffer`.
    GeglBuffer,
    /// `Babl`: a pixel format, a colour space or a component's type.
    Babl,
    /// `GError`.
    GError,
    /// `GtkWidget`.
    Widget,
    /// `GdkPixbuf`.
    Pixbuf,
    /// `GBytes`.
    Bytes,
}

impl Drawable {
    /// The same as an item, its parent class.
    pub fn item(self) -> Item {
        Item(self.0)
    }
}

impl Layer {
    /// The same as a drawable, its parent class.
    pub fn drawable(self) -> Drawable {
        Drawable(self.0)
    }

    /// The same as an item.
    pub fn item(self) -> Item {
        Item(self.0)
    }
}

/// `GeglRectangle`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub x: c_int,
    /// First row.
    pub y: c_int,
    /// Columns.
    pub width: c_int,
    /// Rows.
    pub height: c_int,
}

/// `GList`.
#[repr(C)]
pub struct GList {
    data: Opaque,
    next: *mut GList,
    prev: *mut GList,
}

/// `GTypeQuery`.
#[repr(C)]
pub struct GTypeQuery {
    /// The type asked for.
    pub gtype: GType,
    /// Its name.
    pub name: Text,
    /// Bytes of its class structure.
    pub class_size: c_uint,
    /// Bytes of an instance.
    pub instance_size: c_uint,
}

/// `GimpPlugInClass`, after `GObjectClass`, which is 17 words wherever GLib runs.
#[repr(C)]
pub struct PlugInClass {
    gobject: [usize; 17],
    /// Names of all procedures.
    pub query_procedures: Option<unsafe extern "C" fn(PlugIn) -> *mut GList>,
    init_procedures: Option<unsafe extern "C" fn(PlugIn) -> *mut GList>,
    /// Describes one of them.
    pub create_procedure: Option<unsafe extern "C" fn(PlugIn, Text) -> Option<Procedure>>,
    quit: Option<unsafe extern "C" fn(PlugIn)>,
    /// Where translations are.
    pub set_i18n: Option<unsafe extern "C" fn(PlugIn, Text, *mut *mut c_char, *mut *mut c_char) -> c_int>,
    reserved: [usize; 8],
}

/// `GimpRunImageFunc`.
pub type RunImage =
    unsafe extern "C" fn(Procedure, c_int, Image, *mut Option<Drawable>, Config, Opaque) -> Option<Values>;

/// `G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS`.
pub const READ_WRITE: c_uint = 1 | 2 | 32 | 64 | 128;

/// How a call ended, `GimpPDBStatusType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// It failed.
    ExecutionError = 0,
    /// It was called wrongly.
    CallingError = 1,
    /// It did what was asked.
    Success = 3,
    /// The user stopped it.
    Cancel = 4,
}
