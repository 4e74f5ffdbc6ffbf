//! Structs of the ABI.
//!
//! Option structs start with their size, and zero bytes select the defaults.

use super::gani_progress_fn;
use crate::extensible::extensible;
use std::ffi::{c_char, c_void};

/// An installed bundle.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_bundle_info {
    /// Size of this struct in the library, in bytes.
    pub struct_size: usize,
    /// Name for gani_model_options.model.
    pub name: *const c_char,
    /// Title for display.
    pub title: *const c_char,
    /// License of the weights.
    pub license: *const c_char,
    /// Folder of the bundle.
    pub folder: *const c_char,
    /// Why the bundle cannot be opened; NULL if it can. If not NULL, the other strings except name are empty.
    pub problem: *const c_char,
    /// Width of the generator's images, in pixels.
    pub width: u32,
    /// Height of the generator's images, in pixels.
    pub height: u32,
    /// 1 for a bundle that is for tests, not for photos.
    pub for_tests: u32,
}

/// A direction in latent space along which a face can be edited; one slider in a user interface.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_direction {
    /// Size of this struct in the library, in bytes.
    pub struct_size: usize,
    /// Name for gani_edit.direction: "smile", "age", … or a principal component "pca.0", "pca.1", …
    pub name: *const c_char,
    /// 1 for a semantic direction, 0 for a principal component.
    pub named: u32,
    /// Standard deviation of the latents along this direction. 0 in gani_face_direction_list().
    pub sigma: f32,
    /// Label of the slider, for display.
    pub label: *const c_char,
    /// Tooltip of the slider, for display.
    pub help: *const c_char,
    /// Lower end of the slider's range, as a strength.
    pub min_strength: f32,
    /// Upper end of the slider's range, as a strength. The default is 0.
    pub max_strength: f32,
    /// Unit of gani_edit.strength: "sigma" for standard deviations, "deg" for degrees of rotation of the head.
    pub unit: *const c_char,
    /// Group of sliders: "pose", "expression", "face", "light"; "" for a direction without a group.
    pub group: *const c_char,
}

/// Options of gani_model_open().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_model_options {
    /// sizeof(gani_model_options), set by the caller.
    pub struct_size: usize,
    /// Name or folder of a bundle; NULL for the default: the environment variable GANI_MODEL, else "ffhq-1024".
    pub model: *const c_char,
    /// "auto", "cpu", "cuda" or "cuda:N" with the index of the GPU; NULL for "auto", which uses CUDA if it works.
    pub device: *const c_char,
    /// Path of the ONNX Runtime library; NULL to search ORT_DYLIB_PATH, the folder of libgani, ../lib and the user's data
    /// folder.
    pub onnx_runtime: *const c_char,
    /// Number of CPU threads; 0 for one per logical CPU. A later model with another number has a thread pool of its own.
    pub threads: u32,
}

/// Description of a model. The strings are valid until the model is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_model_info {
    /// sizeof(gani_model_info), set by the caller.
    pub struct_size: usize,
    /// Name of the bundle.
    pub name: *const c_char,
    /// Title for display.
    pub title: *const c_char,
    /// License of the weights.
    pub license: *const c_char,
    /// Device in use: "cpu" or "cuda:N".
    pub device: *const c_char,
    /// Version of ONNX Runtime in use.
    pub onnx_runtime: *const c_char,
    /// Width of the generator's images, in pixels.
    pub width: u32,
    /// Height of the generator's images, in pixels.
    pub height: u32,
}

/// Layout of an image in memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_image_desc {
    /// sizeof(gani_image_desc), set by the caller.
    pub struct_size: usize,
    /// First pixel of the top row, aligned to the sample type. Only functions that take a non-const image write here.
    pub pixels: *mut c_void,
    /// Bytes from the start of one row to the start of the next; a multiple of the sample size.
    pub stride: usize,
    /// Selection mask, one byte per pixel, 0 (not selected) to 255 (selected); NULL if everything is selected.
    pub mask: *const u8,
    /// Bytes from the start of one mask row to the start of the next; 0 if rows are contiguous.
    pub mask_stride: usize,
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// A gani_layout.
    pub layout: u32,
    /// A gani_sample.
    pub sample: u32,
    /// ICC profile of the pixels; NULL for sRGB. It must be for gray in gray layouts, for RGB in the others. gani_image_wrap()
    /// copies it.
    pub icc_profile: *const c_void,
    /// Size of icc_profile in bytes.
    pub icc_profile_size: usize,
}

/// Options of gani_model_invert(). If all fields except struct_size are zero: the default preset, the selected or largest
/// face, the user's cache, no progress reports.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_invert_options {
    /// sizeof(gani_invert_options), set by the caller.
    pub struct_size: usize,
    /// A gani_preset.
    pub preset: u32,
    /// 0: the image is a photo in which the face is found and aligned. 1: the image is an aligned crop, as the model
    /// expects it; face models expect the alignment of FFHQ.
    pub aligned: u32,
    /// 0: the face covered most by the image's mask, or the largest face if there is no mask. N: the Nth face from the
    /// left, counted from 1.
    pub face: u32,
    /// Number of tuning steps; 0 for the preset's value, GANI_COUNT_ZERO for none.
    pub iterations: u32,
    /// Number of latent refinement steps before tuning; 0 for the preset's value, GANI_COUNT_ZERO for none.
    pub refine_steps: u32,
    /// A gani_cache_mode.
    pub cache: u32,
    /// Folder of the cache; NULL for the user's cache folder.
    pub cache_folder: *const c_char,
    /// Maximum size of the cache in bytes; the oldest entries are removed first. 0 for 2 GiB.
    pub cache_limit: u64,
    /// Seed of all random numbers. The same seed, thread count and device reproduce the result exactly.
    pub seed: u64,
    /// Called at the start of each stage and after each step; may be NULL.
    pub progress: gani_progress_fn,
    /// Passed to progress; may be NULL.
    pub user_data: *mut c_void,
    /// Tuning steps between two previews; 0 for no previews.
    pub preview_interval: u32,
}

