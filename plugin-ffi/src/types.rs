//! The numbers, structs and callbacks of the ABI.
//!
//! Enums are passed as `uint32_t`, so that a number from a newer header is an error here and never undefined behaviour.
//! A struct of options starts with its size, and its zero bytes mean the defaults.

use crate::sized::Extensible;
use std::ffi::{c_char, c_int, c_void};

/// The version of this ABI. It changes when programs must be compiled again; functions and fields may be added without.
pub const GANI_ABI_VERSION: u32 = 1;

/// In place of a count where 0 means "the preset's": none at all.
pub const GANI_NONE: u32 = u32::MAX;

/// What became of a call. The text for people is gani_last_error().
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_status {
    /// It worked.
    GANI_OK = 0,
    /// What was given cannot be used: a picture without a face, a value out of range, an unknown name.
    GANI_ERROR_INPUT = 1,
    /// A network, bundle or inversion file is damaged or does not fit.
    GANI_ERROR_MODEL = 2,
    /// gani does not do this.
    GANI_ERROR_UNSUPPORTED = 3,
    /// Larger than gani handles.
    GANI_ERROR_LIMITS = 4,
    /// ONNX Runtime or the device: missing, or a run failed.
    GANI_ERROR_RUNTIME = 5,
    /// The file system refused.
    GANI_ERROR_IO = 6,
    /// The progress callback said so. Nothing was changed.
    GANI_CANCELLED = 7,
    /// The call itself is wrong: NULL, a handle that was freed or is none, a struct_size or number that cannot be.
    GANI_ERROR_MISUSE = 8,
    /// A fault in gani. The call had no effect; please report the text.
    GANI_ERROR_INTERNAL = 9,
}

/// The channels of a pixel, in their order in memory. Alpha is straight, not premultiplied, and always kept.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_layout {
    /// Grey.
    GANI_GREY = 1,
    /// Grey, alpha.
    GANI_GREY_ALPHA = 2,
    /// Red, green, blue.
    GANI_RGB = 3,
    /// Red, green, blue, alpha.
    GANI_RGBA = 4,
    /// Blue, green, red, alpha.
    GANI_BGRA = 5,
}

/// What a channel is. Values are sRGB-encoded.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_sample {
    /// uint8_t, 0 to 255.
    GANI_U8 = 1,
    /// uint16_t, 0 to 65535.
    GANI_U16 = 2,
    /// float, 0.0 to 1.0; what lies beyond is kept where nothing is pasted.
    GANI_F32 = 3,
}

/// How thoroughly to invert.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_preset {
    /// The default, which is GANI_PRESET_FAST in a host: people wait for it.
    GANI_PRESET_DEFAULT = 0,
    /// A fifth of the steps.
    GANI_PRESET_FAST = 1,
    /// The best result.
    GANI_PRESET_BEST = 2,
    /// The paper's settings, literally.
    GANI_PRESET_PAPER = 3,
}

/// Whether inversions are kept and found again by the content of the face.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_cache {
    /// They are, in the folder given or the user's cache folder.
    GANI_CACHE_ON = 0,
    /// They are not.
    GANI_CACHE_OFF = 1,
}

/// What the work is at.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_stage {
    /// Finding the face.
    GANI_STAGE_FIND = 1,
    /// Loading networks; a first estimate.
    GANI_STAGE_PREPARE = 2,
    /// Improving the latent.
    GANI_STAGE_REFINE = 3,
    /// Tuning the generator to the face: the long part.
    GANI_STAGE_TUNE = 4,
    /// Measuring the result.
    GANI_STAGE_FINISH = 5,
}

/// How much a log line matters.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum gani_log_level {
    /// No lines.
    GANI_LOG_OFF = 0,
    /// Something failed.
    GANI_LOG_ERROR = 1,
    /// Something was left out, such as a cache that cannot be written.
    GANI_LOG_WARNING = 2,
    /// What is loaded from where.
    GANI_LOG_INFO = 3,
    /// Details.
    GANI_LOG_DEBUG = 4,
}

