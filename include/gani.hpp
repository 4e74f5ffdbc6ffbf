// gani.hpp - C++17 over gani.h: handles that free themselves, errors as exceptions. Header only.
//
// A handle object is moved, not copied. Threads may share them as they may share the handles of gani.h.
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

/// A call that failed: what() has cause and fix.
class Error : public std::runtime_error {
 public:
  Error(gani_status status, const char *text) : std::runtime_error(text), status_(status) {}
  gani_status status() const noexcept { return status_; }

 private:
  gani_status status_;
};

/// Throws where `status` is not GANI_OK.
inline void check(gani_status status) {
  if (status != GANI_OK) throw Error(status, gani_last_error());
}

namespace detail {
struct Free {
  void operator()(gani_model *handle) const noexcept { gani_model_free(handle); }
  void operator()(gani_image *handle) const noexcept { gani_image_free(handle); }
  void operator()(gani_inversion *handle) const noexcept { gani_inversion_free(handle); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

/// Keeps an exception of a callback until the call that it must not pass through has returned.
struct Watch {
  const std::function<bool(const gani_progress &)> &function;
  std::exception_ptr thrown;

  static int call(const gani_progress *progress, void *self) noexcept {
    auto &watch = *static_cast<Watch *>(self);
    try {
      return watch.function(*progress) ? 1 : 0;
    } catch (...) {
      watch.thrown = std::current_exception();
      return 0;
    }
  }
};
}  // namespace detail

/// Pixels: a view of the program's own, which must outlive it, or a loaded file.
class Image {
 public:
  explicit Image(gani_image_desc desc) {
    desc.struct_size = sizeof desc;
    gani_image *made = nullptr;
    check(gani_image_view(&desc, &made));
    handle_.reset(made);
  }
  /// A view of 8-bit pixels with `stride` bytes from row to row.
  static Image view(std::uint8_t *pixels, std::uint32_t width, std::uint32_t height, std::size_t stride,
                    gani_layout layout) {
    gani_image_desc desc{};
    desc.pixels = pixels;
    desc.stride = stride;
    desc.width = width;
    desc.height = height;
    desc.layout = layout;
    desc.sample = GANI_U8;
    return Image(desc);
  }
  static Image load(const std::string &path) {
    gani_image *made = nullptr;
    check(gani_image_load(path.c_str(), &made));
    return Image(detail::Handle<gani_image>(made));
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

/// Values of sliders: {{"smile", 2.0f}, {"age", -1.0f}}.
using Edits = std::vector<gani_edit>;

/// A face inside a generator.
class Inversion {
 public:
  explicit Inversion(detail::Handle<gani_inversion> handle) : handle_(std::move(handle)) {}
  /// Draws the face, edited, into all of `into`.
  void edit(const Edits &edits, Image &into) const {
    check(gani_inversion_edit(handle_.get(), edits.data(), edits.size(), into.get()));
  }
  /// Pastes the face, edited, into the photo that it came from; returns what may have changed.
  gani_rect paste(const Edits &edits, Image &into) const {
    gani_rect changed{};
    check(gani_inversion_paste(handle_.get(), edits.data(), edits.size(), into.get(), &changed));
    return changed;
  }
  void save(const std::string &path) const { check(gani_inversion_save(handle_.get(), path.c_str())); }
  gani_inversion_info describe() const {
    gani_inversion_info info{};
    info.struct_size = sizeof info;
    check(gani_inversion_describe(handle_.get(), &info));
    return info;
  }
  gani_inversion *get() const noexcept { return handle_.get(); }

 private:
  detail::Handle<gani_inversion> handle_;
};

/// Something that a face can be changed in.
struct Direction {
  std::string name;
  bool named;
  float sigma;
};

/// A bundle on a device.
class Model {
 public:
  /// `name` "" is the best bundle installed; `device` is "auto", "cpu", "cuda" or "cuda:N".
  explicit Model(const std::string &name = "", const std::string &device = "auto") {
    check(gani_abi_check(GANI_ABI_VERSION));
    gani_model_options options{};
    options.struct_size = sizeof options;
    options.model = name.empty() ? nullptr : name.c_str();
    options.device = device.c_str();
    gani_model *made = nullptr;
    check(gani_model_open(&options, &made));
    handle_.reset(made);
  }
  gani_model_info describe() const {
    gani_model_info info{};
    info.struct_size = sizeof info;
    check(gani_model_describe(handle_.get(), &info));
    return info;
  }
  std::vector<Direction> directions() const {
    std::vector<Direction> all;
    const auto each = [](const gani_direction *d, void *list) noexcept {
      static_cast<std::vector<Direction> *>(list)->push_back({d->name, d->named != 0, d->sigma});
      return 1;
    };
    check(gani_model_directions(handle_.get(), each, &all));
    return all;
  }
  /// Inverts the face in `image`; `progress` returns false to cancel, which throws GANI_CANCELLED. What it throws
  /// itself ends the inversion and is thrown again here.
  Inversion invert(const Image &image, gani_invert_options options = {},
                   const std::function<bool(const gani_progress &)> &progress = nullptr) const {
    detail::Watch watch{progress, nullptr};
    options.struct_size = sizeof options;
    if (progress) {
      options.progress = detail::Watch::call;
      options.user_data = &watch;
    }
    gani_inversion *made = nullptr;
    const gani_status status = gani_model_invert(handle_.get(), image.get(), &options, &made);
    if (watch.thrown) std::rethrow_exception(watch.thrown);
    check(status);
    return Inversion(detail::Handle<gani_inversion>(made));
  }
  Inversion open(const std::string &path) const {
    gani_inversion *made = nullptr;
    check(gani_inversion_open(handle_.get(), path.c_str(), &made));
    return Inversion(detail::Handle<gani_inversion>(made));
  }
  void generate(std::uint64_t seed, float psi, Image &into) const {
    check(gani_model_generate(handle_.get(), seed, psi, into.get()));
  }
  gani_model *get() const noexcept { return handle_.get(); }

 private:
  detail::Handle<gani_model> handle_;
};

}  // namespace gani

#endif
