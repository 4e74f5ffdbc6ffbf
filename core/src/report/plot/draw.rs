//! Antialiased lines and text on an [`RgbImage`].

use super::font::{self, Line};
use image::{Rgb, RgbImage};

/// An sRGB color.
pub type Color = [u8; 3];

/// Draws antialiased polylines of `width` pixels with round ends. Crossings do not add up: each pixel is blended once.
///
/// Clips to the image. The center of the first pixel is at (0.5, 0.5).
pub fn stroke(image: &mut RgbImage, lines: &[Line], width: f32, color: Color) {
    let margin = width / 2.0 + 1.0;
    let points = || lines.iter().flatten();
    let bound = |axis: usize, limit: u32| {
        let low = points().map(|p| p[axis]).fold(f32::INFINITY, f32::min) - margin;
        let high = points().map(|p| p[axis]).fold(f32::NEG_INFINITY, f32::max) + margin;
        (low.clamp(0.0, limit as f32) as usize, high.ceil().clamp(0.0, limit as f32) as usize)
    };
    let ((left, right), (top, bottom)) = (bound(0, image.width()), bound(1, image.height()));
    if left >= right || top >= bottom {
        return;
    }
    let columns = right - left;
    let mut coverage = vec![0f32; columns * (bottom - top)];
    for line in lines {
        for (a, b) in line.iter().zip(line.iter().skip(1)) {
            let span = |axis: usize, from: usize, to: usize| {
                let low = (a[axis].min(b[axis]) - margin).clamp(from as f32, to as f32) as usize;
                let high = (a[axis].max(b[axis]) + margin).ceil().clamp(from as f32, to as f32) as usize;
                low..high
            };
            for y in span(1, top, bottom) {
                for x in span(0, left, right) {
                    let distance = distance([x as f32 + 0.5, y as f32 + 0.5], *a, *b);
                    // A line thinner than one pixel is drawn one pixel wide and paler.
                    let value = (width.max(1.0) / 2.0 + 0.5 - distance).clamp(0.0, 1.0) * width.min(1.0);
                    let cell = &mut coverage[(y - top) * columns + x - left];
                    *cell = cell.max(value);
                }
            }
        }
    }
    for (index, value) in coverage.into_iter().enumerate() {
        if value > 0.0 {
            let pixel = image.get_pixel_mut((left + index % columns) as u32, (top + index / columns) as u32);
            let mix =
                |from: u8, to: u8| (f32::from(from) * (1.0 - value) + f32::from(to) * value).round() as u8;
            *pixel = Rgb([mix(pixel[0], color[0]), mix(pixel[1], color[1]), mix(pixel[2], color[2])]);
        }
    }
}

/// Distance of `p` from the segment `a` to `b`.
fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let square = dx * dx + dy * dy;
    let along = if square > 0.0 { ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (p[0] - a[0] - along * dx).hypot(p[1] - a[1] - along * dy)
}

/// Horizontal alignment: which point of a text is at the given x.
#[derive(Clone, Copy, PartialEq)]
pub enum Align {
    /// The left end.
    Left,
    /// The center.
    Center,
    /// The right end.
    Right,
}

/// Width of a text in pixels. Capital letters are `height` pixels high.
pub fn text_width(text: &str, height: f32) -> f32 {
    font::text_lines(text).1 * height / font::CAPITAL
}

/// Draws a text. Capital letters are `height` pixels high, with their tops at `y`.
pub fn text(image: &mut RgbImage, text: &str, [x, y]: [f32; 2], height: f32, align: Align, color: Color) {
    let scale = height / font::CAPITAL;
    let (mut lines, width) = font::text_lines(text);
    let left = match align {
        Align::Left => x,
        Align::Center => x - width * scale / 2.0,
        Align::Right => x - width * scale,
    };
    for point in lines.iter_mut().flatten() {
        *point = [left + point[0] * scale, y + point[1] * scale];
    }
    stroke(image, &lines, font::STROKE * scale, color);
}