/// A bundle and the device that it runs on.
pub struct gani_model {
    _private: [u8; 0],
}

/// A face inside a generator, ready to be edited.
pub struct gani_inversion {
    _private: [u8; 0],
}

/// Pixels: a view of the host's memory, or a picture loaded from a file.
pub struct gani_image {
    _private: [u8; 0],
}

/// Receives log lines, on any thread. `message` is valid during the call. Must not call gani_log_set().
pub type gani_log_fn =
    Option<unsafe extern "C" fn(level: u32, message: *const c_char, user_data: *mut c_void)>;

/// Receives one bundle; `bundle` and its strings are valid during the call. Return 0 to end the list.
pub type gani_bundle_fn =
    Option<unsafe extern "C" fn(bundle: *const gani_bundle_info, user_data: *mut c_void) -> c_int>;

/// Receives one direction; `direction` and its name are valid during the call. Return 0 to end the list.
pub type gani_direction_fn =
    Option<unsafe extern "C" fn(direction: *const gani_direction, user_data: *mut c_void) -> c_int>;

/// Receives news of an inversion, on the thread that called gani_model_invert(). Return 0 to cancel.
pub type gani_progress_fn =
    Option<unsafe extern "C" fn(progress: *const gani_progress, user_data: *mut c_void) -> c_int>;

/// A bundle that lies on this machine.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_bundle_info {
    /// sizeof of this struct, as the library knows it.
    pub struct_size: usize,
    /// What gani_model_options.model is given.
    pub name: *const c_char,
    /// For people.
    pub title: *const c_char,
    /// What it may be used for.
    pub licence: *const c_char,
    /// Its folder.
    pub folder: *const c_char,
    /// Why it cannot be used; NULL where it can. Where it cannot, only the name is known and the rest is empty.
    pub problem: *const c_char,
    /// Width of its images in pixels.
    pub width: u32,
    /// Height of its images in pixels.
    pub height: u32,
}

/// Something that a face can be changed in: a slider.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_direction {
    /// sizeof of this struct, as the library knows it.
    pub struct_size: usize,
    /// "smile", "age", … and the principal components "pca.0", …
    pub name: *const c_char,
    /// 1 for the directions with a meaning, 0 for principal components.
    pub named: u32,
    /// Standard deviation of latents along it, the unit of gani_edit.strength.
    pub sigma: f32,
}

/// How to open a model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_model_options {
    /// sizeof(gani_model_options).
    pub struct_size: usize,
    /// A bundle's name or folder; NULL for the best one installed.
    pub model: *const c_char,
    /// "auto", "cpu", "cuda" or "cuda:N"; NULL for "auto".
    pub device: *const c_char,
    /// The ONNX Runtime library; NULL to look for it: ORT_DYLIB_PATH, beside libgani, ../lib, the user's data folder.
    pub onnx_runtime: *const c_char,
    /// Threads; 0 for all cores. The first model of a process decides.
    pub threads: u32,
}

/// What a model is. Strings are valid until the model is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_model_info {
    /// sizeof(gani_model_info), set by the caller.
    pub struct_size: usize,
    /// The bundle's name.
    pub name: *const c_char,
    /// The bundle's title.
    pub title: *const c_char,
    /// What it may be used for.
    pub licence: *const c_char,
    /// The device in use: "cpu" or "cuda:N".
    pub device: *const c_char,
    /// The version of ONNX Runtime in use.
    pub onnx_runtime: *const c_char,
    /// Width of its images in pixels.
    pub width: u32,
    /// Height of its images in pixels.
    pub height: u32,
}

/// Pixels in the host's memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_image_desc {
    /// sizeof(gani_image_desc).
    pub struct_size: usize,
    /// The first pixel of the top row, aligned for its samples. Written only by functions that take the image without const.
    pub pixels: *mut c_void,
    /// Bytes from the start of a row to that of the next.
    pub stride: usize,
    /// The host's selection, one byte per pixel, 0 (not selected) to 255; NULL: everything.
    pub mask: *const u8,
    /// Bytes from row to row of the mask; 0 for width.
    pub mask_stride: usize,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// A gani_layout.
    pub layout: u32,
    /// A gani_sample.
    pub sample: u32,
}

