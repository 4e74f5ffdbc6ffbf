//! Constants, enums, handles and callbacks of the ABI.
//!
//! Functions and structs take enums as `uint32_t`. A value from a newer header is then an error, not undefined behavior.

mod structs;

use std::ffi::{c_char, c_int, c_void};

pub use structs::*;

/// Version of this ABI. It changes when programs must be recompiled; adding functions or fields does not change it.
pub const GANI_ABI_VERSION: u32 = 1;

/// An explicit count of zero, for fields where 0 means "the preset's value".
pub const GANI_COUNT_ZERO: u32 = u32::MAX;

/// Result of a call. gani_last_error() returns the message for the user.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_status {
    /// Success.
    GANI_OK = 0,
    /// An argument or image is unusable: no face found, a value out of range, an unknown name.
    GANI_ERROR_INPUT = 1,
    /// A network, bundle or inversion file is damaged or inconsistent.
    GANI_ERROR_MODEL = 2,
    /// The operation or format is not supported.
    GANI_ERROR_UNSUPPORTED = 3,
    /// The input exceeds a size limit.
    GANI_ERROR_LIMITS = 4,
    /// ONNX Runtime or the device is unavailable, or running a network failed.
    GANI_ERROR_RUNTIME = 5,
    /// A file could not be read or written.
    GANI_ERROR_IO = 6,
    /// The progress callback cancelled the call. Nothing was changed.
    GANI_CANCELLED = 7,
    /// The call is invalid: a NULL pointer, an invalid or freed handle, a wrong struct_size, an unknown enum value.
    GANI_ERROR_MISUSE = 8,
    /// A bug in gani. The call had no effect; please report the message.
    GANI_ERROR_INTERNAL = 9,
}

/// Channels of a pixel in memory order. Alpha is straight (not premultiplied) and never modified.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_layout {
    /// Gray.
    GANI_LAYOUT_GRAY = 1,
    /// Gray, alpha.
    GANI_LAYOUT_GRAY_ALPHA = 2,
    /// Red, green, blue.
    GANI_LAYOUT_RGB = 3,
    /// Red, green, blue, alpha.
    GANI_LAYOUT_RGBA = 4,
    /// Blue, green, red, alpha.
    GANI_LAYOUT_BGRA = 5,
}

/// Type of one channel value. Values are sRGB-encoded.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_sample {
    /// uint8_t, 0 to 255.
    GANI_SAMPLE_U8 = 1,
    /// uint16_t, 0 to 65535.
    GANI_SAMPLE_U16 = 2,
    /// float, 0.0 to 1.0. Values outside this range are preserved where nothing is pasted.
    GANI_SAMPLE_F32 = 3,
}

/// Trade-off between time and quality of an inversion.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_preset {
    /// The default: GANI_PRESET_FAST.
    GANI_PRESET_DEFAULT = 0,
    /// Fewer tuning steps, for interactive use.
    GANI_PRESET_FAST = 1,
    /// The lowest reconstruction error; takes about three times as long.
    GANI_PRESET_BEST = 2,
    /// The method and settings published in the GANI paper, for comparison.
    GANI_PRESET_PAPER = 3,
    /// A first result in a tenth of the time of GANI_PRESET_FAST, to show edits while a better inversion runs.
    GANI_PRESET_DRAFT = 4,
}

/// What an edit keeps of the photo inside the face's square.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_keep {
    /// Everything that the edit does not change: hair, background, and the texture of skin.
    GANI_KEEP_ALL = 0,
    /// The same, but only around the face. The face itself is the generator's.
    GANI_KEEP_BACKGROUND = 1,
    /// Nothing: the whole square is the generator's.
    GANI_KEEP_NONE = 2,
}

/// Use of the inversion cache, which is indexed by the face's pixels, the model and the options.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_cache_mode {
    /// Read and write the cache.
    GANI_CACHE_ON = 0,
    /// Do not use the cache.
    GANI_CACHE_OFF = 1,
}

/// Stage of an inversion, in the order in which they run.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_stage {
    /// Finds and aligns the face.
    GANI_STAGE_FIND = 1,
    /// Loads the networks and encodes the face into an initial latent.
    GANI_STAGE_PREPARE = 2,
    /// Refines the latent by gradient descent.
    GANI_STAGE_REFINE = 3,
    /// Tunes the generator's weights to the face; usually the longest stage.
    GANI_STAGE_TUNE = 4,
    /// Computes the metrics of the result.
    GANI_STAGE_FINISH = 5,
}

/// Severity of a log message.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_log_level {
    /// No messages.
    GANI_LOG_OFF = 0,
    /// An operation failed.
    GANI_LOG_ERROR = 1,
    /// An operation succeeded in part, for example without writing the cache.
    GANI_LOG_WARNING = 2,
    /// Which files are loaded.
    GANI_LOG_INFO = 3,
    /// Diagnostic details.
    GANI_LOG_DEBUG = 4,
}

/// A bundle opened on a device. Created by gani_model_open(), freed by gani_model_free().
pub struct gani_model {
    _private: [u8; 0],
}

/// An inverted face with its tuned generator, ready to be edited. Created by gani_model_invert() or
/// gani_face_session_open(), freed by gani_face_session_free().
pub struct gani_face_session {
    _private: [u8; 0],
}

/// An image: the host's own pixels (gani_image_wrap()) or a loaded file (gani_image_load()). Freed by gani_image_free().
pub struct gani_image {
    _private: [u8; 0],
}

/// Receives a log message, on any thread. `level` is a gani_log_level; `message` is valid during the call. Must not call
/// gani_log_set().
pub type gani_log_fn =
    Option<unsafe extern "C" fn(level: u32, message: *const c_char, user_data: *mut c_void)>;

/// Receives one bundle. `bundle` and its strings are valid during the call. Return 0 to stop the enumeration.
pub type gani_bundle_fn =
    Option<unsafe extern "C" fn(bundle: *const gani_bundle_info, user_data: *mut c_void) -> c_int>;

/// Receives one direction. `direction` and its strings are valid during the call. Return 0 to stop the enumeration.
pub type gani_direction_fn =
    Option<unsafe extern "C" fn(direction: *const gani_direction, user_data: *mut c_void) -> c_int>;

/// Receives one look. `look`, its strings and edits are valid during the call. Return 0 to stop the enumeration.
pub type gani_look_fn = Option<unsafe extern "C" fn(look: *const gani_look, user_data: *mut c_void) -> c_int>;

/// Receives the progress of an inversion, on the thread that called gani_model_invert(). `progress` is valid during the
/// call. Return 0 to cancel.
pub type gani_progress_fn =
    Option<unsafe extern "C" fn(progress: *const gani_progress, user_data: *mut c_void) -> c_int>;
