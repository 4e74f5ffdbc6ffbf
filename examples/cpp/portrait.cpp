// portrait.cpp - C++17 example: invert the face in a photo, render a row of smiles, paste one into the photo.
//
//   portrait_cpp PHOTO OUT.png [MODEL] [STEPS]
#include <gani.hpp>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char **argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " PHOTO OUT.png [MODEL] [STEPS]\n";
    return 2;
  }
  try {
    const gani::Model model(argc > 3 ? argv[3] : "", "auto");
    gani::Image photo = gani::Image::load(argv[1]);

    gani_invert_options options{};
    if (argc > 4) options.iterations = options.refine_steps = static_cast<std::uint32_t>(std::atoi(argv[4]));
    const gani::FaceSession face = model.invert(photo, options, [](const gani_progress &progress) {
      if (progress.steps != 0) std::cerr << '\r' << progress.step << '/' << progress.steps << ' ';
      return true;  // return false to cancel
    });
    std::cerr << '\n';

    // Renders five strengths side by side, directly into one image.
    const std::uint32_t side = model.describe().width;
    const std::size_t stride = 5 * 3 * std::size_t{side};
    std::vector<std::uint8_t> pixels(stride * side);
    for (int i = 0; i < 5; ++i) {
      gani::Image cell = gani::Image::wrap(pixels.data() + 3 * i * side, side, side, stride, GANI_LAYOUT_RGB);
      face.render({{"smile", static_cast<float>(i - 2)}}, cell);
    }
    const gani::Image strip = gani::Image::wrap(pixels.data(), 5 * side, side, stride, GANI_LAYOUT_RGB);
    strip.save(std::string(argv[2]) + ".strip.png");

    const gani_rect changed = face.paste({{"smile", 2.0f}}, photo);
    photo.save(argv[2]);
    std::cout << "wrote " << argv[2] << ", changed " << changed.width << 'x' << changed.height << '\n';
  } catch (const std::exception &error) {
    std::cerr << "error: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
