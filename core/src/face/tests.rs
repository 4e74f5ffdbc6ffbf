//! Selecting, cropping and pasting faces, without networks.

use image::{GrayImage, ImageBuffer, Luma, Rgb, Rgba};
use ndarray::{Array2, Array4};

use super::*;
use crate::Error;
use crate::photo::tests::{photo, picture};
use crate::photo::{crop_from_image, image_from_crop};

/// A slightly rotated square, inside an image of at least 200 × 200.
fn tilted() -> Alignment {
    let (right, down) = ([96.0, 20.0], [-20.0, 96.0]);
    let origin = [60.0, 40.0];
    let at = |r: f64, d: f64| [0, 1].map(|i: usize| origin[i] + r * right[i] + d * down[i]);
    Alignment { quad: [at(0.0, 0.0), at(0.0, 1.0), at(1.0, 1.0), at(1.0, 0.0)] }
}

#[test]
fn faces_are_selected_by_size_or_number() {
    let face = |size: f64| {
        let quad = [[0.0, 0.0], [0.0, size], [size, size], [size, 0.0]];
        let detection = Detection { rect: [0.0; 4], keypoints: [[0.0; 2]; 6], score: 1.0 };
        let landmarks = Landmarks { points: Vec::new(), presence: 1.0 };
        Face { detection, landmarks, alignment: Alignment { quad } }
    };
    let (photo, faces) = (photo(picture(8, 8)), [face(50.0), face(80.0), face(60.0)]);
    let numbers = |choice: &str| -> Vec<usize> {
        let selected = choice.parse::<FaceChoice>().unwrap().select(&photo, &faces).unwrap();
        selected.iter().map(|(n, _)| *n).collect()
    };
    assert_eq!(numbers("largest"), [2]);
    assert_eq!(numbers("3"), [3]);
    assert_eq!(numbers("all"), [1, 2, 3]);
    for bad in ["0", "-1", "left", ""] {
        assert!(matches!(bad.parse::<FaceChoice>(), Err(Error::Input(_))), "{bad}");
    }
    let text = FaceChoice::Nth(4).select(&photo, &faces).unwrap_err().to_string();
    assert!(text.contains("3 faces") && text.contains("test.png"), "{text}");
    let text = FaceChoice::All.select(&photo, &[]).unwrap_err().to_string();
    assert!(text.contains("no face was found"), "{text}");
}

#[test]
fn a_crop_of_the_whole_photo_is_the_photo() {
    let photo = photo(picture(96, 96));
    let crop = photo.to_crop([96, 96]).unwrap();
    assert_eq!(image_from_crop(crop.view()), picture(96, 96));
    assert_eq!(crop, crop_from_image(&photo.pixels));
    let text = super::tests::photo(picture(96, 60)).to_crop([96, 96]).unwrap_err().to_string();
    assert!(text.contains("aspect ratio"), "{text}");
}

/// Cropping and pasting back changes nothing visible, at sizes above and below the size of the square.
#[test]
fn pasting_the_crop_back_restores_the_photo() {
    let before = photo(picture(220, 200));
    for (size, tolerance) in [(64, 4), (98, 3), (256, 2)] {
        let crop = tilted().crop(&before, size).unwrap();
        let mut after = before.clone();
        paste(&mut after, crop.view(), &tilted(), &PasteOptions::default()).unwrap();
        let (before, after) = (before.pixels.to_rgb8(), after.pixels.to_rgb8());
        let worst = before.iter().zip(after.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= tolerance, "{size}: {worst}");
    }
}

