/* gani.h - invert a photographed face into a generator and edit it there.
 *
 * Generated from plugin-ffi/src by `cargo xtask regenerate`; do not edit. docs/c-api.md is an introduction.
 *
 * Errors    Functions that can fail return a gani_status. gani_last_error() returns the message of the last failure on
 *           the calling thread, with cause and fix. No call aborts or unwinds into the host. Callbacks must not unwind
 *           either: no C++ exception and no longjmp may leave them.
 * Handles   gani_model, gani_image and gani_face_session are opaque handles, not pointers to memory. Functions that
 *           create one take a pointer to where it is stored. The caller owns it and frees it with the matching _free
 *           function; the order does not matter. A freed or invalid handle gives GANI_ERROR_MISUSE.
 * NULL      A NULL pointer gives GANI_ERROR_MISUSE unless the function or field says that it may be NULL.
 * Threads   All functions may be called from any thread, also with the same handles. Calls on the same image are
 *           serialized, and so are runs of the same network. A handle may be freed while another thread uses it: the
 *           object lives until that call returns. Callbacks run on the calling thread, except for log messages.
 * Strings   are UTF-8 and end with NUL. Strings passed to a function are needed only during the call.
 * Structs   that begin with struct_size: set it to sizeof the struct. In option structs, zero selects the default for
 *           every other field, so `gani_invert_options options = {.struct_size = sizeof options};` is complete.
 * Enums     are passed as uint32_t.
 */
#ifndef GANI_H
#define GANI_H

#if defined(__cplusplus)
#define GANI_U32 : uint32_t
#define GANI_ENUM(name)
#elif __STDC_VERSION__ >= 202311L
#define GANI_U32 : uint32_t
#define GANI_ENUM(name) typedef enum name name;
#else
#define GANI_U32
#define GANI_ENUM(name) typedef uint32_t name;
#endif

#include <stddef.h>
#include <stdint.h>

// Version of this ABI. It changes when programs must be recompiled; adding functions or fields does not change it.
#define GANI_ABI_VERSION 1

// An explicit count of zero, for fields where 0 means "the preset's value".
#define GANI_COUNT_ZERO UINT32_MAX

// Result of a call. gani_last_error() returns the message for the user.
enum gani_status GANI_U32 {
  // Success.
  GANI_OK = 0,
  // An argument or image is unusable: no face found, a value out of range, an unknown name.
  GANI_ERROR_INPUT = 1,
  // A network, bundle or inversion file is damaged or inconsistent.
  GANI_ERROR_MODEL = 2,
  // The operation or format is not supported.
  GANI_ERROR_UNSUPPORTED = 3,
  // The input exceeds a size limit.
  GANI_ERROR_LIMITS = 4,
  // ONNX Runtime or the device is unavailable, or running a network failed.
  GANI_ERROR_RUNTIME = 5,
  // A file could not be read or written.
  GANI_ERROR_IO = 6,
  // The progress callback cancelled the call. Nothing was changed.
  GANI_CANCELLED = 7,
  // The call is invalid: a NULL pointer, an invalid or freed handle, a wrong struct_size, an unknown enum value.
  GANI_ERROR_MISUSE = 8,
  // A bug in gani. The call had no effect; please report the message.
  GANI_ERROR_INTERNAL = 9,
};
GANI_ENUM(gani_status)

// Channels of a pixel in memory order. Alpha is straight (not premultiplied) and never modified.
enum gani_layout GANI_U32 {
  // Gray.
  GANI_LAYOUT_GRAY = 1,
  // Gray, alpha.
  GANI_LAYOUT_GRAY_ALPHA = 2,
  // Red, green, blue.
  GANI_LAYOUT_RGB = 3,
  // Red, green, blue, alpha.
  GANI_LAYOUT_RGBA = 4,
  // Blue, green, red, alpha.
  GANI_LAYOUT_BGRA = 5,
};
GANI_ENUM(gani_layout)

// Type of one channel value. Values are sRGB-encoded.
enum gani_sample GANI_U32 {
  // uint8_t, 0 to 255.
  GANI_SAMPLE_U8 = 1,
  // uint16_t, 0 to 65535.
  GANI_SAMPLE_U16 = 2,
  // float, 0.0 to 1.0. Values outside this range are preserved where nothing is pasted.
  GANI_SAMPLE_F32 = 3,
};
GANI_ENUM(gani_sample)

