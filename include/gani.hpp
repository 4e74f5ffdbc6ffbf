// gani.hpp - C++17 wrapper of gani.h: RAII handles, errors as exceptions. Header only.
//
// Handle objects can be moved but not copied. The thread rules of gani.h apply.
#ifndef GANI_HPP
#define GANI_HPP

#include "gani.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gani {

/// A failed call. what() is the message of gani_last_error(), with cause and fix.
class Error : public std::runtime_error {
 public:
  Error(gani_status status, const char *text) : std::runtime_error(text), status_(status) {}
  gani_status status() const noexcept { return status_; }

 private:
  gani_status status_;
};

/// Throws Error unless `status` is GANI_OK.
inline void check(gani_status status) {
  if (status != GANI_OK) throw Error(status, gani_last_error());
}

namespace detail {
struct Free {
  void operator()(gani_model *handle) const noexcept { gani_model_free(handle); }
  void operator()(gani_image *handle) const noexcept { gani_image_free(handle); }
  void operator()(gani_face_session *handle) const noexcept { gani_face_session_free(handle); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

/// Calls the program's progress function. Stores its exception, which must not pass through the C library, until the
/// inversion returns.
struct ProgressCallback {
  const std::function<bool(const gani_progress &)> &function;
  std::exception_ptr exception;

  static int call(const gani_progress *progress, void *self) noexcept {
    auto &callback = *static_cast<ProgressCallback *>(self);
    try {
      return callback.function(*progress) ? 1 : 0;
    } catch (...) {
      callback.exception = std::current_exception();
      return 0;
    }
  }
};
}  // namespace detail

/// The program's own pixels, which must outlive the object, or a loaded file.
class Image {
 public:
  /// Wraps the pixels that `desc` describes; its struct_size is set here.
  explicit Image(gani_image_desc desc) {
    desc.struct_size = sizeof desc;
    gani_image *handle = nullptr;
    check(gani_image_wrap(&desc, &handle));
    handle_.reset(handle);
  }
  /// Wraps pixels with 8 bits per channel and `stride` bytes from row to row.
  static Image wrap(std::uint8_t *pixels, std::uint32_t width, std::uint32_t height, std::size_t stride,
                    gani_layout layout) {
    gani_image_desc desc{};
    desc.pixels = pixels;
    desc.stride = stride;
    desc.width = width;
    desc.height = height;
    desc.layout = layout;
    desc.sample = GANI_SAMPLE_U8;
    return Image(desc);
  }
  static Image load(const std::string &path) {
    gani_image *handle = nullptr;
    check(gani_image_load(path.c_str(), &handle));
    return Image(detail::Handle<gani_image>(handle));
  }
  void save(const std::string &path) const { check(gani_image_save(handle_.get(), path.c_str())); }
  gani_image_desc describe() const {
    gani_image_desc desc{};
    desc.struct_size = sizeof desc;
    check(gani_image_describe(handle_.get(), &desc));
    return desc;
  }
  gani_image *get() const noexcept { return handle_.get(); }

 private:
  explicit Image(detail::Handle<gani_image> handle) : handle_(std::move(handle)) {}
  detail::Handle<gani_image> handle_;
};

/// Edits, such as {{"smile", 2.0f}, {"age", -1.0f}}. The names must outlive the call.
using Edits = std::vector<gani_edit>;

/// An inverted face with its tuned generator.
class FaceSession {
 public:
  explicit FaceSession(detail::Handle<gani_face_session> handle) : handle_(std::move(handle)) {}
  /// Renders the edited face, resized to the whole of `out`.
  void render(const Edits &edits, Image &out) const {
    check(gani_face_session_render(handle_.get(), edits.data(), edits.size(), out.get()));
  }
  /// Pastes the edited face into the photo in which it was found. Returns a rectangle that contains all changed pixels.
  gani_rect paste(const Edits &edits, Image &photo) const {
    gani_rect changed{};
    check(gani_face_session_paste(handle_.get(), edits.data(), edits.size(), photo.get(), &changed));
    return changed;
  }
  /// As above; `options` say what stays of the photo, how soft the border is, and whether `photo` may be another photo.
  gani_rect paste(const Edits &edits, Image &photo, gani_paste_options options) const {
    options.struct_size = sizeof options;
    gani_rect changed{};
    check(gani_face_session_paste_with(handle_.get(), edits.data(), edits.size(), &options, photo.get(), &changed));
    return changed;
  }
  /// Draws the face's square of `photo` as paste() would change it, to the whole of `out`.
  void preview(const Edits &edits, const Image &photo, Image &out, gani_paste_options options = {}) const {
    options.struct_size = sizeof options;
    check(gani_face_session_preview(handle_.get(), edits.data(), edits.size(), &options, photo.get(), out.get()));
  }
  void save(const std::string &path) const { check(gani_face_session_save(handle_.get(), path.c_str())); }
  gani_face_session_info describe() const {
    gani_face_session_info info{};
    info.struct_size = sizeof info;
    check(gani_face_session_describe(handle_.get(), &info));
    return info;
  }
  gani_face_session *get() const noexcept { return handle_.get(); }

