//! Changing a host's pixels: colours mixed in by weight, everything else left bit for bit.

use super::{Frame, Image, Layout, Pixels};
use crate::photo::Photo;
use crate::photo::resize;
use crate::{Error, Result};
use image::DynamicImage;
use ndarray::ArrayView4;

/// A number that a channel is stored as.
pub(super) trait Sample: Copy + Into<f32> {
    /// What stands for 1.0.
    const WHITE: f32;
    /// The nearest to `value`, which is 0 to [`Sample::WHITE`].
    fn nearest(value: f32) -> Self;
}

impl Sample for u8 {
    const WHITE: f32 = 255.0;
    fn nearest(value: f32) -> u8 {
        value.round() as u8
    }
}

impl Sample for u16 {
    const WHITE: f32 = 65535.0;
    fn nearest(value: f32) -> u16 {
        value.round() as u16
    }
}

impl Sample for f32 {
    const WHITE: f32 = 1.0;
    fn nearest(value: f32) -> f32 {
        value
    }
}

/// Values to change.
#[derive(Debug)]
pub enum PixelsMut<'a> {
    /// 0 to 255.
    U8(&'a mut [u8]),
    /// 0 to 65535.
    U16(&'a mut [u16]),
    /// 0.0 to 1.0.
    F32(&'a mut [f32]),
}

/// A host's image to change.
#[derive(Debug)]
pub struct ImageMut<'a> {
    frame: Frame,
    pixels: PixelsMut<'a>,
}

impl<'a> ImageMut<'a> {
    /// The image that lies in `pixels` as `frame` says.
    ///
    /// # Errors
    /// [`Error::Input`] where it has no pixels, or `pixels` is too short.
    pub fn new(frame: Frame, pixels: PixelsMut<'a>) -> Result<ImageMut<'a>> {
        let image = ImageMut { frame, pixels };
        Image::new(frame, image.as_pixels())?;
        Ok(image)
    }

    /// The pixels of a photo, where they lie.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for float pixels, which no photo that gani made has.
    pub fn from_photo(photo: &'a mut Photo) -> Result<ImageMut<'a>> {
        use DynamicImage as D;
        let (width, height) = (photo.width(), photo.height());
        let (layout, pixels) = match &mut photo.pixels {
            D::ImageLuma8(b) => (Layout::Grey, PixelsMut::U8(b)),
            D::ImageLumaA8(b) => (Layout::GreyAlpha, PixelsMut::U8(b)),
            D::ImageRgb8(b) => (Layout::Rgb, PixelsMut::U8(b)),
            D::ImageRgba8(b) => (Layout::Rgba, PixelsMut::U8(b)),
            D::ImageLuma16(b) => (Layout::Grey, PixelsMut::U16(b)),
            D::ImageLumaA16(b) => (Layout::GreyAlpha, PixelsMut::U16(b)),
            D::ImageRgb16(b) => (Layout::Rgb, PixelsMut::U16(b)),
            D::ImageRgba16(b) => (Layout::Rgba, PixelsMut::U16(b)),
            other => {
                let text = format!("photos of {:?} pixels cannot be pasted into", other.color());
                return Err(Error::Unsupported(text));
            }
        };
        ImageMut::new(Frame { width, height, stride: width as usize * layout.channels(), layout }, pixels)
    }

    /// How its pixels lie.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The same image, to read.
    pub fn as_image(&self) -> Image<'_> {
        Image { frame: self.frame, pixels: self.as_pixels() }
    }

    /// How its pixels lie, and the pixels.
    pub fn into_parts(self) -> (Frame, PixelsMut<'a>) {
        (self.frame, self.pixels)
    }

    fn as_pixels(&self) -> Pixels<'_> {
        match &self.pixels {
            PixelsMut::U8(p) => Pixels::U8(p),
            PixelsMut::U16(p) => Pixels::U16(p),
            PixelsMut::F32(p) => Pixels::F32(p),
        }
    }

    /// Fills the image with `picture` `[1,3,h,w]` in `[-1,1]`, resized to it; alpha becomes opaque.
    pub fn draw(&mut self, picture: ArrayView4<'_, f32>) {
        let (width, height) = (self.frame.width as usize, self.frame.height as usize);
        let picture = resize(picture, height, width);
        let color = |x: usize, y: usize| ([0, 1, 2].map(|c| picture[[0, c, y, x]]), 1.0);
        self.mix([0, 0, self.frame.width, self.frame.height], |x, y| Some(color(x, y)));
        if let Some(alpha) = self.frame.layout.alpha() {
            match &mut self.pixels {
                PixelsMut::U8(p) => self.frame.fill(p, alpha),
                PixelsMut::U16(p) => self.frame.fill(p, alpha),
                PixelsMut::F32(p) => self.frame.fill(p, alpha),
            }
        }
    }

    /// Mixes colours, RGB in `[-1,1]`, into the pixels from (left, top) to before (right, bottom): as much as the
    /// weight in `[0,1]` beside each says; a pixel without one stays as it is, bit for bit, as does alpha everywhere.
    pub(crate) fn mix(
        &mut self,
        bounds: [u32; 4],
        color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
    ) {
        match &mut self.pixels {
            PixelsMut::U8(p) => self.frame.mix(p, bounds, color),
            PixelsMut::U16(p) => self.frame.mix(p, bounds, color),
            PixelsMut::F32(p) => self.frame.mix(p, bounds, color),
        }
    }
}

impl Frame {
    fn mix<S: Sample>(
        &self,
        values: &mut [S],
        [left, top, right, bottom]: [u32; 4],
        mut color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
    ) {
        let (channels, colors) = (self.layout.channels(), self.layout.colors());
        let rows = self.rows_mut(values).enumerate().take(bottom as usize).skip(top as usize);
        for (y, row) in rows {
            let pixels = row.chunks_exact_mut(channels).enumerate().take(right as usize).skip(left as usize);
            for (x, pixel) in pixels {
                let Some((rgb, weight)) = color(x, y) else { continue };
                let rgb = if colors.len() == 1 { [luma(rgb); 3] } else { rgb };
                for (&channel, color) in colors.iter().zip(rgb) {
                    let old: f32 = pixel[channel].into();
                    let new = (color.clamp(-1.0, 1.0) + 1.0) / 2.0 * S::WHITE;
                    // At full weight what was there does not count, not even where it is no number.
                    pixel[channel] = S::nearest(if weight < 1.0 { old + weight * (new - old) } else { new });
                }
            }
        }
    }

    fn fill<S: Sample>(&self, values: &mut [S], channel: usize) {
        let pixels = self.rows_mut(values).flat_map(|row| row.chunks_exact_mut(self.layout.channels()));
        pixels.for_each(|pixel| pixel[channel] = S::nearest(S::WHITE));
    }
}

/// Rec. 709 luma, as the `image` crate has it.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}
