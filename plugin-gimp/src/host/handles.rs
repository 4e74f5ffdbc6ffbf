//! Pointers to objects of GIMP, one Rust type per class. libgimp only logs a CRITICAL line when it gets a pointer of the
//! wrong class, so the compiler has to prevent that.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

/// An untyped pointer, never dereferenced here.
pub type Opaque = *mut c_void;
/// A C string that the callee only reads.
pub type Text = *const c_char;
/// GLib's identifier of a type.
pub type GType = usize;

macro_rules! handles {
    ($( $(#[$doc:meta])* $name:ident, )*) => { $(
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(NonNull<c_void>);

        impl $name {
            #[allow(dead_code, reason = "only some are passed to GObject functions")]
            /// The pointer, for GObject functions.
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
    /// `GimpProcedureConfig`: the arguments of a call.
    Config,
    /// `GimpValueArray`: the return values of a call.
    Values,
    /// `GValue`, an element of an array.
    Value,
    /// `GimpChoice`.
    Choice,
    /// `GimpImage`.
    Image,
    /// `GimpItem`: a layer, channel or path.
    Item,
    /// `GimpDrawable`: an item with pixels.
    Drawable,
    /// `GimpLayer`.
    Layer,
    /// `GimpLayerMask`.
    Mask,
    /// `GimpParasite`: named bytes that a layer carries.
    Parasite,
    /// `GeglBuffer`.
    GeglBuffer,
    /// `Babl`: a pixel format, a color space or a component type.
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
    /// The drawable as its parent class.
    pub fn item(self) -> Item {
        Item(self.0)
    }

    /// The drawable as the layer that it is.
    pub fn layer(self) -> Layer {
        Layer(self.0)
    }
}

impl Layer {
    /// The layer as its parent class.
    pub fn drawable(self) -> Drawable {
        Drawable(self.0)
    }

    /// The layer as an item.
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
    /// The queried type.
    pub gtype: GType,
    /// Its name.
    pub name: Text,
    /// Size of its class structure in bytes.
    pub class_size: c_uint,
    /// Size of an instance in bytes.
    pub instance_size: c_uint,
}

/// `GimpPlugInClass`. It begins with `GObjectClass`, which has 17 words on every platform.
#[repr(C)]
pub struct PlugInClass {
    gobject: [usize; 17],
    /// Returns the names of all procedures.
    pub query_procedures: Option<unsafe extern "C" fn(PlugIn) -> *mut GList>,
    init_procedures: Option<unsafe extern "C" fn(PlugIn) -> *mut GList>,
    /// Creates the procedure of this name.
    pub create_procedure: Option<unsafe extern "C" fn(PlugIn, Text) -> Option<Procedure>>,
    quit: Option<unsafe extern "C" fn(PlugIn)>,
    /// Returns the location of translations.
    pub set_i18n: Option<unsafe extern "C" fn(PlugIn, Text, *mut *mut c_char, *mut *mut c_char) -> c_int>,
    reserved: [usize; 8],
}

/// `GimpRunImageFunc`.
pub type RunImage =
    unsafe extern "C" fn(Procedure, c_int, Image, *mut Option<Drawable>, Config, Opaque) -> Option<Values>;

/// `G_PARAM_READWRITE`, without `G_PARAM_STATIC_STRINGS`: GLib copies the strings.
pub const READ_WRITE: c_uint = 1 | 2;

/// `GimpPDBStatusType`: the status of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    /// The call failed.
    ExecutionError = 0,
    /// The arguments were wrong.
    CallingError = 1,
    /// The call succeeded.
    Success = 3,
    /// The user cancelled the call.
    Cancel = 4,
}
