//! Write access to a host's pixels: colors are blended in by weight, all other samples stay bit-exact.

use image::DynamicImage;
use ndarray::ArrayView4;

use super::image_view::{Image, Pixels};
use super::layout::{ImageLayout, PixelFormat, Sample};
use crate::photo::{ColorSpace, Photo, resize};
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
    color: ColorSpace,
}

impl<'a> ImageMut<'a> {
    /// An image in `pixels` with the given layout.
    ///
    /// # Errors
    /// [`Error::Input`] if the image has no pixels, the stride is less than a row, or `pixels` is too short.
    pub fn new(layout: ImageLayout, pixels: PixelsMut<'a>) -> Result<ImageMut<'a>> {
        let image = ImageMut { layout, pixels, color: ColorSpace::default() };
        Image::new(layout, image.as_pixels())?;
        Ok(image)
    }

    /// The same image in another color space than sRGB.
    pub fn with_color(self, color: ColorSpace) -> ImageMut<'a> {
        ImageMut { color, ..self }
    }

    /// Borrows the pixels of a photo.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for float pixels. Photos made by this crate have none.
    pub fn from_photo(photo: &'a mut Photo) -> Result<ImageMut<'a>> {
        use DynamicImage as D;
        let (width, height) = (photo.width(), photo.height());
        let color = photo.color.clone();
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
        let layout = ImageLayout { width, height, stride: width as usize * format.channels(), format };
        Ok(ImageMut::new(layout, pixels)?.with_color(color))
    }

    /// Size, stride and pixel format.
    pub fn layout(&self) -> ImageLayout {
        self.layout
    }

    /// The same image to read.
    pub fn as_image(&self) -> Image<'_> {
        Image { layout: self.layout, pixels: self.as_pixels(), color: self.color.clone() }
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

    /// Fills the image with `picture` `[1,3,h,w]` in `[-1,1]`, resized to fit. Alpha is kept.
    pub fn draw(&mut self, picture: ArrayView4<'_, f32>) {
        let (width, height) = (self.layout.width as usize, self.layout.height as usize);
        let picture = resize(picture, height, width);
        let color = |x: usize, y: usize| ([0, 1, 2].map(|c| picture[[0, c, y, x]]), 1.0);
        self.blend([0, 0, self.layout.width, self.layout.height], false, |x, y| Some(color(x, y)));
    }

    /// Adds changes of color to the pixels of `bounds` = [left, top, right, bottom], right and bottom excluded.
    ///
    /// `change(x, y, pixel)` receives sRGB on the scale `[-1,1]` and returns a change on that scale, and whether only its luma is
    /// added. In another color space, the difference that the change makes there is added. Samples whose change is 0 stay
    /// bit-exact, and so does alpha.
    pub(crate) fn add(
        &mut self,
        bounds: [u32; 4],
        change: impl FnMut(usize, usize, [f32; 3]) -> Option<([f32; 3], bool)>,
    ) {
        match &mut self.pixels {
            PixelsMut::U8(p) => add(&self.layout, &self.color, p, bounds, change),
            PixelsMut::U16(p) => add(&self.layout, &self.color, p, bounds, change),
            PixelsMut::F32(p) => add(&self.layout, &self.color, p, bounds, change),
        }
    }

    /// Whether the pixels of `bounds` have no color: red, green and blue are equal.
    pub(crate) fn is_gray(&self, bounds: [u32; 4]) -> bool {
        match &self.pixels {
            PixelsMut::U8(p) => is_gray(&self.layout, p, bounds),
            PixelsMut::U16(p) => is_gray(&self.layout, p, bounds),
            PixelsMut::F32(p) => is_gray(&self.layout, p, bounds),
        }
    }

    /// Blends sRGB colors into the pixels of `bounds` = [left, top, right, bottom], right and bottom excluded.
    ///
    /// `color(x, y)` returns sRGB in `[-1,1]` and a weight in `[0,1]`. Pixels for which it returns `None` stay bit-exact, and so
    /// does alpha. If `gray`, all color channels of a pixel receive the same value.
    pub(crate) fn blend(
        &mut self,
        bounds: [u32; 4],
        gray: bool,
        color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
    ) {
        match &mut self.pixels {
            PixelsMut::U8(p) => blend(&self.layout, &self.color, p, bounds, gray, color),
            PixelsMut::U16(p) => blend(&self.layout, &self.color, p, bounds, gray, color),
            PixelsMut::F32(p) => blend(&self.layout, &self.color, p, bounds, gray, color),
        }
    }
}

/// The rows of `bounds` = [left, top, right, bottom], each with its number, without the columns outside.
fn rows_in<'v, S: Sample>(
    layout: &ImageLayout,
    values: &'v mut [S],
    [left, top, right, bottom]: [u32; 4],
) -> impl Iterator<Item = (usize, &'v mut [S])> {
    let channels = layout.format.channels();
    let columns = left as usize * channels..right as usize * channels;
    let rows = layout.rows_mut(values).enumerate().take(bottom as usize).skip(top as usize);
    rows.map(move |(y, row)| (y, &mut row[columns.clone()]))
}