// Trade-off between time and quality of an inversion.
enum gani_preset GANI_U32 {
  // The default: GANI_PRESET_FAST.
  GANI_PRESET_DEFAULT = 0,
  // Fewer tuning steps, for interactive use.
  GANI_PRESET_FAST = 1,
  // The lowest reconstruction error; takes about three times as long.
  GANI_PRESET_BEST = 2,
  // The method and settings published in the GANI paper, for comparison.
  GANI_PRESET_PAPER = 3,
  // A first result in a tenth of the time of GANI_PRESET_FAST, to show edits while a better inversion runs.
  GANI_PRESET_DRAFT = 4,
};
GANI_ENUM(gani_preset)

// What an edit keeps of the photo inside the face's square.
enum gani_keep GANI_U32 {
  // Everything that the edit does not change: hair, background, and the texture of skin.
  GANI_KEEP_ALL = 0,
  // The same, but only around the face. The face itself is the generator's.
  GANI_KEEP_BACKGROUND = 1,
  // Nothing: the whole square is the generator's.
  GANI_KEEP_NONE = 2,
};
GANI_ENUM(gani_keep)

// Use of the inversion cache, which is indexed by the face's pixels, the model and the options.
enum gani_cache_mode GANI_U32 {
  // Read and write the cache.
  GANI_CACHE_ON = 0,
  // Do not use the cache.
  GANI_CACHE_OFF = 1,
};
GANI_ENUM(gani_cache_mode)

// Stage of an inversion, in the order in which they run.
enum gani_stage GANI_U32 {
  // Finds and aligns the face.
  GANI_STAGE_FIND = 1,
  // Loads the networks and encodes the face into an initial latent.
  GANI_STAGE_PREPARE = 2,
  // Refines the latent by gradient descent.
  GANI_STAGE_REFINE = 3,
  // Tunes the generator's weights to the face; usually the longest stage.
  GANI_STAGE_TUNE = 4,
  // Computes the metrics of the result.
  GANI_STAGE_FINISH = 5,
};
GANI_ENUM(gani_stage)

// Severity of a log message.
enum gani_log_level GANI_U32 {
  // No messages.
  GANI_LOG_OFF = 0,
  // An operation failed.
  GANI_LOG_ERROR = 1,
  // An operation succeeded in part, for example without writing the cache.
  GANI_LOG_WARNING = 2,
  // Which files are loaded.
  GANI_LOG_INFO = 3,
  // Diagnostic details.
  GANI_LOG_DEBUG = 4,
};
GANI_ENUM(gani_log_level)

// An inverted face with its tuned generator, ready to be edited. Created by gani_model_invert() or
// gani_face_session_open(), freed by gani_face_session_free().
typedef struct gani_face_session gani_face_session;

// An image: the host's own pixels (gani_image_wrap()) or a loaded file (gani_image_load()). Freed by gani_image_free().
typedef struct gani_image gani_image;

// A bundle opened on a device. Created by gani_model_open(), freed by gani_model_free().
typedef struct gani_model gani_model;

// Receives a log message, on any thread. `level` is a gani_log_level; `message` is valid during the call. Must not call
// gani_log_set().
typedef void (*gani_log_fn)(uint32_t level, const char *message, void *user_data);

// An installed bundle.
typedef struct gani_bundle_info {
  // Size of this struct in the library, in bytes.
  size_t struct_size;
  // Name for gani_model_options.model.
  const char *name;
  // Title for display.
  const char *title;
  // License of the weights.
  const char *license;
  // Folder of the bundle.
  const char *folder;
  // Why the bundle cannot be opened; NULL if it can. If not NULL, the other strings except name are empty.
  const char *problem;
  // Width of the generator's images, in pixels.
  uint32_t width;
  // Height of the generator's images, in pixels.
  uint32_t height;
  // 1 for a bundle that is for tests, not for photos.
  uint32_t for_tests;
} gani_bundle_info;

// Receives one bundle. `bundle` and its strings are valid during the call. Return 0 to stop the enumeration.
typedef int (*gani_bundle_fn)(const struct gani_bundle_info *bundle, void *user_data);

// Options of gani_model_open().
typedef struct gani_model_options {
  // sizeof(gani_model_options), set by the caller.
  size_t struct_size;
  // Name or folder of a bundle; NULL for the default: the environment variable GANI_MODEL, else "ffhq-1024".
  const char *model;
  // "auto", "cpu", "cuda" or "cuda:N" with the index of the GPU; NULL for "auto", which uses CUDA if it works.
  const char *device;
  // Path of the ONNX Runtime library; NULL to search ORT_DYLIB_PATH, the folder of libgani, ../lib and the user's data
  // folder.
  const char *onnx_runtime;
  // Number of CPU threads; 0 for one per logical CPU. A later model with another number has a thread pool of its own.
  uint32_t threads;
} gani_model_options;

