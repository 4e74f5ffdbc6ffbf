//! Host pixels of every format and bit depth: reading, pasting, and what must not change.

use super::*;
use crate::face::{Alignment, PasteOptions, Region, paste_into};
use ndarray::Array4;

const W: u32 = 60;
const H: u32 = 50;
/// Padding between rows, in values.
const GAP: usize = 5;
const FORMATS: [PixelFormat; 5] =
    [PixelFormat::Gray, PixelFormat::GrayAlpha, PixelFormat::Rgb, PixelFormat::Rgba, PixelFormat::Bgra];

fn layout(format: PixelFormat) -> ImageLayout {
    ImageLayout { width: W, height: H, stride: W as usize * format.channels() + GAP, format }
}

/// The square of a face, well inside the image.
fn square() -> Alignment {
    Alignment { quad: [[12.0, 8.0], [12.0, 38.0], [42.0, 38.0], [42.0, 8.0]] }
}

/// Varying values from 0 to `white`.
fn values(format: PixelFormat, white: f32) -> Vec<f32> {
    let len = layout(format).stride * H as usize;
    (0..len).map(|i| ((i * 37) % 251) as f32 / 250.0 * white).collect()
}

/// Pastes a red face. Returns the indices of the changed values, and all values.
fn changed<S: Copy>(
    format: PixelFormat,
    mut values: Vec<S>,
    wrap: for<'a> fn(&'a mut [S]) -> PixelsMut<'a>,
    bits: fn(S) -> u32,
    mask: Option<ArrayView2<'_, u8>>,
) -> (Vec<usize>, Vec<S>) {
    let before = values.clone();
    let red = Array4::from_shape_fn((1, 3, 16, 16), |(_, c, ..)| [1.0, -1.0, -1.0][c]);
    let mut image = ImageMut::new(layout(format), wrap(&mut values)).unwrap();
    let options = PasteOptions { match_border: false, mask, ..PasteOptions::default() };
    let region = paste_into(&mut image, red.view(), &square(), &options).unwrap();
    assert_eq!(region, Region { x: 12, y: 8, width: 30, height: 30 });
    let differs = |i: &usize| bits(before[*i]) != bits(values[*i]);
    ((0..before.len()).filter(differs).collect(), values)
}

/// Checks that only color channels inside the square changed. Returns the index of the middle pixel.
fn check(format: PixelFormat, changed: &[usize]) -> usize {
    let ImageLayout { stride, .. } = layout(format);
    let channels = format.channels();
    assert!(changed.len() > 700 * format.color_channels().len(), "{format:?}: {} changed", changed.len());
    for i in changed {
        let (x, y, c) = (i % stride / channels, i / stride, i % stride % channels);
        assert!((12..42).contains(&x) && (8..38).contains(&y), "{format:?}: {x},{y} is outside");
        assert!(format.color_channels().contains(&c), "{format:?}: channel {c} is not a color");
    }
    23 * stride + 27 * channels
}

#[test]
fn pasting_works_in_every_format_and_depth_and_only_inside_the_square() {
    for format in FORMATS {
        let expected = match format {
            PixelFormat::Gray | PixelFormat::GrayAlpha => vec![0.2126],
            PixelFormat::Rgb | PixelFormat::Rgba => vec![1.0, 0.0, 0.0],
            PixelFormat::Bgra => vec![0.0, 0.0, 1.0],
        };
        let assert_near = |found: Vec<f32>| {
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.003), "{format:?}: {found:?}");
        };
        let colors = expected.len();

        let start = values(format, 255.0).into_iter().map(|v| v as u8).collect();
        let (indices, after) = changed(format, start, |v| PixelsMut::U8(v), u32::from, None);
        let at = check(format, &indices);
        assert_near(after[at..at + colors].iter().map(|&v| f32::from(v) / 255.0).collect());

        let start = values(format, 65535.0).into_iter().map(|v| v as u16).collect();
        let (indices, after) = changed(format, start, |v| PixelsMut::U16(v), u32::from, None);
        let at = check(format, &indices);
        assert_near(after[at..at + colors].iter().map(|&v| f32::from(v) / 65535.0).collect());

        // Floats out of range and NaN are preserved outside the square.
        let mut start = values(format, 1.0);
        (start[0], start[1], start[2]) = (-3.5, 17.25, f32::NAN);
        let (indices, after) = changed(format, start, |v| PixelsMut::F32(v), f32::to_bits, None);
        let at = check(format, &indices);
        assert_near(after[at..at + colors].to_vec());
    }
}

