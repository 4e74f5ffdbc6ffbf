//! Read access to a host's pixels.

use std::path::Path;

use image::{DynamicImage, ImageBuffer, Pixel};

use super::layout::{ImageLayout, PixelFormat, Sample};
use crate::photo::load::check_size;
use crate::photo::{ColorSpace, Photo};
use crate::{Error, Result};

/// The samples of an image to read.
#[derive(Debug, Clone, Copy)]
pub enum Pixels<'a> {
    /// 0 to 255.
    U8(&'a [u8]),
    /// 0 to 65535.
    U16(&'a [u16]),
    /// 0.0 to 1.0.
    F32(&'a [f32]),
}

/// A host's image to read.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    pub(super) layout: ImageLayout,
    pub(super) pixels: Pixels<'a>,
    pub(super) color: ColorSpace,
}

impl<'a> Image<'a> {
    /// An image in `pixels` with the given layout.
    ///
    /// # Errors
    /// [`Error::Input`] if the image has no pixels, the stride is less than a row, or `pixels` is too short.
    pub fn new(layout: ImageLayout, pixels: Pixels<'a>) -> Result<Image<'a>> {
        layout.check(match pixels {
            Pixels::U8(p) => p.len(),
            Pixels::U16(p) => p.len(),
            Pixels::F32(p) => p.len(),
        })?;
        Ok(Image { layout, pixels, color: ColorSpace::default() })
    }

    /// The same image in another color space than sRGB.
    pub fn with_color(self, color: ColorSpace) -> Image<'a> {
        Image { color, ..self }
    }

    /// Copies the image to a photo, which messages call `name`. Floats are clamped to 0..=1 and converted to 16 bit.
    ///
    /// # Errors
    /// [`Error::Limits`] above 20,000 pixels per side or 512 MiB.
    pub fn to_photo(&self, name: &str) -> Result<Photo> {
        let layout = &self.layout;
        let bytes = if matches!(self.pixels, Pixels::U8(_)) { 1 } else { 2 };
        let samples = u64::from(layout.width) * u64::from(layout.height) * layout.format.channels() as u64;
        check_size(Path::new(name), layout.width, layout.height, samples * bytes)?;
        let pixels = match self.pixels {
            Pixels::U8(p) => image_8_bit(layout, packed(layout, p, |v| v)),
            Pixels::U16(p) => image_16_bit(layout, packed(layout, p, |v| v)),
            Pixels::F32(p) => {
                let sample = |v: f32| u16::nearest(v.clamp(0.0, 1.0) * u16::WHITE);
                image_16_bit(layout, packed(layout, p, sample))
            }
        };
        let pixels =
            pixels.ok_or_else(|| Error::Input(format!("{name}: the size does not match the pixels")))?;
        Ok(Photo { color: self.color.clone(), ..Photo::from_pixels(Path::new(name), pixels) })
    }
}

/// All samples without padding between rows, each pixel in the order gray or RGB, then alpha.
fn packed<S: Copy, T>(layout: &ImageLayout, values: &[S], convert: impl Fn(S) -> T) -> Vec<T> {
    let format = layout.format;
    let order: Vec<usize> = format.color_channels().iter().copied().chain(format.alpha_channel()).collect();
    let pixels = layout.rows(values).flat_map(|row| row.chunks_exact(format.channels()));
    pixels.flat_map(|pixel| order.iter().map(|&c| convert(pixel[c]))).collect()
}

fn image_8_bit(layout: &ImageLayout, packed: Vec<u8>) -> Option<DynamicImage> {
    Some(match layout.format {
        PixelFormat::Gray => DynamicImage::ImageLuma8(buffer(layout, packed)?),
        PixelFormat::GrayAlpha => DynamicImage::ImageLumaA8(buffer(layout, packed)?),
        PixelFormat::Rgb => DynamicImage::ImageRgb8(buffer(layout, packed)?),
        PixelFormat::Rgba | PixelFormat::Bgra => DynamicImage::ImageRgba8(buffer(layout, packed)?),
    })
}

fn image_16_bit(layout: &ImageLayout, packed: Vec<u16>) -> Option<DynamicImage> {
    Some(match layout.format {
        PixelFormat::Gray => DynamicImage::ImageLuma16(buffer(layout, packed)?),
        PixelFormat::GrayAlpha => DynamicImage::ImageLumaA16(buffer(layout, packed)?),
        PixelFormat::Rgb => DynamicImage::ImageRgb16(buffer(layout, packed)?),
        PixelFormat::Rgba | PixelFormat::Bgra => DynamicImage::ImageRgba16(buffer(layout, packed)?),
    })
}

fn buffer<P: Pixel>(
    layout: &ImageLayout,
    packed: Vec<P::Subpixel>,
) -> Option<ImageBuffer<P, Vec<P::Subpixel>>> {
    ImageBuffer::from_raw(layout.width, layout.height, packed)
}
