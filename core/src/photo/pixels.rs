//! A host's pixels, where they lie: slices with a stride, read as a [`Photo`], and written where a face is pasted.
//!
//! ```
//! use gani_core::photo::pixels::{Frame, Image, Layout, Pixels};
//!
//! let bgra = vec![0u8; 4 * 640 * 480];
//! let frame = Frame { width: 640, height: 480, stride: 4 * 640, layout: Layout::Bgra };
//! let photo = Image::new(frame, Pixels::U8(&bgra))?.to_photo("layer 1")?;
//! assert_eq!((photo.width(), photo.height()), (640, 480));
//! # Ok::<(), gani_core::Error>(())
//! ```
//! Values are sRGB-encoded with straight (not premultiplied) alpha: 0 to 255, 0 to 65535, or 0.0 to 1.0. Floats beyond
//! that range are clipped for finding and inverting a face, and kept where no face is pasted.

mod change;

pub use change::{ImageMut, PixelsMut};

use crate::photo::{Photo, check_size};
use crate::{Error, Result};
use change::Sample;
use image::{DynamicImage, ImageBuffer, Pixel};
use ndarray::{ArrayView2, ShapeBuilder};
use std::path::Path;

/// The channels of a pixel, in their order in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Grey.
    Grey,
    /// Grey, alpha.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
}

impl Layout {
    /// How many channels a pixel has.
    pub fn channels(self) -> usize {
        match self {
            Layout::Grey => 1,
            Layout::GreyAlpha => 2,
            Layout::Rgb => 3,
            Layout::Rgba | Layout::Bgra => 4,
        }
    }

    /// Where in a pixel grey lies, or red, green and blue.
    pub(crate) fn colors(self) -> &'static [usize] {
        match self {
            Layout::Grey | Layout::GreyAlpha => &[0],
            Layout::Rgb | Layout::Rgba => &[0, 1, 2],
            Layout::Bgra => &[2, 1, 0],
        }
    }

    /// Where in a pixel alpha lies.
    fn alpha(self) -> Option<usize> {
        matches!(self, Layout::GreyAlpha | Layout::Rgba | Layout::Bgra).then(|| self.channels() - 1)
    }
}

/// How the pixels of an image lie in a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Values (not bytes) from the start of a row to that of the next, at least width × channels.
    pub stride: usize,
    /// The channels of a pixel.
    pub layout: Layout,
}

impl Frame {
    /// Refuses images without pixels, rows that overlap, and slices of `len` values that end too early.
    fn check(&self, len: usize) -> Result<()> {
        let Frame { width, height, stride, layout } = *self;
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("an image of {width} × {height} pixels has none")));
        }
        let row = (width as usize).saturating_mul(layout.channels());
        if stride < row {
            return Err(Error::Input(format!("a stride of {stride} values is too small: a row has {row}")));
        }
        let needed = stride.saturating_mul(height as usize - 1).saturating_add(row);
        if len < needed {
            return Err(Error::Input(format!(
                "{width} × {height} pixels with a stride of {stride} are {needed} values, {len} were given"
            )));
        }
        Ok(())
    }

    /// Values in a row, without what the stride leaves between rows.
    fn row(&self) -> usize {
        self.width as usize * self.layout.channels()
    }

    fn rows<'a, S>(&self, values: &'a [S]) -> impl Iterator<Item = &'a [S]> + use<'a, S> {
        let row = self.row();
        values.chunks(self.stride).take(self.height as usize).map(move |r| &r[..row])
    }

    fn rows_mut<'a, S>(&self, values: &'a mut [S]) -> impl Iterator<Item = &'a mut [S]> + use<'a, S> {
        let row = self.row();
        values.chunks_mut(self.stride).take(self.height as usize).map(move |r| &mut r[..row])
    }

    /// The pixels one after the other, each as grey or RGB and then alpha.
    fn packed<S: Copy, T>(&self, values: &[S], convert: impl Fn(S) -> T) -> Vec<T> {
        let order: Vec<usize> = self.layout.colors().iter().copied().chain(self.layout.alpha()).collect();
        let pixels = self.rows(values).flat_map(|row| row.chunks_exact(self.layout.channels()));
        pixels.flat_map(|pixel| order.iter().map(|&c| convert(pixel[c]))).collect()
    }
}

