//! Faces in photos: detection, FFHQ alignment, cropping and pasting, with the real networks.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use gani_core::face::{Face, FaceChoice, FaceFinder, PasteOptions, paste};
use gani_core::photo::Photo;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use image::DynamicImage;
use image::imageops::{self, FilterType};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn astronaut() -> Photo {
    Photo::open(root().join("tests/data/astronaut.png")).unwrap()
}

fn faces(photo: &Photo) -> Vec<Face> {
    let runtime =
        Runtime::load(&RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, ..Default::default() })
            .unwrap();
    let net = |name: &str| std::fs::read(root().join("models/common").join(name)).unwrap();
    let finder = FaceFinder::new(&runtime, &net("blazeface.onnx"), &net("facemesh.onnx")).unwrap();
    finder.faces(photo, &Cancel::new()).unwrap()
}

/// Centers of eyes and mouth, as the mean of their corners, within 2.5 pixels of positions that were measured by hand.
#[test]
fn landmarks_and_alignment_match_measured_positions() {
    let photo = astronaut();
    let found = faces(&photo);
    assert_eq!(found.len(), 1);
    let assert_near = |point: [f64; 2], x: f64, y: f64| {
        assert!((point[0] - x).hypot(point[1] - y) < 2.5, "{point:?}, expected {x}, {y}");
    };
    let landmarks = &found[0].landmarks;
    assert_near(landmarks.mean(&[33, 133]), 202.5, 101.5);
    assert_near(landmarks.mean(&[362, 263]), 247.5, 104.0);
    assert_near(landmarks.mean(&[61, 291]), 223.7, 140.2);
    assert!((found[0].alignment.side_length() - 178.0).abs() < 4.0, "{}", found[0].alignment.side_length());
}

/// Aligning an aligned crop moves its corners by at most 3 % of its side.
#[test]
fn alignment_of_an_aligned_crop_is_close_to_the_identity() {
    let photo = astronaut();
    let crop = faces(&photo)[0].alignment.crop(&photo, 256).unwrap();
    let aligned =
        Photo::from_pixels(Path::new("crop.png"), gani_core::photo::image_from_crop(crop.view()).into());
    let quad = faces(&aligned)[0].alignment.quad;
    for (corner, expected) in quad.iter().zip([[0.0, 0.0], [0.0, 256.0], [256.0, 256.0], [256.0, 0.0]]) {
        assert!((corner[0] - expected[0]).hypot(corner[1] - expected[1]) < 8.0, "{quad:?}");
    }
}

/// Three copies in a large image, one of them rotated by 90°. Faces are listed from left to right.
#[test]
fn small_and_rotated_faces_are_found_in_a_group() {
    let astronaut = astronaut().pixels.to_rgb8();
    let mut group = image::RgbImage::from_pixel(1600, 1000, image::Rgb([90, 110, 100]));
    let small = imageops::resize(&astronaut, 256, 256, FilterType::Triangle);
    imageops::replace(&mut group, &small, 1250, 600);
    imageops::replace(&mut group, &astronaut, 500, 30);
    imageops::replace(&mut group, &imageops::rotate270(&small), 40, 500);
    let photo = Photo::from_pixels(Path::new("group.png"), group.into());
    let found = faces(&photo);
    let sizes: Vec<f64> = found.iter().map(|face| face.alignment.side_length().round()).collect();
    assert_eq!(found.len(), 3, "{sizes:?}");
    assert!(sizes[1] > 1.8 * sizes[0] && sizes[1] > 1.8 * sizes[2], "{sizes:?}");
    assert_eq!(FaceChoice::Largest.select(&photo, &found).unwrap()[0].0, 2);
}

#[test]
fn photo_without_faces_is_an_error_only_when_one_is_chosen() {
    let photo = astronaut();
    let helmet = DynamicImage::from(photo.pixels.to_rgb8()).crop_imm(280, 330, 230, 180);
    let photo = Photo::from_pixels(Path::new("helmet.png"), helmet);
    let found = faces(&photo);
    assert!(found.is_empty());
    let text = FaceChoice::Largest.select(&photo, &found).unwrap_err().to_string();
    assert!(text.contains("no face was found in helmet.png"), "{text}");
}

/// Pasting the unedited crop back does not visibly change the photo.
#[test]
fn pasting_an_unedited_crop_changes_little() {
    let before = astronaut();
    let alignment = faces(&before)[0].alignment;
    let mut after = before.clone();
    let crop = alignment.crop(&before, 256).unwrap();
    paste(&mut after, crop.view(), &alignment, &PasteOptions::default()).unwrap();
    let (old, new) = (before.pixels.to_rgb8(), after.pixels.to_rgb8());
    let differences = old.iter().zip(new.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let (worst, sum) = differences.fold((0.0f64, 0.0), |(worst, sum), d| (worst.max(d), sum + d));
    let mean = sum / (alignment.side_length() * alignment.side_length() * 3.0);
    // Measured: at most 54 of 255, in single hairs, which resampling twice blurs; 1.2 on average within the crop.
    assert!(worst <= 64.0 && mean < 1.5, "maximum {worst}, mean within the crop {mean}");
}
