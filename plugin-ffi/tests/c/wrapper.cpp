// wrapper.cpp - tests gani.hpp: errors as exceptions, exceptions thrown by callbacks, handles that move and are freed.
//
//   wrapper PHOTO      prints "ok"
#include <gani.hpp>

#include <iostream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

static_assert(!std::is_copy_constructible_v<gani::Model> && std::is_nothrow_move_constructible_v<gani::Model>);
static_assert(!std::is_copy_constructible_v<gani::FaceSession>);

static void require(bool condition, const char *what) {
  if (!condition) throw std::runtime_error(what);
}

template <class Call>
static gani_status status_of(Call call, const std::string &word) {
  try {
    call();
  } catch (const gani::Error &error) {
    require(std::string(error.what()).find(word) != std::string::npos, error.what());
    return error.status();
  }
  return GANI_OK;
}

int main(int argc, char **argv) try {
  if (argc != 2) return 2;
  require(status_of([] { gani::Model("no-such-model"); }, "no-such-model") == GANI_ERROR_INPUT, "unknown model");
  require(status_of([] { gani::Image::load("none.png"); }, "none.png") == GANI_ERROR_IO, "missing file");

  gani::Model opened("ffhq-64", "cpu");
  const gani::Model model = std::move(opened);
  require(opened.get() == nullptr && model.describe().width == 64, "a handle that was moved");
  require(gani::face_directions().at(2).label == "Turn", "wrong label");
  const std::vector<gani::Look> looks = gani::looks();
  require(looks.size() >= 5 && looks[0].name == "friendly" && looks[0].edits.at(0).first == "smile", "wrong looks");
  bool smile = false;
  for (const gani::Direction &direction : model.directions()) smile |= direction.named && direction.name == "smile";
  require(smile, "no direction smile");

  gani::Image photo = gani::Image::load(argv[1]);
  gani_invert_options options{};
  options.cache = GANI_CACHE_OFF;
  options.iterations = 2;
  options.refine_steps = GANI_COUNT_ZERO;
  const auto cancel = [](const gani_progress &progress) { return progress.stage != GANI_STAGE_TUNE; };
  require(status_of([&] { model.invert(photo, options, cancel); }, "cancelled") == GANI_CANCELLED, "not cancelled");
  std::string thrown;
  try {
    model.invert(photo, options, [](const gani_progress &) -> bool { throw std::logic_error("from the callback"); });
  } catch (const std::logic_error &error) {
    thrown = error.what();
  }
  require(thrown == "from the callback", "the exception was lost");

  const gani::FaceSession face = model.invert(photo, options);
  require(face.describe().has_alignment == 1 && face.describe().photo_width == photo.describe().width, "wrong description");
  const gani_image_desc known = photo.describe();
  std::vector<std::uint8_t> ramp(3 * std::size_t{known.width} * known.height);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<std::uint8_t>(i / 3 % known.width * 255 / known.width);
  gani::Image other = gani::Image::wrap(ramp.data(), known.width, known.height, 3 * std::size_t{known.width}, GANI_LAYOUT_RGB);
  gani_paste_options into_other{};
  into_other.other_photo = 1;
  require(status_of([&] { face.paste({{"smile", 2.0f}}, other); }, "other_photo") == GANI_ERROR_INPUT, "another photo");
  require(status_of([&] { face.paste({{"smile", 2.0f}}, other, gani_paste_options{}); }, "other_photo") == GANI_ERROR_INPUT, "another photo");
  require(status_of([&] { face.preview({}, other, photo); }, "other_photo") == GANI_ERROR_INPUT, "preview of another photo");
  require(face.paste({{"smile", 2.0f}}, other, into_other).width > 0, "--other-photo");
  std::vector<std::uint8_t> pixels(4 * 32 * 32, 7);
  gani::Image small = gani::Image::wrap(pixels.data(), 32, 32, 4 * 32, GANI_LAYOUT_BGRA);
  face.render({{"smile", 1.5f}}, small);
  require(pixels[4 * 32 * 16 + 64] != 7, "nothing was rendered");
  require(pixels[3] == 7, "alpha was modified");
  std::cout << "ok\n";
  return 0;
} catch (const std::exception &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