// Description of a model. The strings are valid until the model is freed.
typedef struct gani_model_info {
  // sizeof(gani_model_info), set by the caller.
  size_t struct_size;
  // Name of the bundle.
  const char *name;
  // Title for display.
  const char *title;
  // License of the weights.
  const char *license;
  // Device in use: "cpu" or "cuda:N".
  const char *device;
  // Version of ONNX Runtime in use.
  const char *onnx_runtime;
  // Width of the generator's images, in pixels.
  uint32_t width;
  // Height of the generator's images, in pixels.
  uint32_t height;
} gani_model_info;

// A direction in latent space along which a face can be edited; one slider in a user interface.
typedef struct gani_direction {
  // Size of this struct in the library, in bytes.
  size_t struct_size;
  // Name for gani_edit.direction: "smile", "age", … or a principal component "pca.0", "pca.1", …
  const char *name;
  // 1 for a semantic direction, 0 for a principal component.
  uint32_t named;
  // Standard deviation of the latents along this direction. 0 in gani_face_direction_list().
  float sigma;
  // Label of the slider, for display.
  const char *label;
  // Tooltip of the slider, for display.
  const char *help;
  // Lower end of the slider's range, as a strength.
  float min_strength;
  // Upper end of the slider's range, as a strength. The default is 0.
  float max_strength;
  // Unit of gani_edit.strength: "sigma" for standard deviations, "deg" for degrees of rotation of the head.
  const char *unit;
  // Group of sliders: "pose", "expression", "face", "light"; "" for a direction without a group.
  const char *group;
} gani_direction;

// Receives one direction. `direction` and its strings are valid during the call. Return 0 to stop the enumeration.
typedef int (*gani_direction_fn)(const struct gani_direction *direction, void *user_data);

// One edit: a direction and a strength.
typedef struct gani_edit {
  // Name of a direction: one from gani_model_list_directions(), or "sefa.K" with K from 0.
  const char *direction;
  // Strength in the unit of the direction, gani_direction.unit; its range is the useful one.
  float strength;
} gani_edit;

// A look: edits under a name.
typedef struct gani_look {
  // Size of this struct in the library, in bytes.
  size_t struct_size;
  // Name.
  const char *name;
  // Title for display; may be empty.
  const char *title;
  // Why the look's file cannot be used; NULL if it can. If not NULL, there are no title and edits.
  const char *problem;
  // The edits.
  const struct gani_edit *edits;
  // Number of edits.
  size_t count;
  // 1 for a look of the user's, which gani_look_remove() can remove; 0 for one that comes with gani.
  uint32_t own;
} gani_look;

// Receives one look. `look`, its strings and edits are valid during the call. Return 0 to stop the enumeration.
typedef int (*gani_look_fn)(const struct gani_look *look, void *user_data);

// Layout of an image in memory.
typedef struct gani_image_desc {
  // sizeof(gani_image_desc), set by the caller.
  size_t struct_size;
  // First pixel of the top row, aligned to the sample type. Only functions that take a non-const image write here.
  void *pixels;
  // Bytes from the start of one row to the start of the next; a multiple of the sample size.
  size_t stride;
  // Selection mask, one byte per pixel, 0 (not selected) to 255 (selected); NULL if everything is selected.
  const uint8_t *mask;
  // Bytes from the start of one mask row to the start of the next; 0 if rows are contiguous.
  size_t mask_stride;
  // Width in pixels, at least 1.
  uint32_t width;
  // Height in pixels, at least 1.
  uint32_t height;
  // A gani_layout.
  uint32_t layout;
  // A gani_sample.
  uint32_t sample;
  // ICC profile of the pixels; NULL for sRGB. It must be for gray in gray layouts, for RGB in the others. gani_image_wrap()
  // copies it.
  const void *icc_profile;
  // Size of icc_profile in bytes.
  size_t icc_profile_size;
} gani_image_desc;