 private:
  detail::Handle<gani_face_session> handle_;
};

/// A direction in latent space; see gani_direction.
struct Direction {
  std::string name;
  bool named;
  float sigma;
  std::string label;
  std::string help;
  float min_strength;
  float max_strength;
  std::string unit;
  std::string group;

  /// A gani_direction_fn that appends to a std::vector<Direction>.
  static int append(const gani_direction *d, void *list) noexcept {
    static_cast<std::vector<Direction> *>(list)->push_back(
        {d->name, d->named != 0, d->sigma, d->label, d->help, d->min_strength, d->max_strength,
         d->unit, d->group});
    return 1;
  }
};

/// The semantic directions of the face models in slider order; needs no model.
inline std::vector<Direction> face_directions() {
  std::vector<Direction> all;
  check(gani_face_direction_list(Direction::append, &all));
  return all;
}

/// A look: edits under a name; see gani_look.
struct Look {
  std::string name;
  std::string title;
  std::string problem;
  /// Directions and strengths.
  std::vector<std::pair<std::string, float>> edits;
  bool own;

  /// A gani_look_fn that appends to a std::vector<Look>.
  static int append(const gani_look *l, void *list) noexcept {
    Look look{l->name, l->title, l->problem ? l->problem : "", {}, l->own != 0};
    for (std::size_t i = 0; i < l->count; ++i) look.edits.emplace_back(l->edits[i].direction, l->edits[i].strength);
    static_cast<std::vector<Look> *>(list)->push_back(std::move(look));
    return 1;
  }
};

/// The looks that come with gani and those of the user, sorted by name.
inline std::vector<Look> looks() {
  std::vector<Look> all;
  check(gani_look_list(Look::append, &all));
  return all;
}

/// A bundle opened on a device.
class Model {
 public:
  /// An empty `name` opens the default bundle. `device` is "auto", "cpu", "cuda" or "cuda:N".
  explicit Model(const std::string &name = "", const std::string &device = "auto") {
    check(gani_abi_check(GANI_ABI_VERSION));
    gani_model_options options{};
    options.struct_size = sizeof options;
    options.model = name.empty() ? nullptr : name.c_str();
    options.device = device.c_str();
    gani_model *handle = nullptr;
    check(gani_model_open(&options, &handle));
    handle_.reset(handle);
  }
  gani_model_info describe() const {
    gani_model_info info{};
    info.struct_size = sizeof info;
    check(gani_model_describe(handle_.get(), &info));
    return info;
  }
  /// The semantic directions, followed by the principal components.
  std::vector<Direction> directions() const {
    std::vector<Direction> all;
    check(gani_model_list_directions(handle_.get(), Direction::append, &all));
    return all;
  }
  /// Inverts the face in `image`. If `progress` returns false, the inversion is cancelled and Error with GANI_CANCELLED
  /// is thrown. If `progress` throws, the inversion is cancelled and the same exception is thrown here.
  FaceSession invert(const Image &image, gani_invert_options options = {},
                     const std::function<bool(const gani_progress &)> &progress = nullptr) const {
    detail::ProgressCallback callback{progress, nullptr};
    options.struct_size = sizeof options;
    if (progress) {
      options.progress = detail::ProgressCallback::call;
      options.user_data = &callback;
    }
    gani_face_session *handle = nullptr;
    const gani_status status = gani_model_invert(handle_.get(), image.get(), &options, &handle);
    if (callback.exception) std::rethrow_exception(callback.exception);
    check(status);
    return FaceSession(detail::Handle<gani_face_session>(handle));
  }
  /// Opens an inversion file.
  FaceSession open(const std::string &path) const {
    gani_face_session *handle = nullptr;
    check(gani_face_session_open(handle_.get(), path.c_str(), &handle));
    return FaceSession(detail::Handle<gani_face_session>(handle));
  }
  /// Generates a random image from `seed`; see gani_model_generate().
  void generate(std::uint64_t seed, float truncation_psi, Image &out) const {
    check(gani_model_generate(handle_.get(), seed, truncation_psi, out.get()));
  }
  gani_model *get() const noexcept { return handle_.get(); }

 private:
  detail::Handle<gani_model> handle_;
};

}  // namespace gani

#endif
