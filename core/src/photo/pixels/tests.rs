//! Host pixels of every layout and depth: read, pasted into, left alone.

use super::*;
use crate::face::{Alignment, PasteOptions, Region, paste_into};
use ndarray::Array4;

const W: u32 = 60;
const H: u32 = 50;
/// Values between rows that belong to nobody.
const GAP: usize = 5;
const LAYOUTS: [Layout; 5] = [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba, Layout::Bgra];

fn frame(layout: Layout) -> Frame {
    Frame { width: W, height: H, stride: W as usize * layout.channels() + GAP, layout }
}

/// A face's square well inside the picture.
fn square() -> Alignment {
    Alignment { quad: [[12.0, 8.0], [12.0, 38.0], [42.0, 38.0], [42.0, 8.0]] }
}

/// Distinct values everywhere, 0 to `white`.
fn values(layout: Layout, white: f32) -> Vec<f32> {
    let len = frame(layout).stride * H as usize;
    (0..len).map(|i| ((i * 37) % 251) as f32 / 250.0 * white).collect()
}

/// Pastes a red face and returns the indices of what changed.
fn changed<S: Copy>(
    layout: Layout,
    mut values: Vec<S>,
    wrap: for<'a> fn(&'a mut [S]) -> PixelsMut<'a>,
    bits: fn(S) -> u32,
    mask: Option<ArrayView2<'_, u8>>,
) -> (Vec<usize>, Vec<S>) {
    let before = values.clone();
    let red = Array4::from_shape_fn((1, 3, 16, 16), |(_, c, ..)| [1.0, -1.0, -1.0][c]);
    let mut image = ImageMut::new(frame(layout), wrap(&mut values)).unwrap();
    let options = PasteOptions { match_border: false, mask, ..PasteOptions::default() };
    let region = paste_into(&mut image, red.view(), &square(), &options).unwrap();
    assert_eq!(region, Region { x: 12, y: 8, width: 30, height: 30 });
    let differs = |i: &usize| bits(before[*i]) != bits(values[*i]);
    ((0..before.len()).filter(differs).collect(), values)
}

/// Changes lie inside the square and are of colours, in every layout; `at` gives the middle pixel.
fn check(layout: Layout, changed: &[usize]) -> usize {
    let Frame { stride, .. } = frame(layout);
    let channels = layout.channels();
    assert!(changed.len() > 700 * layout.colors().len(), "{layout:?}: {} changed", changed.len());
    for i in changed {
        let (x, y, c) = (i % stride / channels, i / stride, i % stride % channels);
        assert!((12..42).contains(&x) && (8..38).contains(&y), "{layout:?}: {x},{y} lies outside");
        assert!(layout.colors().contains(&c), "{layout:?}: channel {c} is no colour");
    }
    23 * stride + 27 * channels
}

#[test]
fn a_face_lands_in_every_layout_and_depth_and_nowhere_else() {
    for layout in LAYOUTS {
        let expected = match layout {
            Layout::Grey | Layout::GreyAlpha => vec![0.2126],
            Layout::Rgb | Layout::Rgba => vec![1.0, 0.0, 0.0],
            Layout::Bgra => vec![0.0, 0.0, 1.0],
        };
        let near = |found: Vec<f32>| {
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 0.003), "{layout:?}: {found:?}");
        };
        let colors = expected.len();

        let start = values(layout, 255.0).into_iter().map(|v| v as u8).collect();
        let (indices, after) = changed(layout, start, |v| PixelsMut::U8(v), u32::from, None);
        let at = check(layout, &indices);
        near(after[at..at + colors].iter().map(|&v| f32::from(v) / 255.0).collect());

        let start = values(layout, 65535.0).into_iter().map(|v| v as u16).collect();
        let (indices, after) = changed(layout, start, |v| PixelsMut::U16(v), u32::from, None);
        let at = check(layout, &indices);
        near(after[at..at + colors].iter().map(|&v| f32::from(v) / 65535.0).collect());

        // Floats beyond white, and what is no number, survive outside.
        let mut start = values(layout, 1.0);
        (start[0], start[1], start[2]) = (-3.5, 17.25, f32::NAN);
        let (indices, after) = changed(layout, start, |v| PixelsMut::F32(v), f32::to_bits, None);
        let at = check(layout, &indices);
        near(after[at..at + colors].to_vec());
    }
}

