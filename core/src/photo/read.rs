//! Reading pixels of a photo as sRGB in `[-1,1]`. Alpha is ignored; gray is repeated.

use std::ops::Range;

use image::{DynamicImage, ImageBuffer, Pixel};
use ndarray::{Array4, ArrayView4};

use super::affine::Affine;
use super::color::ColorSpace;
use super::float_image::FloatImage;
use super::load::Photo;
use super::pixels::ImageMut;
use super::warp::Border;

impl Photo {
    /// Reads `width` × `height` pixels from (`left`, `top`) on, each the mean of `shrink` × `shrink` pixels of the photo.
    pub(crate) fn read_rgb(
        &self,
        [left, top]: [i64; 2],
        [width, height]: [usize; 2],
        shrink: usize,
        border: Border,
    ) -> FloatImage {
        let mut out = FloatImage::new(width, height);
        let (photo_w, photo_h) = (self.width() as i64, self.height() as i64);
        let columns: Vec<Option<usize>> =
            (0..(width * shrink) as i64).map(|i| border.index(left + i, photo_w)).collect();
        let first = columns.iter().flatten().min().copied().unwrap_or(0);
        let last = columns.iter().flatten().max().copied().unwrap_or(0);
        let weight = 1.0 / (shrink * shrink) as f32;
        for (row_index, row) in out.data.chunks_exact_mut(width).enumerate() {
            for sub in 0..shrink {
                let y = top + (row_index * shrink + sub) as i64;
                let line = border
                    .index(y, photo_h)
                    .map(|y| read_row(&self.pixels, y as u32, first as u32..last as u32 + 1));
                for (pixel, sources) in row.iter_mut().zip(columns.chunks_exact(shrink)) {
                    for source in sources {
                        let rgb = match (&line, source) {
                            (Some(line), Some(x)) => line[x - first],
                            _ => [-1.0; 3],
                        };
                        for (sum, value) in pixel.iter_mut().zip(rgb) {
                            *sum += value * weight;
                        }
                    }
                }
            }
        }
        self.color.to_srgb(&mut out.data);
        out
    }

    /// The whole photo as `[1,3,H,W]` in sRGB, `[-1,1]`.
    pub fn to_tensor(&self) -> Array4<f32> {
        if self.color.is_srgb() {
            return crop_from_image(&self.pixels);
        }
        let size = [self.width() as usize, self.height() as usize];
        self.read_rgb([0, 0], size, 1, Border::Reflect).to_nchw()
    }

    /// Converts the pixels to sRGB. Alpha and the number of channels do not change; 8-bit pixels stay 8 bit.
    pub(super) fn convert_to_srgb(&mut self) {
        if !self.color.is_srgb() {
            let color = std::mem::take(&mut self.color);
            let mut row = Vec::new();
            let height = self.height();
            for y in 0..height {
                row.clear();
                row.extend(read_row(&self.pixels, y, 0..self.width()));
                color.to_srgb(&mut row);
                self.write_row(y, &row);
            }
        }
        let is_rgb = self.pixels.color().has_color();
        self.color = if is_rgb { ColorSpace::srgb() } else { ColorSpace::default() };
    }

    /// Replaces the colors of a row.
    fn write_row(&mut self, y: u32, row: &[[f32; 3]]) {
        let width = self.width();
        if let Ok(image) = ImageMut::from_photo(self) {
            image
                .with_color(ColorSpace::default())
                .blend([0, y, width, y + 1], false, |x, _| Some((row[x], 1.0)));
        }
    }

    /// Resamples the photo to `size` × `size` pixels without aliasing. `map` maps output pixels to pixels of the photo.
    pub(crate) fn warp(&self, map: &Affine, size: usize, border: Border) -> FloatImage {
        let scale = map.scale().into_iter().fold(1.0, f64::max);
        // Box averaging down to at most four times the output's density limits the width of the cubic kernel.
        let shrink = ((scale / 2.0) as usize).max(1);
        let end = size as f64;
        let corners = [[0.0, 0.0], [end, 0.0], [0.0, end], [end, end]].map(|p| map.apply(p));
        let margin = 2.0 * scale + 2.0;
        let low = [0, 1].map(|i| corners.iter().fold(f64::MAX, |m, p| m.min(p[i])) - margin);
        let high = [0, 1].map(|i| corners.iter().fold(f64::MIN, |m, p| m.max(p[i])) + margin);
        let origin = low.map(|v| v.floor() as i64);
        let cells = [0, 1].map(|i| ((high[i] - origin[i] as f64) / shrink as f64).ceil().max(1.0) as usize);
        let source = self.read_rgb(origin, cells, shrink, border);
        source.resample(&map.relative_to(origin.map(|v| v as f64), shrink as f64), size, size)
    }
}

/// Converts an sRGB image to a crop `[1,3,H,W]` in `[-1,1]` of the same size.
pub fn crop_from_image(image: &DynamicImage) -> Array4<f32> {
    let (w, h) = (image.width(), image.height());
    let mut crop = Array4::zeros((1, 3, h as usize, w as usize));
    for y in 0..h {
        for (x, rgb) in read_row(image, y, 0..w).into_iter().enumerate() {
            for (c, value) in rgb.into_iter().enumerate() {
                crop[[0, c, y as usize, x]] = value;
            }
        }
    }
    crop
}

/// Converts a crop `[1,3,H,W]` in `[-1,1]` to 8 bit. Values out of range are clamped.
pub fn image_from_crop(crop: ArrayView4<'_, f32>) -> image::RgbImage {
    let (_, _, h, w) = crop.dim();
    image::RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let value = |c| (crop[[0, c, y as usize, x as usize]].clamp(-1.0, 1.0) * 127.5 + 127.5).round() as u8;
        image::Rgb([value(0), value(1), value(2)])
    })
}

/// Some columns of row `y` as RGB in `[-1,1]`.
fn read_row(image: &DynamicImage, y: u32, columns: Range<u32>) -> Vec<[f32; 3]> {
    match image {
        DynamicImage::ImageLuma8(b) => convert_row(b, y, columns, 255.0),
        DynamicImage::ImageLumaA8(b) => convert_row(b, y, columns, 255.0),
        DynamicImage::ImageRgb8(b) => convert_row(b, y, columns, 255.0),
        DynamicImage::ImageRgba8(b) => convert_row(b, y, columns, 255.0),
        DynamicImage::ImageLuma16(b) => convert_row(b, y, columns, 65535.0),
        DynamicImage::ImageLumaA16(b) => convert_row(b, y, columns, 65535.0),
        DynamicImage::ImageRgb16(b) => convert_row(b, y, columns, 65535.0),
        DynamicImage::ImageRgba16(b) => convert_row(b, y, columns, 65535.0),
        // A Photo never holds float pixels.
        other => convert_row(&other.to_rgb16(), y, columns, 65535.0),
    }
}

fn convert_row<P: Pixel>(
    buffer: &ImageBuffer<P, Vec<P::Subpixel>>,
    y: u32,
    columns: Range<u32>,
    white: f32,
) -> Vec<[f32; 3]>
where
    P::Subpixel: Into<f32>,
{
    // The quotient is rounded correctly, so an 8-bit photo and its 16-bit copy have the same values, and the same key in the cache.
    let value = |v: P::Subpixel| v.into() / white * 2.0 - 1.0;
    let rgb = |pixel: &P| match *pixel.channels() {
        [gray] | [gray, _] => [value(gray); 3],
        [r, g, b, ..] => [value(r), value(g), value(b)],
        [] => [0.0; 3],
    };
    columns.map(|x| rgb(buffer.get_pixel(x, y))).collect()
}