/// How to invert. With all zeros but struct_size: the default preset, the largest face, cached, no progress.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_invert_options {
    /// sizeof(gani_invert_options).
    pub struct_size: usize,
    /// A gani_preset.
    pub preset: u32,
    /// 0: find the face in the photo. 1: the image is a crop as the model wants it, for faces aligned like FFHQ.
    pub aligned: u32,
    /// Which face: 0 the one that the image's mask covers most, without a mask the largest; N the Nth from the left.
    pub face: u32,
    /// Tuning steps; 0 the preset's, GANI_NONE none.
    pub iterations: u32,
    /// Steps that improve the latent by gradient before that; 0 the preset's, GANI_NONE none.
    pub refine: u32,
    /// A gani_cache.
    pub cache: u32,
    /// The cache's folder; NULL for the user's.
    pub cache_folder: *const c_char,
    /// Bytes that the cache may hold, the oldest leave first; 0 for 2 GiB.
    pub cache_limit: u64,
    /// Seed of all random numbers: the same seed, threads and device give the same bytes.
    pub seed: u64,
    /// Called at each stage and step; may be NULL.
    pub progress: gani_progress_fn,
    /// Handed to progress.
    pub user_data: *mut c_void,
    /// Tuning steps between previews; 0 for none.
    pub preview_every: u32,
}

/// News of an inversion.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_progress {
    /// sizeof of this struct, as the library knows it.
    pub struct_size: usize,
    /// A gani_stage.
    pub stage: u32,
    /// Steps of this stage done; 0 when it begins.
    pub step: u32,
    /// Steps of this stage; 0 for stages without.
    pub steps: u32,
    /// The last step's loss; 0 before.
    pub loss: f32,
    /// Seconds until all is done; negative while unknown.
    pub seconds_left: f64,
    /// How the face looks so far, RGB, one byte per channel, rows without gaps; mostly NULL. Valid during the call.
    pub preview: *const u8,
    /// Width of preview; 0 where it is NULL.
    pub preview_width: u32,
    /// Height of preview; 0 where it is NULL.
    pub preview_height: u32,
}

/// What an inversion is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_inversion_info {
    /// sizeof(gani_inversion_info), set by the caller.
    pub struct_size: usize,
    /// 1 where it was found in the cache.
    pub from_cache: u32,
    /// 1 where it was made from a photo, into which it can be pasted; 0 for an aligned crop.
    pub has_place: u32,
    /// Corners of the face's square in the photo, in pixels: x and y of top left, bottom left, bottom right, top right.
    pub place: [f64; 8],
    /// Width of the photo or crop.
    pub photo_width: u32,
    /// Height of the photo or crop.
    pub photo_height: u32,
    /// Mean squared error of the inversion at 256 px, values in [-1,1].
    pub mse: f64,
    /// LPIPS; NaN where it was not measured.
    pub lpips: f64,
    /// MS-SSIM; NaN where it was not measured.
    pub ms_ssim: f64,
    /// Identity, the cosine of face features; NaN where it was not measured.
    pub id: f64,
}

/// A slider's value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_edit {
    /// A direction's name: one of gani_model_directions(), or "sefa.K".
    pub direction: *const c_char,
    /// How far, in standard deviations; -3 to 3 is a useful range.
    pub strength: f32,
}

/// Pixels of an image.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct gani_rect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

// SAFETY: each starts with `struct_size: usize`, and numbers, NULL pointers and absent callbacks may all be zero bytes.
unsafe impl Extensible for gani_model_options {}
unsafe impl Extensible for gani_model_info {}
unsafe impl Extensible for gani_image_desc {}
unsafe impl Extensible for gani_invert_options {}
unsafe impl Extensible for gani_inversion_info {}