fn blend<S: Sample>(
    layout: &ImageLayout,
    space: &ColorSpace,
    values: &mut [S],
    bounds: [u32; 4],
    gray: bool,
    mut color: impl FnMut(usize, usize) -> Option<([f32; 3], f32)>,
) {
    let (channels, color_channels) = (layout.format.channels(), layout.format.color_channels());
    let gray = gray || color_channels.len() == 1;
    let (mut targets, mut weights) = (Vec::new(), Vec::new());
    for (y, row) in rows_in(layout, values, bounds) {
        targets.clear();
        weights.clear();
        for x in bounds[0]..bounds[2] {
            let (rgb, weight) = color(x as usize, y).map_or(([0.0; 3], None), |(rgb, w)| (rgb, Some(w)));
            targets.push(if gray { [luma(rgb); 3] } else { rgb });
            weights.push(weight);
        }
        space.convert_from_srgb(&mut targets);
        for ((pixel, rgb), weight) in row.chunks_exact_mut(channels).zip(&targets).zip(&weights) {
            let Some(weight) = *weight else { continue };
            let rgb = if gray { [luma(*rgb); 3] } else { *rgb };
            for (&channel, color) in color_channels.iter().zip(rgb) {
                let old: f32 = pixel[channel].into();
                let new = (color.clamp(-1.0, 1.0) + 1.0) / 2.0 * S::WHITE;
                // At full weight the old value is not used at all, because it may be NaN.
                pixel[channel] = S::nearest(if weight < 1.0 { old + weight * (new - old) } else { new });
            }
        }
    }
}

fn add<S: Sample>(
    layout: &ImageLayout,
    space: &ColorSpace,
    values: &mut [S],
    bounds: [u32; 4],
    mut change: impl FnMut(usize, usize, [f32; 3]) -> Option<([f32; 3], bool)>,
) {
    let (channels, color_channels) = (layout.format.channels(), layout.format.color_channels());
    // Float pixels may be NaN or infinite.
    let finite = |v: f32| if v.is_finite() { v } else { 0.0 };
    let (mut srgb, mut changes) = (Vec::new(), Vec::new());
    for (y, row) in rows_in(layout, values, bounds) {
        srgb.clear();
        srgb.extend(row.chunks_exact(channels).map(|pixel| {
            let color = |c: usize| finite(pixel[color_channels[c.min(color_channels.len() - 1)]].into());
            [0, 1, 2].map(|c| color(c) / S::WHITE * 2.0 - 1.0)
        }));
        space.to_srgb(&mut srgb);
        changes.clear();
        changes.extend(srgb.iter().enumerate().map(|(i, pixel)| change(bounds[0] as usize + i, y, *pixel)));
        if !space.is_srgb() {
            changes_in_space(space, &srgb, &mut changes);
        }
        for (pixel, change) in row.chunks_exact_mut(channels).zip(&changes) {
            let Some((rgb, gray)) = *change else { continue };
            let rgb = if gray || color_channels.len() == 1 { [luma(rgb); 3] } else { rgb };
            for (&channel, change) in color_channels.iter().zip(rgb) {
                if change != 0.0 {
                    // Floats beyond white or below black are not clamped unless the change moves them.
                    let old = finite(pixel[channel].into());
                    let new = old + change / 2.0 * S::WHITE;
                    pixel[channel] = S::nearest(new.clamp(old.min(0.0), old.max(S::WHITE)));
                }
            }
        }
    }
}

/// Replaces changes of `srgb` by the differences that they make in `space`. No change stays no change.
fn changes_in_space(space: &ColorSpace, srgb: &[[f32; 3]], changes: &mut [Option<([f32; 3], bool)>]) {
    let mut before = srgb.to_vec();
    let mut after = srgb.to_vec();
    for (after, (change, gray)) in after.iter_mut().zip(changes.iter()).filter_map(|(a, c)| Some((a, (*c)?)))
    {
        let change = if gray { [luma(change); 3] } else { change };
        *after = [0, 1, 2].map(|c| after[c] + change[c]);
    }
    space.convert_from_srgb(&mut before);
    space.convert_from_srgb(&mut after);
    for (change, (before, after)) in changes.iter_mut().zip(before.iter().zip(&after)) {
        if let Some((change, _)) = change.as_mut() {
            *change = [0, 1, 2].map(|c| after[c] - before[c]);
        }
    }
}

fn is_gray<S: Sample>(layout: &ImageLayout, values: &[S], [left, top, right, bottom]: [u32; 4]) -> bool {
    let &[red, green, blue] = layout.format.color_channels() else { return true };
    let channels = layout.format.channels();
    let mut rows = layout.rows(values).take(bottom as usize).skip(top as usize);
    rows.all(|row| {
        let mut pixels = row.chunks_exact(channels).take(right as usize).skip(left as usize);
        pixels.all(|pixel| {
            let [r, g, b]: [f32; 3] = [red, green, blue].map(|c| pixel[c].into());
            r == g && g == b
        })
    })
}

/// Rec. 709 luma, as in the `image` crate.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}