/// Values to read.
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
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    frame: Frame,
    pixels: Pixels<'a>,
}

impl<'a> Image<'a> {
    /// The image that lies in `pixels` as `frame` says.
    ///
    /// # Errors
    /// [`Error::Input`] where it has no pixels, or `pixels` is too short.
    pub fn new(frame: Frame, pixels: Pixels<'a>) -> Result<Image<'a>> {
        frame.check(match pixels {
            Pixels::U8(p) => p.len(),
            Pixels::U16(p) => p.len(),
            Pixels::F32(p) => p.len(),
        })?;
        Ok(Image { frame, pixels })
    }

    /// A copy as a photo, called `name` in messages. Floats become 16 bit.
    ///
    /// # Errors
    /// [`Error::Limits`] beyond 20,000 pixels a side or 512 MiB.
    pub fn to_photo(&self, name: &str) -> Result<Photo> {
        let frame = &self.frame;
        let bytes = if matches!(self.pixels, Pixels::U8(_)) { 1 } else { 2 };
        let values = u64::from(frame.width) * u64::from(frame.height) * frame.layout.channels() as u64;
        check_size(Path::new(name), frame.width, frame.height, values * bytes)?;
        let pixels = match self.pixels {
            Pixels::U8(p) => frame.eight_bit(frame.packed(p, |v| v)),
            Pixels::U16(p) => frame.sixteen_bit(frame.packed(p, |v| v)),
            Pixels::F32(p) => {
                frame.sixteen_bit(frame.packed(p, |v| u16::nearest(v.clamp(0.0, 1.0) * u16::WHITE)))
            }
        };
        let pixels =
            pixels.ok_or_else(|| Error::Input(format!("{name}: its size does not fit its pixels")))?;
        Ok(Photo::from_pixels(Path::new(name), pixels))
    }
}

impl Frame {
    fn eight_bit(&self, packed: Vec<u8>) -> Option<DynamicImage> {
        Some(match self.layout {
            Layout::Grey => DynamicImage::ImageLuma8(self.buffer(packed)?),
            Layout::GreyAlpha => DynamicImage::ImageLumaA8(self.buffer(packed)?),
            Layout::Rgb => DynamicImage::ImageRgb8(self.buffer(packed)?),
            Layout::Rgba | Layout::Bgra => DynamicImage::ImageRgba8(self.buffer(packed)?),
        })
    }

    fn sixteen_bit(&self, packed: Vec<u16>) -> Option<DynamicImage> {
        Some(match self.layout {
            Layout::Grey => DynamicImage::ImageLuma16(self.buffer(packed)?),
            Layout::GreyAlpha => DynamicImage::ImageLumaA16(self.buffer(packed)?),
            Layout::Rgb => DynamicImage::ImageRgb16(self.buffer(packed)?),
            Layout::Rgba | Layout::Bgra => DynamicImage::ImageRgba16(self.buffer(packed)?),
        })
    }

    fn buffer<P: Pixel>(&self, packed: Vec<P::Subpixel>) -> Option<ImageBuffer<P, Vec<P::Subpixel>>> {
        ImageBuffer::from_raw(self.width, self.height, packed)
    }
}

/// A selection `[H,W]`, 0 (not selected) to 255, in a slice with `stride` values from row to row.
///
/// # Errors
/// [`Error::Input`] where the slice is too short.
pub fn selection(width: u32, height: u32, stride: usize, values: &[u8]) -> Result<ArrayView2<'_, u8>> {
    Frame { width, height, stride, layout: Layout::Grey }.check(values.len())?;
    ArrayView2::from_shape((height as usize, width as usize).strides((stride, 1)), values)
        .map_err(|e| Error::Input(format!("a selection: {e}")))
}

#[cfg(test)]
mod tests;
