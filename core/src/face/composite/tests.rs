//! What a composite changes, and what it leaves.

use super::*;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, Rgba};
use ndarray::{Array2, Array4};
use std::path::Path;

const SIDE: usize = 128;

fn photo(pixels: impl Into<DynamicImage>) -> Photo {
    Photo::from_pixels(Path::new("test.png"), pixels.into())
}

fn waves(x: u32, y: u32) -> [f32; 3] {
    let wave = |a: f32, b: f32| 128.0 + 70.0 * (x as f32 / a).sin() + 40.0 * (y as f32 / b).cos();
    [wave(17.0, 23.0), wave(31.0, 13.0), wave(11.0, 41.0)]
}

fn color() -> Photo {
    photo(ImageBuffer::from_fn(220, 200, |x, y| Rgb(waves(x, y).map(|v| v as u8))))
}

/// A slightly rotated square inside the photo.
fn square() -> Alignment {
    let (right, down) = ([120.0, 20.0], [-20.0, 120.0]);
    let at = |r: f64, d: f64| [0, 1].map(|i: usize| [60.0, 40.0][i] + r * right[i] + d * down[i]);
    Alignment { quad: [at(0.0, 0.0), at(0.0, 1.0), at(1.0, 1.0), at(1.0, 0.0)] }
}

/// An imperfect reconstruction: flatter and darker than the photo.
fn reconstruction(photo: &Photo) -> Array4<f32> {
    square().crop(photo, SIDE).unwrap().mapv(|v| 0.8 * v - 0.1)
}

/// `strength` of an edit that brightens a disk in the middle of the crop.
fn edited(old: &Array4<f32>, strength: f32) -> Array4<f32> {
    let mut image = old.clone();
    for ((_, c, y, x), v) in image.indexed_iter_mut() {
        let distance = (x as f32 - 64.0).hypot(y as f32 - 64.0);
        let amount = (1.0 - distance / 24.0).clamp(0.0, 1.0);
        *v += strength * amount * [0.8, 0.5, 0.3][c];
    }
    image
}

fn composite(before: &Photo, strength: f32, options: &PasteOptions<'_>) -> Photo {
    let old = reconstruction(before);
    let new = edited(&old, strength);
    let mut after = before.clone();
    paste_edit(&mut after, &EditedFace::new(new.view(), old.view()), &square(), options).unwrap();
    after
}

fn largest_change(a: &Photo, b: &Photo) -> u8 {
    let (a, b) = (a.pixels.to_rgb8(), b.pixels.to_rgb8());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn without_an_edit_every_depth_and_layout_is_bit_exact() {
    let rgba16 = |x, y| {
        let [r, g, b] = waves(x, y).map(|v| (v * 257.0) as u16);
        Rgba([r, g, b, (x * 200) as u16])
    };
    for before in [
        color(),
        photo(ImageBuffer::from_fn(220, 200, rgba16)),
        photo(GrayImage::from_fn(220, 200, |x, y| Luma([waves(x, y)[0] as u8]))),
    ] {
        let after = composite(&before, 0.0, &PasteOptions::default());
        assert_eq!(before.pixels, after.pixels);
    }
}

#[test]
fn the_change_is_continuous_and_local() {
    let before = color();
    let mut last = 0;
    for (strength, limit) in [(0.0025, 1), (0.01, 2), (0.03, 5), (0.1, 15), (0.3, 50)] {
        let change = largest_change(&before, &composite(&before, strength, &PasteOptions::default()));
        assert!((last..=limit).contains(&change), "{strength}: {change}");
        last = change;
    }
    let (old, new) = (&before.pixels, composite(&before, 1.0, &PasteOptions::default()).pixels);
    let (old, new) = (old.to_rgb8(), new.to_rgb8());
    let map = square().crop_to_photo(&before, 1).unwrap().inverse().unwrap();
    let mut changed = 0;
    for (x, y, pixel) in new.enumerate_pixels() {
        let [u, v] = map.apply([f64::from(x) + 0.5, f64::from(y) + 0.5]);
        if (u - 0.5).hypot(v - 0.5) > 0.3 {
            assert_eq!(pixel, old.get_pixel(x, y), "{x},{y}");
        }
        changed += usize::from(pixel != old.get_pixel(x, y));
    }
    assert!(changed > 800, "{changed}");
}

#[test]
fn gray_pixels_stay_gray_in_a_color_file() {
    let gray = |x, y| Rgb([waves(x, y)[0] as u8; 3]);
    let before = photo(ImageBuffer::from_fn(220, 200, gray));
    let after = composite(&before, 1.0, &PasteOptions::default());
    assert!(largest_change(&before, &after) > 40);
    assert!(after.pixels.to_rgb8().pixels().all(|Rgb([r, g, b])| r == g && g == b));
}

#[test]
fn selections_limit_the_change() {
    let before = color();
    let selection = Array2::from_shape_fn((200, 220), |(_, x)| if x < 110 { 0 } else { 255 });
    let options = PasteOptions { mask: Some(selection.view()), ..PasteOptions::default() };
    let after = composite(&before, 1.0, &options);
    assert!(largest_change(&before, &after) > 40);
    for (x, y, pixel) in after.pixels.to_rgb8().enumerate_pixels().filter(|(x, ..)| *x < 110) {
        assert_eq!(pixel, before.pixels.to_rgb8().get_pixel(x, y), "{x},{y}");
    }
}

#[test]
fn the_background_stays_and_the_face_is_the_generators() {
    let before = color();
    let options = PasteOptions { keep: Keep::Background, ..PasteOptions::default() };
    let (old, new) = (before.pixels.to_rgb8(), composite(&before, 0.0, &options).pixels.to_rgb8());
    assert_eq!(old.get_pixel(66, 66), new.get_pixel(66, 66));
    assert_ne!(old.get_pixel(110, 110), new.get_pixel(110, 110));

    let none = PasteOptions { keep: Keep::None, ..PasteOptions::default() };
    let mut pasted = before.clone();
    super::super::paste(&mut pasted, reconstruction(&before).view(), &square(), &none).unwrap();
    assert_eq!(composite(&before, 0.0, &none).pixels, pasted.pixels);
}

#[test]
fn images_of_different_sizes_and_unknown_names_are_rejected() {
    let mut photo = color();
    let (a, b) = (Array4::zeros((1, 3, 64, 64)), Array4::zeros((1, 3, 32, 32)));
    let face = EditedFace::new(a.view(), b.view());
    assert!(paste_edit(&mut photo, &face, &square(), &PasteOptions::default()).is_err());
    assert!("some".parse::<Keep>().is_err());
    assert!(Keep::ALL.iter().all(|keep| keep.name().parse::<Keep>().unwrap() == *keep));
}