#[test]
fn only_the_square_changes_and_its_inside_is_opaque() {
    let before = photo(picture(220, 200));
    let white = Array4::ones((1, 3, 128, 128));
    let plain = PasteOptions { match_border: false, ..PasteOptions::default() };
    let mut after = before.clone();
    paste(&mut after, white.view(), &tilted(), &plain).unwrap();
    let (old, new) = (before.pixels.to_rgb8(), after.pixels.to_rgb8());
    let to_crop = tilted().crop_to_photo(&before, 1).unwrap().inverse().unwrap();
    let mut changed = 0;
    for (x, y, pixel) in new.enumerate_pixels() {
        let place = to_crop.apply([f64::from(x) + 0.5, f64::from(y) + 0.5]);
        if place.iter().any(|v| *v <= 0.0 || *v >= 1.0) {
            assert_eq!(pixel, old.get_pixel(x, y), "{x},{y} is outside");
        }
        if place.iter().all(|v| (0.1..=0.9).contains(v)) {
            assert_eq!(pixel, &Rgb([255; 3]), "{x},{y} is inside");
        }
        changed += usize::from(pixel != old.get_pixel(x, y));
    }
    assert!(changed > 6_000, "{changed}");

    // A mask of zeros prevents any change. A mask of another size is rejected.
    let mut masked = before.clone();
    let (fitting, transposed) = (Array2::zeros((200, 220)), Array2::zeros((220, 200)));
    let masked_by = |mask| PasteOptions { mask: Some(mask), ..plain.clone() };
    paste(&mut masked, white.view(), &tilted(), &masked_by(fitting.view())).unwrap();
    assert_eq!(masked.pixels, before.pixels);
    assert!(paste(&mut masked, white.view(), &tilted(), &masked_by(transposed.view())).is_err());
}

#[test]
fn alpha_bit_depth_and_gray_are_preserved() {
    let color = Array4::from_shape_fn((1, 3, 64, 64), |(_, c, ..)| [1.0, -1.0, -1.0][c]);
    let options = PasteOptions { match_border: false, ..PasteOptions::default() };
    let mut translucent = photo(ImageBuffer::from_pixel(220, 200, Rgba([10u16, 20, 30, 40_000])));
    paste(&mut translucent, color.view(), &tilted(), &options).unwrap();
    let pixels = translucent.pixels.as_rgba16().unwrap();
    assert_eq!(pixels.get_pixel(98, 98), &Rgba([65535, 0, 0, 40_000]));
    assert_eq!(pixels.get_pixel(2, 2), &Rgba([10, 20, 30, 40_000]));

    let mut gray = photo(GrayImage::from_pixel(220, 200, Luma([100])));
    paste(&mut gray, color.view(), &tilted(), &options).unwrap();
    assert_eq!(gray.pixels.as_luma8().unwrap().get_pixel(98, 98), &Luma([54])); // 0.2126 · 255
}

#[test]
fn border_matching_removes_a_tint_near_the_edge_only() {
    let before = photo(picture(220, 200));
    let mut crop = tilted().crop(&before, 128).unwrap();
    crop.mapv_inplace(|v| v + 0.15);
    let mut after = before.clone();
    paste(&mut after, crop.view(), &tilted(), &PasteOptions::default()).unwrap();
    let (old, new) = (before.pixels.to_rgb8(), after.pixels.to_rgb8());
    let change = |x, y| i32::from(new.get_pixel(x, y)[0]) - i32::from(old.get_pixel(x, y)[0]);
    assert!((change(98, 98) - 19).abs() <= 2, "{}", change(98, 98)); // 0.15 · 127.5, preserved in the middle
    assert!(change(60, 90).abs() <= 12, "{}", change(60, 90)); // removed near the left edge
}

#[test]
fn alignments_of_another_photo_are_rejected() {
    let photo = photo(picture(50, 50));
    let nan = Alignment { quad: [[f64::NAN; 2]; 4] };
    let flat = Alignment { quad: [[0.0, 0.0], [0.0, 1.0], [50.0, 1.0], [50.0, 0.0]] };
    for bad in [tilted(), nan, flat, Alignment { quad: [[10.0; 2]; 4] }] {
        assert!(
            matches!(bad.crop(&photo, 64), Err(Error::Input(text)) if text.contains("test.png")),
            "{bad:?}"
        );
    }
}