// Progress of an inversion.
typedef struct gani_progress {
  // Size of this struct in the library, in bytes.
  size_t struct_size;
  // A gani_stage.
  uint32_t stage;
  // Completed steps of this stage; 0 when the stage begins.
  uint32_t step;
  // Total steps of this stage; 0 until known and for stages that have no steps.
  uint32_t steps;
  // Loss of the last step; 0 before the first step of a stage.
  float loss;
  // Estimated seconds until the last step is done; negative if unknown.
  double seconds_left;
  // Preview of the current result: RGB, one byte per channel, contiguous rows. NULL in most calls. Valid during the
  // call.
  const uint8_t *preview;
  // Width of the preview in pixels; 0 if there is none.
  uint32_t preview_width;
  // Height of the preview in pixels; 0 if there is none.
  uint32_t preview_height;
} gani_progress;

// Receives the progress of an inversion, on the thread that called gani_model_invert(). `progress` is valid during the
// call. Return 0 to cancel.
typedef int (*gani_progress_fn)(const struct gani_progress *progress, void *user_data);

// Options of gani_model_invert(). If all fields except struct_size are zero: the default preset, the selected or largest
// face, the user's cache, no progress reports.
typedef struct gani_invert_options {
  // sizeof(gani_invert_options), set by the caller.
  size_t struct_size;
  // A gani_preset.
  uint32_t preset;
  // 0: the image is a photo in which the face is found and aligned. 1: the image is an aligned crop, as the model
  // expects it; face models expect the alignment of FFHQ.
  uint32_t aligned;
  // 0: the face covered most by the image's mask, or the largest face if there is no mask. N: the Nth face from the
  // left, counted from 1.
  uint32_t face;
  // Number of tuning steps; 0 for the preset's value, GANI_COUNT_ZERO for none.
  uint32_t iterations;
  // Number of latent refinement steps before tuning; 0 for the preset's value, GANI_COUNT_ZERO for none.
  uint32_t refine_steps;
  // A gani_cache_mode.
  uint32_t cache;
  // Folder of the cache; NULL for the user's cache folder.
  const char *cache_folder;
  // Maximum size of the cache in bytes; the oldest entries are removed first. 0 for 2 GiB.
  uint64_t cache_limit;
  // Seed of all random numbers. The same seed, thread count and device reproduce the result exactly.
  uint64_t seed;
  // Called at the start of each stage and after each step; may be NULL.
  gani_progress_fn progress;
  // Passed to progress; may be NULL.
  void *user_data;
  // Tuning steps between two previews; 0 for no previews.
  uint32_t preview_interval;
} gani_invert_options;

// A rectangle of pixels.
typedef struct gani_rect {
  // Left column, from 0.
  uint32_t x;
  // Top row, from 0.
  uint32_t y;
  // Width in pixels.
  uint32_t width;
  // Height in pixels.
  uint32_t height;
} gani_rect;

// Options of gani_face_session_paste_with() and gani_face_session_preview(). If all fields except struct_size are zero: those
// of gani_face_session_paste().
typedef struct gani_paste_options {
  // sizeof(gani_paste_options), set by the caller.
  size_t struct_size;
  // A gani_keep.
  uint32_t keep;
  // Width of the soft border of the face's square as a fraction of its side, up to 0.5; 0 for 0.1, negative for a hard
  // border.
  float feather;
  // 0: the photo must show the inverted photo. 1: it may be another one of the same size.
  uint32_t other_photo;
} gani_paste_options;

// Description of an inverted face.
typedef struct gani_face_session_info {
  // sizeof(gani_face_session_info), set by the caller.
  size_t struct_size;
  // 1 if the inversion was read from the cache.
  uint32_t from_cache;
  // 1 if the face was found in a photo, into which it can be pasted; 0 if it was an aligned crop.
  uint32_t has_alignment;
  // Corners of the face's square in the photo, in pixels: x and y of top left, bottom left, bottom right, top right.
  // All zero if has_alignment is 0.
  double alignment[8];
  // Width of the photo or crop in pixels.
  uint32_t photo_width;
  // Height of the photo or crop in pixels.
  uint32_t photo_height;
  // Mean squared error of the reconstruction at a resolution of 256, for values in [-1,1]; 0 is exact.
  double mse;
  // LPIPS distance, 0 is identical; NaN if not measured.
  double lpips;
  // MS-SSIM, 1 is identical; NaN if not measured.
  double ms_ssim;
  // Identity similarity, the cosine of face recognition features, 1 is identical; NaN if not measured.
  double id;
  // Hash, in hexadecimal, of all that the inversion depends on, under which the cache has it. Valid until the session is freed.
  const char *key;
  // Number of the face in the photo, from the left, starting at 1; 0 for an aligned crop or an opened session.
  uint32_t face;
  // Tuning steps that the inversion took.
  uint32_t steps;
} gani_face_session_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns the ABI version of this library; see gani_abi_check().
uint32_t gani_abi_version(void);