#[test]
fn pixels_outside_the_selection_stay_bit_exact() {
    let mask_stride = W as usize + 3;
    let mut mask = vec![0u8; mask_stride * H as usize];
    for y in 20..30 {
        mask[y * mask_stride + 20..y * mask_stride + 30].fill(255);
        mask[y * mask_stride + 20] = 128;
    }
    let selected = selection(W, H, mask_stride, &mask).unwrap();
    let format = PixelFormat::Bgra;
    let start: Vec<f32> = values(format, 1.0);
    let (indices, after) =
        changed(format, start.clone(), |v| PixelsMut::F32(v), f32::to_bits, Some(selected));
    let stride = layout(format).stride;
    for i in indices {
        let (x, y) = (i % stride / 4, i / stride);
        assert!((20..30).contains(&x) && (20..30).contains(&y), "{x},{y} is not selected");
    }
    let red = |x: usize, y: usize| y * stride + 4 * x + 2;
    assert!((after[red(25, 25)] - 1.0).abs() < 1e-3);
    // Half selected: a blend of the old and the new value.
    let half = start[red(20, 25)] + 128.0 / 255.0 * (1.0 - start[red(20, 25)]);
    assert!((after[red(20, 25)] - half).abs() < 1e-3);
    assert!(selection(W, H, mask_stride, &mask[..mask.len() - 4]).is_err());
}

#[test]
fn a_photo_holds_the_pixels_of_the_host() {
    let bgra: Vec<u8> = values(PixelFormat::Bgra, 255.0).into_iter().map(|v| v as u8).collect();
    let photo = Image::new(layout(PixelFormat::Bgra), Pixels::U8(&bgra)).unwrap().to_photo("layer").unwrap();
    let pixels = photo.pixels.as_rgba8().unwrap();
    let i = 7 * layout(PixelFormat::Bgra).stride + 3 * 4;
    assert_eq!(pixels.get_pixel(3, 7).0, [bgra[i + 2], bgra[i + 1], bgra[i], bgra[i + 3]]);

    let mut gray = values(PixelFormat::GrayAlpha, 1.0);
    (gray[0], gray[1], gray[2]) = (2.0, f32::NAN, -1.0);
    let photo =
        Image::new(layout(PixelFormat::GrayAlpha), Pixels::F32(&gray)).unwrap().to_photo("layer").unwrap();
    let pixels = photo.pixels.as_luma_alpha16().unwrap();
    assert_eq!((pixels.get_pixel(0, 0).0, pixels.get_pixel(1, 0).0[0]), ([65535, 0], 0));
}

#[test]
fn drawing_fills_the_image_and_leaves_alpha_and_padding() {
    let mut values = vec![7u8; layout(PixelFormat::Rgba).stride * H as usize];
    let picture = Array4::from_shape_fn((1, 3, 90, 90), |(_, c, ..)| [1.0, 0.0, -1.0][c]);
    ImageMut::new(layout(PixelFormat::Rgba), PixelsMut::U8(&mut values)).unwrap().draw(picture.view());
    for row in values.chunks(layout(PixelFormat::Rgba).stride) {
        let (pixels, gap) = row.split_at(4 * W as usize);
        assert!(pixels.chunks(4).all(|p| p == [255, 128, 0, 7]) && gap == [7; GAP]);
    }
}

#[test]
fn invalid_layouts_are_rejected() {
    let good = layout(PixelFormat::Rgb);
    let values = vec![0.0f32; good.stride * (H as usize - 1) + 3 * W as usize];
    assert!(Image::new(good, Pixels::F32(&values)).is_ok(), "the last row needs no padding");
    for (bad, word) in [
        (ImageLayout { width: 0, ..good }, "no pixels"),
        (ImageLayout { height: 0, ..good }, "no pixels"),
        (ImageLayout { stride: 3 * W as usize - 1, ..good }, "stride"),
        (ImageLayout { height: H + 1, ..good }, "were given"),
        (ImageLayout { width: u32::MAX, height: u32::MAX, stride: usize::MAX, ..good }, "were given"),
    ] {
        let text = Image::new(bad, Pixels::F32(&values)).unwrap_err().to_string();
        assert!(text.contains(word), "{bad:?}: {text}");
    }
    let huge = vec![0u8; 20_001];
    let layout = ImageLayout { width: 20_001, height: 1, stride: 20_001, format: PixelFormat::Gray };
    let image = Image::new(layout, Pixels::U8(&huge)).unwrap();
    assert!(matches!(image.to_photo("layer"), Err(Error::Limits(text)) if text.contains("layer")));
}
