//! Views of pixels in a host's memory: slices with a stride, read as a [`Photo`](crate::Photo) or pasted into.
//!
//! ```
//! use gani_core::photo::pixels::{Image, ImageLayout, PixelFormat, Pixels};
//!
//! let bgra = vec![0u8; 4 * 640 * 480];
//! let layout = ImageLayout { width: 640, height: 480, stride: 4 * 640, format: PixelFormat::Bgra };
//! let photo = Image::new(layout, Pixels::U8(&bgra))?.to_photo("layer 1")?;
//! assert_eq!((photo.width(), photo.height()), (640, 480));
//! # Ok::<(), gani_core::Error>(())
//! ```
//! Samples are sRGB-encoded with straight (not premultiplied) alpha: 0 to 255, 0 to 65535, or 0.0 to 1.0. Floats out of
//! range are clamped for face detection and inversion. They are preserved wherever no face is pasted.

mod image_mut;
mod image_view;
mod layout;

pub use image_mut::{ImageMut, PixelsMut};
pub use image_view::{Image, Pixels};
pub use layout::{ImageLayout, PixelFormat};

use ndarray::{ArrayView2, ShapeBuilder};

use crate::{Error, Result};

/// A selection mask `[H,W]` from 0 (not selected) to 255, in a slice whose rows are `stride` values apart.
///
/// # Errors
/// [`Error::Input`] if the slice is too short.
pub fn selection(width: u32, height: u32, stride: usize, values: &[u8]) -> Result<ArrayView2<'_, u8>> {
    ImageLayout { width, height, stride, format: PixelFormat::Gray }.check(values.len())?;
    ArrayView2::from_shape((height as usize, width as usize).strides((stride, 1)), values)
        .map_err(|e| Error::Input(format!("the selection is invalid: {e}")))
}

#[cfg(test)]
mod tests;