// Checks that a program compiled against ABI `version` can use this library; pass GANI_ABI_VERSION. Returns
// GANI_ERROR_UNSUPPORTED if it cannot.
gani_status gani_abi_check(uint32_t version);

// Returns the version of gani, such as "0.1.0". The string is static; do not free it.
const char *gani_version(void);

// Returns what a dialog "About" shows: the versions of gani and ONNX Runtime, the device, the default model and its license, and
// folders, one per line as "name: value", in UTF-8. Loads ONNX Runtime; if it is missing, its line has cause and fix. The library
// owns the string; it is valid until the next call of this function on this thread.
const char *gani_about(void);

// Returns the message of the last failed call on the calling thread, with cause and fix, in UTF-8; "" if no call failed.
// The library owns the string; it is valid until the next call fails on this thread.
const char *gani_last_error(void);

// Returns the number of handles of this process that were created and not freed, of all kinds. For leak tests.
size_t gani_handle_count(void);

// Sets the log function of the process; replaces the previous one. It receives messages up to `level` (a
// gani_log_level), on the thread that logs them. It may call other functions of gani, except with an object that a
// running call uses; messages of these calls are not delivered. Messages of ONNX Runtime are delivered when a call ends.
// NULL or GANI_LOG_OFF disables logging. When this call returns, the previous function is not running and will not be
// called again, so its user_data may be freed.
gani_status gani_log_set(uint32_t level,
                         gani_log_fn function,
                         void *user_data);

// Calls `each` for every installed bundle, sorted by name, including those that cannot be opened.
gani_status gani_bundle_list(gani_bundle_fn each, void *user_data);

// Opens a bundle on a device and stores a new handle in `model`. `options` may be NULL for the defaults. Takes
// milliseconds; networks are loaded on first use. On failure, *model is NULL.
gani_status gani_model_open(const struct gani_model_options *options, struct gani_model **model);

// Frees a model; NULL is ignored. Face sessions created with it stay usable.
gani_status gani_model_free(struct gani_model *model);

// Fills `info`. The caller must have set info->struct_size. The strings belong to the model.
gani_status gani_model_describe(const struct gani_model *model, struct gani_model_info *info);

// Calls `each` for every direction of the model: first the semantic directions, then the principal components.
gani_status gani_model_list_directions(const struct gani_model *model, gani_direction_fn each, void *user_data);

// Generates a random image from `seed`, resized to the whole of `out`. `truncation_psi` scales the distance of the latent
// from the mean: 0 gives the mean face, 1 the full variety; 0.7 is common.
gani_status gani_model_generate(const struct gani_model *model,
                                uint64_t seed,
                                float truncation_psi,
                                struct gani_image *out);

// Calls `each` for every semantic direction of the face models, in the order of the sliders. Needs no model: a host can
// build its dialog before it opens one. sigma is 0.
gani_status gani_face_direction_list(gani_direction_fn each, void *user_data);

// Returns the label of a gani_stage for display, such as "tuning the generator"; "" for other values. The string is
// static; do not free it.
const char *gani_stage_label(uint32_t stage);

// Calls `each` for every look, sorted by name: those that come with gani and those of the user, whose files are in `gani/looks` in
// the user's data folder. Those that cannot be read are among them, with the reason.
gani_status gani_look_list(gani_look_fn each,
                           void *user_data);

// Saves edits as the user's look `name`, with a title for display, which may be NULL. GANI_ERROR_INPUT if the user has a look of this
// name and `overwrite` is 0, if a direction occurs twice, or if `name` cannot be the name of a file.
gani_status gani_look_save(const char *name,
                           const char *title,
                           const struct gani_edit *edits,
                           size_t count,
                           uint32_t overwrite);

// Removes the user's look `name`. GANI_ERROR_INPUT if there is none, or if it comes with gani.
gani_status gani_look_remove(const char *name);

// Wraps the host's own pixels in an image and stores a new handle in `image`. Pixels and mask are not copied: they must
// stay valid until the image is freed, and must not change while a call uses the image. `desc` itself is needed only
// during this call. On failure, *image is NULL.
gani_status gani_image_wrap(const struct gani_image_desc *desc, struct gani_image **image);

// Loads a PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI or JPEG XL file and stores a new handle in `image`. The EXIF orientation is applied. On
// failure, *image is NULL.
gani_status gani_image_load(const char *path,
                            struct gani_image **image);