/// Progress of an inversion.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_progress {
    /// Size of this struct in the library, in bytes.
    pub struct_size: usize,
    /// A gani_stage.
    pub stage: u32,
    /// Completed steps of this stage; 0 when the stage begins.
    pub step: u32,
    /// Total steps of this stage; 0 until known and for stages that have no steps.
    pub steps: u32,
    /// Loss of the last step; 0 before the first step of a stage.
    pub loss: f32,
    /// Estimated seconds until the last step is done; negative if unknown.
    pub seconds_left: f64,
    /// Preview of the current result: RGB, one byte per channel, contiguous rows. NULL in most calls. Valid during the
    /// call.
    pub preview: *const u8,
    /// Width of the preview in pixels; 0 if there is none.
    pub preview_width: u32,
    /// Height of the preview in pixels; 0 if there is none.
    pub preview_height: u32,
}

/// Description of an inverted face.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_face_session_info {
    /// sizeof(gani_face_session_info), set by the caller.
    pub struct_size: usize,
    /// 1 if the inversion was read from the cache.
    pub from_cache: u32,
    /// 1 if the face was found in a photo, into which it can be pasted; 0 if it was an aligned crop.
    pub has_alignment: u32,
    /// Corners of the face's square in the photo, in pixels: x and y of top left, bottom left, bottom right, top right.
    /// All zero if has_alignment is 0.
    pub alignment: [f64; 8],
    /// Width of the photo or crop in pixels.
    pub photo_width: u32,
    /// Height of the photo or crop in pixels.
    pub photo_height: u32,
    /// Mean squared error of the reconstruction at a resolution of 256, for values in [-1,1]; 0 is exact.
    pub mse: f64,
    /// LPIPS distance, 0 is identical; NaN if not measured.
    pub lpips: f64,
    /// MS-SSIM, 1 is identical; NaN if not measured.
    pub ms_ssim: f64,
    /// Identity similarity, the cosine of face recognition features, 1 is identical; NaN if not measured.
    pub id: f64,
    /// Hash, in hexadecimal, of all that the inversion depends on, under which the cache has it. Valid until the session is freed.
    pub key: *const c_char,
    /// Number of the face in the photo, from the left, starting at 1; 0 for an aligned crop or an opened session.
    pub face: u32,
    /// Tuning steps that the inversion took.
    pub steps: u32,
}

/// One edit: a direction and a strength.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_edit {
    /// Name of a direction: one from gani_model_list_directions(), or "sefa.K" with K from 0.
    pub direction: *const c_char,
    /// Strength in the unit of the direction, gani_direction.unit; its range is the useful one.
    pub strength: f32,
}

/// A look: edits under a name.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_look {
    /// Size of this struct in the library, in bytes.
    pub struct_size: usize,
    /// Name.
    pub name: *const c_char,
    /// Title for display; may be empty.
    pub title: *const c_char,
    /// Why the look's file cannot be used; NULL if it can. If not NULL, there are no title and edits.
    pub problem: *const c_char,
    /// The edits.
    pub edits: *const gani_edit,
    /// Number of edits.
    pub count: usize,
    /// 1 for a look of the user's, which gani_look_remove() can remove; 0 for one that comes with gani.
    pub own: u32,
}

/// Options of gani_face_session_paste_with() and gani_face_session_preview(). If all fields except struct_size are zero: those
/// of gani_face_session_paste().
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gani_paste_options {
    /// sizeof(gani_paste_options), set by the caller.
    pub struct_size: usize,
    /// A gani_keep.
    pub keep: u32,
    /// Width of the soft border of the face's square as a fraction of its side, up to 0.5; 0 for 0.1, negative for a hard
    /// border.
    pub feather: f32,
    /// 0: the photo must show the inverted photo. 1: it may be another one of the same size.
    pub other_photo: u32,
}

/// A rectangle of pixels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct gani_rect {
    /// Left column, from 0.
    pub x: u32,
    /// Top row, from 0.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

extensible!(gani_model_options { struct_size, model, device, onnx_runtime, threads });
extensible!(gani_model_info { struct_size, name, title, license, device, onnx_runtime, width, height });
extensible!(gani_image_desc {
    struct_size,
    pixels,
    stride,
    mask,
    mask_stride,
    width,
    height,
    layout,
    sample,
    icc_profile,
    icc_profile_size
});
extensible!(gani_invert_options {
    struct_size,
    preset,
    aligned,
    face,
    iterations,
    refine_steps,
    cache,
    cache_folder,
    cache_limit,
    seed,
    progress,
    user_data,
    preview_interval
});
extensible!(gani_paste_options { struct_size, keep, feather, other_photo });
extensible!(gani_face_session_info {
    struct_size,
    from_cache,
    has_alignment,
    alignment,
    photo_width,
    photo_height,
    mse,
    lpips,
    ms_ssim,
    id,
    key,
    face,
    steps
});