#[test]
fn the_selection_decides_bit_for_bit() {
    let mask_stride = W as usize + 3;
    let mut mask = vec![0u8; mask_stride * H as usize];
    for y in 20..30 {
        mask[y * mask_stride + 20..y * mask_stride + 30].fill(255);
        mask[y * mask_stride + 20] = 128;
    }
    let selected = selection(W, H, mask_stride, &mask).unwrap();
    let layout = Layout::Bgra;
    let start: Vec<f32> = values(layout, 1.0);
    let (indices, after) =
        changed(layout, start.clone(), |v| PixelsMut::F32(v), f32::to_bits, Some(selected));
    let stride = frame(layout).stride;
    for i in indices {
        let (x, y) = (i % stride / 4, i / stride);
        assert!((20..30).contains(&x) && (20..30).contains(&y), "{x},{y} is not selected");
    }
    let red = |x: usize, y: usize| y * stride + 4 * x + 2;
    assert!((after[red(25, 25)] - 1.0).abs() < 1e-3);
    // Half selected: half way from what was there.
    let half = start[red(20, 25)] + 128.0 / 255.0 * (1.0 - start[red(20, 25)]);
    assert!((after[red(20, 25)] - half).abs() < 1e-3);
    assert!(selection(W, H, mask_stride, &mask[..mask.len() - 4]).is_err());
}

#[test]
fn a_photo_holds_what_the_host_showed() {
    let bgra: Vec<u8> = values(Layout::Bgra, 255.0).into_iter().map(|v| v as u8).collect();
    let photo = Image::new(frame(Layout::Bgra), Pixels::U8(&bgra)).unwrap().to_photo("layer").unwrap();
    let pixels = photo.pixels.as_rgba8().unwrap();
    let i = 7 * frame(Layout::Bgra).stride + 3 * 4;
    assert_eq!(pixels.get_pixel(3, 7).0, [bgra[i + 2], bgra[i + 1], bgra[i], bgra[i + 3]]);

    let mut grey = values(Layout::GreyAlpha, 1.0);
    (grey[0], grey[1], grey[2]) = (2.0, f32::NAN, -1.0);
    let photo = Image::new(frame(Layout::GreyAlpha), Pixels::F32(&grey)).unwrap().to_photo("layer").unwrap();
    let pixels = photo.pixels.as_luma_alpha16().unwrap();
    assert_eq!((pixels.get_pixel(0, 0).0, pixels.get_pixel(1, 0).0[0]), ([65535, 0], 0));
}

#[test]
fn drawing_fills_the_frame_opaquely_and_nothing_beyond_it() {
    let mut values = vec![7u8; frame(Layout::Rgba).stride * H as usize];
    let picture = Array4::from_shape_fn((1, 3, 90, 90), |(_, c, ..)| [1.0, 0.0, -1.0][c]);
    ImageMut::new(frame(Layout::Rgba), PixelsMut::U8(&mut values)).unwrap().draw(picture.view());
    for row in values.chunks(frame(Layout::Rgba).stride) {
        let (pixels, gap) = row.split_at(4 * W as usize);
        assert!(pixels.chunks(4).all(|p| p == [255, 128, 0, 255]) && gap == [7; GAP]);
    }
}

#[test]
fn frames_that_cannot_be_are_refused() {
    let good = frame(Layout::Rgb);
    let values = vec![0.0f32; good.stride * (H as usize - 1) + 3 * W as usize];
    assert!(Image::new(good, Pixels::F32(&values)).is_ok(), "the last row may end without a gap");
    for (bad, word) in [
        (Frame { width: 0, ..good }, "has none"),
        (Frame { height: 0, ..good }, "has none"),
        (Frame { stride: 3 * W as usize - 1, ..good }, "stride"),
        (Frame { height: H + 1, ..good }, "were given"),
        (Frame { width: u32::MAX, height: u32::MAX, stride: usize::MAX, ..good }, "were given"),
    ] {
        let text = Image::new(bad, Pixels::F32(&values)).unwrap_err().to_string();
        assert!(text.contains(word), "{bad:?}: {text}");
    }
    let huge = vec![0u8; 20_001];
    let frame = Frame { width: 20_001, height: 1, stride: 20_001, layout: Layout::Grey };
    let image = Image::new(frame, Pixels::U8(&huge)).unwrap();
    assert!(matches!(image.to_photo("layer"), Err(Error::Limits(text)) if text.contains("layer")));
}