// Saves an image as .png, .jpg, .webp, .tif or .bmp, chosen by the extension. The file is replaced atomically: a failed
// call leaves it unchanged. A loaded image keeps its color profile and camera metadata.
gani_status gani_image_save(const struct gani_image *image, const char *path);

// Fills `desc` with the image's memory layout. The caller must have set desc->struct_size. The pixels of a loaded file
// and the color profile belong to the image and are valid until it is freed.
gani_status gani_image_describe(const struct gani_image *image, struct gani_image_desc *desc);

// Frees an image; NULL is ignored. The host's own pixels are not freed.
gani_status gani_image_free(struct gani_image *image);

// Inverts the face in `image`, or reads its inversion from the cache, and stores a new handle in `session`. `options` may
// be NULL for the defaults. `image` is not modified and not needed afterwards. Takes seconds at a resolution of 64 and
// minutes at 1024, so call it on a worker thread; options.progress reports progress and can cancel (GANI_CANCELLED). On
// failure, *session is NULL and nothing is written to the cache.
gani_status gani_model_invert(const struct gani_model *model,
                              const struct gani_image *image,
                              const struct gani_invert_options *options,
                              struct gani_face_session **session);

// Renders the face with `edits` applied, resized to the whole of `out`. Runs the generator once. `edits` may be NULL if
// `count` is 0; the result is then the reconstruction.
gani_status gani_face_session_render(const struct gani_face_session *session,
                                     const struct gani_edit *edits,
                                     size_t count,
                                     struct gani_image *out);

// Pastes the face with `edits` applied into `photo`, at the position where it was found. `photo` must show the inverted
// photo at its original size, in any layout and sample type. Pixels that the edits do not change, pixels outside the
// face's square, pixels whose mask is 0, and alpha keep their exact values. Runs the generator once, and at the first
// call once more. `changed` may be NULL; otherwise it receives a rectangle that contains all changed pixels.
// GANI_ERROR_INPUT if `photo` has another size or shows another picture, or the session was made from an aligned crop.
gani_status gani_face_session_paste(const struct gani_face_session *session,
                                    const struct gani_edit *edits,
                                    size_t count,
                                    struct gani_image *photo,
                                    struct gani_rect *changed);

// As gani_face_session_paste(), with options: what stays of the photo, and how soft the border is. `options` may be NULL.
gani_status gani_face_session_paste_with(const struct gani_face_session *session,
                                         const struct gani_edit *edits,
                                         size_t count,
                                         const struct gani_paste_options *options,
                                         struct gani_image *photo,
                                         struct gani_rect *changed);

// Draws the face's square of `photo` as gani_face_session_paste_with() would change it, without its mask and border, to the
// whole of `out`. `photo` is not modified. For previews.
gani_status gani_face_session_preview(const struct gani_face_session *session,
                                      const struct gani_edit *edits,
                                      size_t count,
                                      const struct gani_paste_options *options,
                                      const struct gani_image *photo,
                                      struct gani_image *out);

// Opens an inversion file written by gani_face_session_save() or `gani invert` and stores a new handle in `session`.
// GANI_ERROR_INPUT if it was made with another generator. On failure, *session is NULL.
gani_status gani_face_session_open(const struct gani_model *model,
                                   const char *path,
                                   struct gani_face_session **session);

// Saves the inversion to a .safetensors file. The file is replaced atomically: a failed call leaves it unchanged.
gani_status gani_face_session_save(const struct gani_face_session *session, const char *path);

// Fills `info`. The caller must have set info->struct_size.
gani_status gani_face_session_describe(const struct gani_face_session *session, struct gani_face_session_info *info);

// Frees a face session; NULL is ignored.
gani_status gani_face_session_free(struct gani_face_session *session);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* Struct sizes that the library was compiled with. */
#if defined(__cplusplus)
#define GANI_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define GANI_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_bundle_info) == 64, "gani_bundle_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_direction) == 64, "gani_direction");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_model_options) == 40, "gani_model_options");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_model_info) == 56, "gani_model_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_image_desc) == 72, "gani_image_desc");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_invert_options) == 80, "gani_invert_options");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_progress) == 48, "gani_progress");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_face_session_info) == 136, "gani_face_session_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_edit) == 16, "gani_edit");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_look) == 56, "gani_look");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_paste_options) == 24, "gani_paste_options");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_rect) == 16, "gani_rect");
#undef GANI_STATIC_ASSERT
#endif
