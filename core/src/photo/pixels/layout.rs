//! How pixels are laid out in memory.

use crate::{Error, Result};

/// The channels of a pixel, in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Gray.
    Gray,
    /// Gray, alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
}

impl PixelFormat {
    /// Number of channels.
    pub fn channels(self) -> usize {
        match self {
            PixelFormat::Gray => 1,
            PixelFormat::GrayAlpha => 2,
            PixelFormat::Rgb => 3,
            PixelFormat::Rgba | PixelFormat::Bgra => 4,
        }
    }

    /// Channel indices of gray, or of red, green and blue.
    pub(crate) fn color_channels(self) -> &'static [usize] {
        match self {
            PixelFormat::Gray | PixelFormat::GrayAlpha => &[0],
            PixelFormat::Rgb | PixelFormat::Rgba => &[0, 1, 2],
            PixelFormat::Bgra => &[2, 1, 0],
        }
    }

    /// Channel index of alpha.
    pub(super) fn alpha_channel(self) -> Option<usize> {
        matches!(self, PixelFormat::GrayAlpha | PixelFormat::Rgba | PixelFormat::Bgra)
            .then(|| self.channels() - 1)
    }
}

/// Size, stride and pixel format of an image in a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLayout {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Values (not bytes) from the start of one row to the start of the next, at least width × channels.
    pub stride: usize,
    /// The channels of a pixel.
    pub format: PixelFormat,
}

impl ImageLayout {
    /// Rejects images without pixels, overlapping rows, and slices of `len` values that are too short.
    pub(super) fn check(&self, len: usize) -> Result<()> {
        let ImageLayout { width, height, stride, format } = *self;
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("the image has no pixels ({width} × {height})")));
        }
        let row = (width as usize).saturating_mul(format.channels());
        if stride < row {
            return Err(Error::Input(format!(
                "the stride of {stride} values is too small: a row has {row} values"
            )));
        }
        let needed = stride.saturating_mul(height as usize - 1).saturating_add(row);
        if len < needed {
            return Err(Error::Input(format!(
                "{width} × {height} pixels with a stride of {stride} need {needed} values, but only {len} were given"
            )));
        }
        Ok(())
    }

    /// Values in a row, without the padding between rows.
    fn row_len(&self) -> usize {
        self.width as usize * self.format.channels()
    }

    pub(super) fn rows<'a, S>(&self, values: &'a [S]) -> impl Iterator<Item = &'a [S]> + use<'a, S> {
        let len = self.row_len();
        values.chunks(self.stride).take(self.height as usize).map(move |r| &r[..len])
    }

    pub(super) fn rows_mut<'a, S>(
        &self,
        values: &'a mut [S],
    ) -> impl Iterator<Item = &'a mut [S]> + use<'a, S> {
        let len = self.row_len();
        values.chunks_mut(self.stride).take(self.height as usize).map(move |r| &mut r[..len])
    }
}

/// The type of one channel of a pixel.
pub(super) trait Sample: Copy + Into<f32> {
    /// The value of white.
    const WHITE: f32;
    /// The nearest sample to `value`, which is in 0..=[`Sample::WHITE`].
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
