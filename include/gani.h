/* gani.h - put a photographed face inside a generator and edit it there.
 *
 * Made from plugin-ffi/src by `cargo xtask regenerate`; do not edit. A first program is in docs/c-api.md.
 *
 * Calls     Functions that can fail return a gani_status; gani_last_error() has the text, with cause and fix, for the
 *           last failure on this thread. No call aborts or unwinds into the host. Callbacks must not unwind either: no
 *           C++ exception and no longjmp may leave them.
 * Handles   gani_model, gani_inversion and gani_image are handles: never look behind them. A handle that was freed, or
 *           is none, gives GANI_ERROR_MISUSE. Every handle is freed by its _free function, in any order.
 * Threads   All functions may be called from any thread at any time, with the same handles too. Calls on one image
 *           take turns; runs of one network take turns. Freeing a handle while another thread uses it is safe: what
 *           it stands for lives until that call ends. Callbacks run on the calling thread, but for the log.
 * Strings   are UTF-8 and end with NUL. Those that are given are needed during the call only.
 * Structs   that begin with struct_size: set it to sizeof. All other bytes zero are the defaults, so that
 *           `gani_invert_options options = {.struct_size = sizeof options};` is complete.
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

// The version of this ABI. It changes when programs must be compiled again; functions and fields may be added without.
#define GANI_ABI_VERSION 1

// In place of a count where 0 means "the preset's": none at all.
#define GANI_NONE UINT32_MAX

// What became of a call. The text for people is gani_last_error().
enum gani_status GANI_U32 {
  // It worked.
  GANI_OK = 0,
  // What was given cannot be used: a picture without a face, a value out of range, an unknown name.
  GANI_ERROR_INPUT = 1,
  // A network, bundle or inversion file is damaged or does not fit.
  GANI_ERROR_MODEL = 2,
  // gani does not do this.
  GANI_ERROR_UNSUPPORTED = 3,
  // Larger than gani handles.
  GANI_ERROR_LIMITS = 4,
  // ONNX Runtime or the device: missing, or a run failed.
  GANI_ERROR_RUNTIME = 5,
  // The file system refused.
  GANI_ERROR_IO = 6,
  // The progress callback said so. Nothing was changed.
  GANI_CANCELLED = 7,
  // The call itself is wrong: NULL, a handle that was freed or is none, a struct_size or number that cannot be.
  GANI_ERROR_MISUSE = 8,
  // A fault in gani. The call had no effect; please report the text.
  GANI_ERROR_INTERNAL = 9,
};
GANI_ENUM(gani_status)

// The channels of a pixel, in their order in memory. Alpha is straight, not premultiplied, and always kept.
enum gani_layout GANI_U32 {
  // Grey.
  GANI_GREY = 1,
  // Grey, alpha.
  GANI_GREY_ALPHA = 2,
  // Red, green, blue.
  GANI_RGB = 3,
  // Red, green, blue, alpha.
  GANI_RGBA = 4,
  // Blue, green, red, alpha.
  GANI_BGRA = 5,
};
GANI_ENUM(gani_layout)

// What a channel is. Values are sRGB-encoded.
enum gani_sample GANI_U32 {
  // uint8_t, 0 to 255.
  GANI_U8 = 1,
  // uint16_t, 0 to 65535.
  GANI_U16 = 2,
  // float, 0.0 to 1.0; what lies beyond is kept where nothing is pasted.
  GANI_F32 = 3,
};
GANI_ENUM(gani_sample)

// How thoroughly to invert.
enum gani_preset GANI_U32 {
  // The default, which is GANI_PRESET_FAST in a host: people wait for it.
  GANI_PRESET_DEFAULT = 0,
  // A fifth of the steps.
  GANI_PRESET_FAST = 1,
  // The best result.
  GANI_PRESET_BEST = 2,
  // The paper's settings, literally.
  GANI_PRESET_PAPER = 3,
};
GANI_ENUM(gani_preset)

// Whether inversions are kept and found again by the content of the face.
enum gani_cache GANI_U32 {
  // They are, in the folder given or the user's cache folder.
  GANI_CACHE_ON = 0,
  // They are not.
  GANI_CACHE_OFF = 1,
};
GANI_ENUM(gani_cache)

// What the work is at.
enum gani_stage GANI_U32 {
  // Finding the face.
  GANI_STAGE_FIND = 1,
  // Loading networks; a first estimate.
  GANI_STAGE_PREPARE = 2,
  // Improving the latent.
  GANI_STAGE_REFINE = 3,
  // Tuning the generator to the face: the long part.
  GANI_STAGE_TUNE = 4,
  // Measuring the result.
  GANI_STAGE_FINISH = 5,
};
GANI_ENUM(gani_stage)

// How much a log line matters.
enum gani_log_level GANI_U32 {
  // No lines.
  GANI_LOG_OFF = 0,
  // Something failed.
  GANI_LOG_ERROR = 1,
  // Something was left out, such as a cache that cannot be written.
  GANI_LOG_WARNING = 2,
  // What is loaded from where.
  GANI_LOG_INFO = 3,
  // Details.
  GANI_LOG_DEBUG = 4,
};
GANI_ENUM(gani_log_level)

// Pixels: a view of the host's memory, or a picture loaded from a file.
typedef struct gani_image gani_image;

// A face inside a generator, ready to be edited.
typedef struct gani_inversion gani_inversion;

// A bundle and the device that it runs on.
typedef struct gani_model gani_model;

// Receives log lines, on any thread. `message` is valid during the call. Must not call gani_log_set().
typedef void (*gani_log_fn)(uint32_t level, const char *message, void *user_data);

// A bundle that lies on this machine.
typedef struct gani_bundle_info {
  // sizeof of this struct, as the library knows it.
  size_t struct_size;
  // What gani_model_options.model is given.
  const char *name;
  // For people.
  const char *title;
  // What it may be used for.
  const char *licence;
  // Its folder.
  const char *folder;
  // Why it cannot be used; NULL where it can. Where it cannot, only the name is known and the rest is empty.
  const char *problem;
  // Width of its images in pixels.
  uint32_t width;
  // Height of its images in pixels.
  uint32_t height;
} gani_bundle_info;

// Receives one bundle; `bundle` and its strings are valid during the call. Return 0 to end the list.
typedef int (*gani_bundle_fn)(const struct gani_bundle_info *bundle, void *user_data);

// How to open a model.
typedef struct gani_model_options {
  // sizeof(gani_model_options).
  size_t struct_size;
  // A bundle's name or folder; NULL for the best one installed.
  const char *model;
  // "auto", "cpu", "cuda" or "cuda:N"; NULL for "auto".
  const char *device;
  // The ONNX Runtime library; NULL to look for it: ORT_DYLIB_PATH, beside libgani, ../lib, the user's data folder.
  const char *onnx_runtime;
  // Threads; 0 for all cores. The first model of a process decides.
  uint32_t threads;
} gani_model_options;

// What a model is. Strings are valid until the model is freed.
typedef struct gani_model_info {
  // sizeof(gani_model_info), set by the caller.
  size_t struct_size;
  // The bundle's name.
  const char *name;
  // The bundle's title.
  const char *title;
  // What it may be used for.
  const char *licence;
  // The device in use: "cpu" or "cuda:N".
  const char *device;
  // The version of ONNX Runtime in use.
  const char *onnx_runtime;
  // Width of its images in pixels.
  uint32_t width;
  // Height of its images in pixels.
  uint32_t height;
} gani_model_info;

// Something that a face can be changed in: a slider.
typedef struct gani_direction {
  // sizeof of this struct, as the library knows it.
  size_t struct_size;
  // "smile", "age", … and the principal components "pca.0", …
  const char *name;
  // 1 for the directions with a meaning, 0 for principal components.
  uint32_t named;
  // Standard deviation of latents along it, the unit of gani_edit.strength.
  float sigma;
} gani_direction;

// Receives one direction; `direction` and its name are valid during the call. Return 0 to end the list.
typedef int (*gani_direction_fn)(const struct gani_direction *direction, void *user_data);

// Pixels in the host's memory.
typedef struct gani_image_desc {
  // sizeof(gani_image_desc).
  size_t struct_size;
  // The first pixel of the top row, aligned for its samples. Written only by functions that take the image without const.
  void *pixels;
  // Bytes from the start of a row to that of the next.
  size_t stride;
  // The host's selection, one byte per pixel, 0 (not selected) to 255; NULL: everything.
  const uint8_t *mask;
  // Bytes from row to row of the mask; 0 for width.
  size_t mask_stride;
  // Width in pixels.
  uint32_t width;
  // Height in pixels.
  uint32_t height;
  // A gani_layout.
  uint32_t layout;
  // A gani_sample.
  uint32_t sample;
} gani_image_desc;

// News of an inversion.
typedef struct gani_progress {
  // sizeof of this struct, as the library knows it.
  size_t struct_size;
  // A gani_stage.
  uint32_t stage;
  // Steps of this stage done; 0 when it begins.
  uint32_t step;
  // Steps of this stage; 0 for stages without.
  uint32_t steps;
  // The last step's loss; 0 before.
  float loss;
  // Seconds until all is done; negative while unknown.
  double seconds_left;
  // How the face looks so far, RGB, one byte per channel, rows without gaps; mostly NULL. Valid during the call.
  const uint8_t *preview;
  // Width of preview; 0 where it is NULL.
  uint32_t preview_width;
  // Height of preview; 0 where it is NULL.
  uint32_t preview_height;
} gani_progress;

// Receives news of an inversion, on the thread that called gani_model_invert(). Return 0 to cancel.
typedef int (*gani_progress_fn)(const struct gani_progress *progress, void *user_data);

// How to invert. With all zeros but struct_size: the default preset, the largest face, cached, no progress.
typedef struct gani_invert_options {
  // sizeof(gani_invert_options).
  size_t struct_size;
  // A gani_preset.
  uint32_t preset;
  // 0: find the face in the photo. 1: the image is a crop as the model wants it, for faces aligned like FFHQ.
  uint32_t aligned;
  // Which face: 0 the one that the image's mask covers most, without a mask the largest; N the Nth from the left.
  uint32_t face;
  // Tuning steps; 0 the preset's, GANI_NONE none.
  uint32_t iterations;
  // Steps that improve the latent by gradient before that; 0 the preset's, GANI_NONE none.
  uint32_t refine;
  // A gani_cache.
  uint32_t cache;
  // The cache's folder; NULL for the user's.
  const char *cache_folder;
  // Bytes that the cache may hold, the oldest leave first; 0 for 2 GiB.
  uint64_t cache_limit;
  // Seed of all random numbers: the same seed, threads and device give the same bytes.
  uint64_t seed;
  // Called at each stage and step; may be NULL.
  gani_progress_fn progress;
  // Handed to progress.
  void *user_data;
  // Tuning steps between previews; 0 for none.
  uint32_t preview_every;
} gani_invert_options;

// A slider's value.
typedef struct gani_edit {
  // A direction's name: one of gani_model_directions(), or "sefa.K".
  const char *direction;
  // How far, in standard deviations; -3 to 3 is a useful range.
  float strength;
} gani_edit;

// Pixels of an image.
typedef struct gani_rect {
  // First column.
  uint32_t x;
  // First row.
  uint32_t y;
  // Columns.
  uint32_t width;
  // Rows.
  uint32_t height;
} gani_rect;

// What an inversion is.
typedef struct gani_inversion_info {
  // sizeof(gani_inversion_info), set by the caller.
  size_t struct_size;
  // 1 where it was found in the cache.
  uint32_t from_cache;
  // 1 where it was made from a photo, into which it can be pasted; 0 for an aligned crop.
  uint32_t has_place;
  // Corners of the face's square in the photo, in pixels: x and y of top left, bottom left, bottom right, top right.
  double place[8];
  // Width of the photo or crop.
  uint32_t photo_width;
  // Height of the photo or crop.
  uint32_t photo_height;
  // Mean squared error of the inversion at 256 px, values in [-1,1].
  double mse;
  // LPIPS; NaN where it was not measured.
  double lpips;
  // MS-SSIM; NaN where it was not measured.
  double ms_ssim;
  // Identity, the cosine of face features; NaN where it was not measured.
  double id;
} gani_inversion_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the ABI that this library has. Compare it with GANI_ABI_VERSION, or let gani_abi_check() do so.
uint32_t gani_abi_version(void);

// GANI_OK where a program compiled with `version`, its GANI_ABI_VERSION, may use this library.
gani_status gani_abi_check(uint32_t version);

// The version of gani, such as "0.1.0".
const char *gani_version(void);

// What went wrong in the last call that failed on this thread, with cause and fix, in UTF-8; "" where none did. Valid
// until the next call fails on this thread.
const char *gani_last_error(void);

// Sends log lines up to `level` (a gani_log_level) to `function`, on whatever thread they arise; NULL or GANI_LOG_OFF
// ends that. When this returns, the function that was set before is not running any more and will not be called again.
// One for the process.
gani_status gani_log_set(uint32_t level, gani_log_fn function, void *user_data);

// Calls `each` with every bundle on this machine, usable or not, by name.
gani_status gani_bundle_list(gani_bundle_fn each, void *user_data);

// Opens a model. `options` may be NULL. Takes milliseconds; networks are loaded when they are first needed.
gani_status gani_model_open(const struct gani_model_options *options, struct gani_model **model);

// Frees a model; NULL is allowed. Inversions made with it stay usable.
gani_status gani_model_free(struct gani_model *model);

// Fills `info`, whose struct_size the caller has set.
gani_status gani_model_describe(const struct gani_model *model, struct gani_model_info *info);

// Calls `each` with every direction of the model: named ones first, then principal components.
gani_status gani_model_directions(const struct gani_model *model, gani_direction_fn each, void *user_data);

// Draws the model's own image of a latent sampled from `seed`, resized to `into`. `psi` 0 gives the mean face, 1 all
// variety; 0.7 is usual.
gani_status gani_model_generate(const struct gani_model *model, uint64_t seed, float psi, struct gani_image *into);

// Describes the host's pixels to gani. They and the mask are not copied: they must stay where they are until the image
// is freed, and must not change while a call uses it.
gani_status gani_image_view(const struct gani_image_desc *desc, struct gani_image **image);

// Loads a PNG, JPEG, WebP, TIFF or BMP file, upright.
gani_status gani_image_load(const char *path, struct gani_image **image);

// Saves an image as .png, .jpg, .webp, .tif or .bmp: whole, or not at all. What a file had of colour profile and camera
// data is kept.
gani_status gani_image_save(const struct gani_image *image, const char *path);

// Fills `desc`, whose struct_size the caller has set: where the pixels of an image lie. Those of a loaded file are
// valid until it is freed.
gani_status gani_image_describe(const struct gani_image *image, struct gani_image_desc *desc);

// Frees an image; NULL is allowed. The host's own pixels stay.
gani_status gani_image_free(struct gani_image *image);

// Puts the face that `image` shows into the generator, or finds that in the cache. `options` may be NULL. Takes from
// seconds (64 px) to minutes (1024 px); options.progress is told, and may cancel.
gani_status gani_model_invert(const struct gani_model *model,
                              const struct gani_image *image,
                              const struct gani_invert_options *options,
                              struct gani_inversion **inversion);

// Draws the face, edited, resized to `into`: one run of the generator. `edits` may be NULL where `count` is 0.
gani_status gani_inversion_edit(const struct gani_inversion *inversion,
                                const struct gani_edit *edits,
                                size_t count,
                                struct gani_image *into);

// Pastes the face, edited, into the photo that it was found in: `into` shows that photo, in any layout and depth.
// Pixels outside the face's square, and where the mask of `into` is 0, stay as they are, bit for bit, as does alpha.
// `changed`, which may be NULL, gets the rectangle outside which nothing changed.
gani_status gani_inversion_paste(const struct gani_inversion *inversion,
                                 const struct gani_edit *edits,
                                 size_t count,
                                 struct gani_image *into,
                                 struct gani_rect *changed);

// Opens an inversion file that gani_inversion_save() or `gani invert` wrote.
gani_status gani_inversion_open(const struct gani_model *model, const char *path, struct gani_inversion **inversion);

// Saves an inversion (.safetensors): whole, or not at all.
gani_status gani_inversion_save(const struct gani_inversion *inversion, const char *path);

// Fills `info`, whose struct_size the caller has set.
gani_status gani_inversion_describe(const struct gani_inversion *inversion, struct gani_inversion_info *info);

// Frees an inversion; NULL is allowed.
gani_status gani_inversion_free(struct gani_inversion *inversion);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* The library was compiled with these sizes. */
#if defined(__cplusplus)
#define GANI_STATIC_ASSERT(what, text) static_assert(what, text)
#else
#define GANI_STATIC_ASSERT(what, text) _Static_assert(what, text)
#endif
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_bundle_info) == 56, "gani_bundle_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_direction) == 24, "gani_direction");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_model_options) == 40, "gani_model_options");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_model_info) == 56, "gani_model_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_image_desc) == 56, "gani_image_desc");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_invert_options) == 80, "gani_invert_options");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_progress) == 48, "gani_progress");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_inversion_info) == 120, "gani_inversion_info");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_edit) == 16, "gani_edit");
GANI_STATIC_ASSERT(sizeof(void *) != 8 || sizeof(gani_rect) == 16, "gani_rect");
#undef GANI_STATIC_ASSERT
#endif
