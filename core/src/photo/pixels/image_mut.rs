//! Write access to a host's pixels: colors are blended in by weight, all other samples stay bit-exact.

use image::DynamicImage;
use ndarray::ArrayView4;

use super::image_view::{Image, Pixels};
use super::layout::{ImageLayout, PixelFormat, Sample};
use crate::photo::{Photo, resize};
use crate::{Error, Result};

/// The samples of an image to modify.
#[derive(Debug)]
pub enum PixelsMut<'a> {
    /// 0 to 255.
    U8(&'a mut [u8]),
    /// 0 to 65535.
    U16(&'a mut [u16]),
    /// 0.0 to 1.0.
    F32(&'a mut [f32]),
}

/// A host's image to modify.
#[derive(Debug)]
pub struct ImageMut<'a> {
    layout: ImageLayout,
    pixels: PixelsMut<'a>,
}

impl<'a> ImageMut<'a> {
    /// An image in `pixels` with the given layout.
    ///
    /// # Errors
    /// [`Error::Input`] if the image has no pixels, the stride is less than a row, or `pixels` is too short.
    pub fn new(layout: ImageLayout, pixels: PixelsMut<'a>) -> Result<ImageMut<'a>> {
        let image = ImageMut { layout, pixels };
        Image::new(layout, image.as_pixels())?;
        Ok(image)
    }

    /// Borrows the pixels of a photo.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for float pixels. Photos made by this crate have none.
    pub fn from_photo(photo: &'a mut Photo) -> Result<ImageMut<'a>> {
        use DynamicImage as D;
        let (width, height) = (photo.width(), photo.height());
        let (format, pixels) = match &mut photo.pixels {
            D::ImageLuma8(b) => (PixelFormat::Gray, PixelsMut::U8(b)),
            D::ImageLumaA8(b) => (PixelFormat::GrayAlpha, PixelsMut::U8(b)),
            D::ImageRgb8(b) => (PixelFormat::Rgb, PixelsMut::U8(b)),
            D::ImageRgba8(b) => (PixelFormat::Rgba, PixelsMut::U8(b)),
            D::ImageLuma16(b) => (PixelFormat::Gray, PixelsMut::U16(b)),
            D::ImageLumaA16(b) => (PixelFormat::GrayAlpha, PixelsMut::U16(b)),
            D::ImageRgb16(b) => (PixelFormat::Rgb, PixelsMut::U16(b)),
            D::ImageRgba16(b) => (PixelFormat::Rgba, PixelsMut::U16(b)),
            other => {
                let text = format!("pasting into photos of type {:?} is not supported", other.color());
                return Err(Error::Unsupported(text));
            }
        };
        ImageMut::new(
            ImageLayout { width, height, stride: width as usize * format.channels(), format },
            pixels,
        )
    }

    /// Size, stride and pixel format.
    pub fn layout(&self) -> ImageLayout {
        self.layout
    }

    /// The same image to read.
    pub fn as_image(&self) -> Image<'_> {
        Image { layout: self.layout, pixels: self.as_pixels() }
    }

    /// The layout and the samples.
    pub fn into_parts(self) -> (ImageLayout, PixelsMut<'a>) {
        (self.layout, self.pixels)
    }

    fn as_pixels(&self) -> Pixels<'_> {
        match &self.pixels {
            PixelsMut::U8(p) => Pixels::U8(p),
            PixelsMut::U16(p) => Pixels::U16(p),
            PixelsMut::F32(p) => Pixels::F32(p),
        }
    }

    /// Fills the image with `picture` `[1,3,h,w]` in `[-1,1]`, resized to fit. Alpha becomes opaque.
    pub fn draw(&mut self, picture: ArrayView4<'_, f32>) {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let picture = resize(picture, height, width);
        let color = |x: usize, y: usize| ([0, 1, 2].map(|c| picture[[0, c, y, x]]), 1.0);
        self.blend([0, 0, self.layout.width, self.layout.height], |x, y| Some(color(x, y)));
        if let Some(alpha) = self.layout.format.alpha_channel() {
            match &mut self.pixels {
                PixelsMut::U8(p) => fill_channel(&self.layout, p, alpha),
                PixelsMut::U16(p) => fill_channel(&self.layout, p, alpha),
                PixelsMut::F32(p) => fill_channel(&self.layout, p, alpha),
            }
        }
    }

    /// Blends colors into the pixels of `bounds` = [left, top, right, bottom], right and bottom excluded.
    ///
    /// `color(x, y)` returns RGB in `[-1,1]` and a weight in `[0,1]`. Pixels for which it returns `None` stay bit-exact, and so
    /// does alpha.
    pub(crate) fn blend(
        &mut self,
        bounds: [u32; 4],
        color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
    ) {
        match &mut self.pixels {
            PixelsMut::U8(p) => blend(&self.layout, p, bounds, color),
            PixelsMut::U16(p) => blend(&self.layout, p, bounds, color),
            PixelsMut::F32(p) => blend(&self.layout, p, bounds, color),
        }
    }
}

fn blend<S: Sample>(
    layout: &ImageLayout,
    values: &mut [S],
    [left, top, right, bottom]: [u32; 4],
    mut color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
) {
    let (channels, color_channels) = (layout.format.channels(), layout.format.color_channels());
    let rows = layout.rows_mut(values).enumerate().take(bottom as usize).skip(top as usize);
    for (y, row) in rows {
        let pixels = row.chunks_exact_mut(channels).enumerate().take(right as usize).skip(left as usize);
        for (x, pixel) in pixels {
            let Some((rgb, weight)) = color(x, y) else { continue };
            let rgb = if color_channels.len() == 1 { [luma(rgb); 3] } else { rgb };
            for (&channel, color) in color_channels.iter().zip(rgb) {
                let old: f32 = pixel[channel].into();
                let new = (color.clamp(-1.0, 1.0) + 1.0) / 2.0 * S::WHITE;
                // At full weight the old value is not used at all, because it may be NaN.
                pixel[channel] = S::nearest(if weight < 1.0 { old + weight * (new - old) } else { new });
            }
        }
    }
}

/// Sets one channel of every pixel to white.
fn fill_channel<S: Sample>(layout: &ImageLayout, values: &mut [S], channel: usize) {
    let pixels = layout.rows_mut(values).flat_map(|row| row.chunks_exact_mut(layout.format.channels()));
    pixels.for_each(|pixel| pixel[channel] = S::nearest(S::WHITE));
}

/// Rec. 709 luma, as in the `image` crate.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}
