//! The host's pixels and mask: validation of a `gani_image_desc`, and borrows of the memory that it describes.

use crate::boundary::FfiError;
use crate::{gani_image_desc, gani_layout, gani_sample};
use gani_core::photo::ColorSpace;
use gani_core::photo::pixels::{Image, ImageLayout, ImageMut, PixelFormat, Pixels, PixelsMut};
use std::mem::{align_of, size_of};
use std::slice;

/// Maximum size of a color profile, in bytes.
const MAX_PROFILE: usize = 16 << 20;

/// A validated `gani_image_desc`.
pub(super) struct View {
    pub(super) frame: ImageLayout,
    pub(super) sample: gani_sample,
    pub(super) pixels: *mut u8,
    /// Bytes from the first to the last pixel, without padding after the last row.
    bytes: usize,
    pub(super) mask: *const u8,
    /// Bytes between rows of the mask; at least the width.
    pub(super) mask_stride: usize,
    pub(super) color: ColorSpace,
}

// SAFETY: the header requires that the memory of a wrapped image is valid on every thread that uses its handle.
unsafe impl Send for View {}

impl View {
    /// Validates `desc`.
    ///
    /// # Errors
    /// [`FfiError::Misuse`] if an enum value is unknown, a size is 0 or too large, or a stride or alignment is wrong.
    pub(super) fn new(desc: &gani_image_desc) -> Result<View, FfiError> {
        let (sample, size, align) = sample_of(desc.sample)?;
        let layout = layout_of(desc.layout)?;
        if desc.pixels.is_null() {
            return Err(FfiError::null("pixels"));
        }
        let (width, height) = (desc.width as usize, desc.height as usize);
        if width == 0 || height == 0 {
            return Err(FfiError::Misuse(format!("the image has {width} × {height} pixels; it is empty")));
        }
        if !desc.stride.is_multiple_of(size) || !desc.pixels.addr().is_multiple_of(align) {
            return Err(FfiError::Misuse(format!("pixels and stride must be multiples of {size} bytes")));
        }
        let row = width.saturating_mul(layout.channels() * size);
        if desc.stride < row {
            return Err(FfiError::Misuse(format!("stride is {}, but a row has {row} bytes", desc.stride)));
        }
        let mask_stride = if desc.mask_stride == 0 { width } else { desc.mask_stride };
        if mask_stride < width {
            return Err(FfiError::Misuse(format!(
                "mask_stride is {mask_stride}, but a row has {width} bytes"
            )));
        }
        let extent = |stride: usize, row: usize| {
            stride.checked_mul(height - 1)?.checked_add(row).filter(|&n| n <= isize::MAX as usize)
        };
        let (Some(bytes), Some(_)) = (extent(desc.stride, row), extent(mask_stride, width)) else {
            return Err(FfiError::Misuse("the image is larger than the address space".into()));
        };
        let frame = ImageLayout {
            width: desc.width,
            height: desc.height,
            stride: desc.stride / size,
            format: layout,
        };
        let color = color_of(desc, frame.format)?;
        Ok(View { frame, sample, pixels: desc.pixels.cast(), bytes, mask: desc.mask, mask_stride, color })
    }

    /// Borrows the pixels for reading.
    pub(super) fn image(&self) -> Result<Image<'_>, FfiError> {
        // SAFETY: the host guarantees that these bytes are valid and unchanged; `new` checked alignment and size.
        let pixels = unsafe {
            match self.sample {
                gani_sample::GANI_SAMPLE_U8 => Pixels::U8(slice::from_raw_parts(self.pixels, self.bytes)),
                gani_sample::GANI_SAMPLE_U16 => {
                    Pixels::U16(slice::from_raw_parts(self.pixels.cast(), self.bytes / 2))
                }
                gani_sample::GANI_SAMPLE_F32 => {
                    Pixels::F32(slice::from_raw_parts(self.pixels.cast(), self.bytes / 4))
                }
            }
        };
        Ok(Image::new(self.frame, pixels)?.with_color(self.color.clone()))
    }

    /// Borrows the pixels for writing.
    pub(super) fn image_mut(&mut self) -> Result<ImageMut<'_>, FfiError> {
        // SAFETY: as in `image`; the host passed this image as non-const, so it may be written.
        let pixels = unsafe {
            match self.sample {
                gani_sample::GANI_SAMPLE_U8 => {
                    PixelsMut::U8(slice::from_raw_parts_mut(self.pixels, self.bytes))
                }
                gani_sample::GANI_SAMPLE_U16 => {
                    PixelsMut::U16(slice::from_raw_parts_mut(self.pixels.cast(), self.bytes / 2))
                }
                gani_sample::GANI_SAMPLE_F32 => {
                    PixelsMut::F32(slice::from_raw_parts_mut(self.pixels.cast(), self.bytes / 4))
                }
            }
        };
        Ok(ImageMut::new(self.frame, pixels)?.with_color(self.color.clone()))
    }

    /// A copy of the mask with its row stride; `None` if everything is selected.
    pub(super) fn mask(&self) -> Option<Vec<u8>> {
        if self.mask.is_null() {
            return None;
        }
        let len = self.mask_stride * (self.frame.height as usize - 1) + self.frame.width as usize;
        // SAFETY: the host guarantees that these bytes are valid; `new` checked their number.
        Some(unsafe { slice::from_raw_parts(self.mask, len) }.to_vec())
    }
}

/// The color space of the host's profile.
fn color_of(desc: &gani_image_desc, format: PixelFormat) -> Result<ColorSpace, FfiError> {
    if desc.icc_profile.is_null() {
        return Ok(ColorSpace::default());
    }
    if desc.icc_profile_size > MAX_PROFILE {
        let text = format!("icc_profile_size is {}; the limit is {MAX_PROFILE} bytes", desc.icc_profile_size);
        return Err(FfiError::Misuse(text));
    }
    // SAFETY: the host guarantees that these bytes are readable during the call.
    let icc = unsafe { slice::from_raw_parts(desc.icc_profile.cast(), desc.icc_profile_size) };
    let gray = matches!(format, PixelFormat::Gray | PixelFormat::GrayAlpha);
    let unfit = |e| gani_core::Error::Input(format!("the image's color profile cannot be used: {e}"));
    let color = ColorSpace::from_icc(icc, gray).map_err(unfit)?;
    if color.is_writable() {
        return Ok(color);
    }
    Err(unfit("it has no conversion from sRGB; convert the image to sRGB or another RGB profile".into())
        .into())
}

/// The sample type with its size and alignment in bytes.
fn sample_of(value: u32) -> Result<(gani_sample, usize, usize), FfiError> {
    match value {
        1 => Ok((gani_sample::GANI_SAMPLE_U8, 1, 1)),
        2 => Ok((gani_sample::GANI_SAMPLE_U16, size_of::<u16>(), align_of::<u16>())),
        3 => Ok((gani_sample::GANI_SAMPLE_F32, size_of::<f32>(), align_of::<f32>())),
        other => Err(FfiError::Misuse(format!("{other} is not a gani_sample"))),
    }
}

fn layout_of(value: u32) -> Result<PixelFormat, FfiError> {
    match value {
        1 => Ok(PixelFormat::Gray),
        2 => Ok(PixelFormat::GrayAlpha),
        3 => Ok(PixelFormat::Rgb),
        4 => Ok(PixelFormat::Rgba),
        5 => Ok(PixelFormat::Bgra),
        other => Err(FfiError::Misuse(format!("{other} is not a gani_layout"))),
    }
}

/// The C value of a layout.
pub(super) fn c_layout(format: PixelFormat) -> gani_layout {
    match format {
        PixelFormat::Gray => gani_layout::GANI_LAYOUT_GRAY,
        PixelFormat::GrayAlpha => gani_layout::GANI_LAYOUT_GRAY_ALPHA,
        PixelFormat::Rgb => gani_layout::GANI_LAYOUT_RGB,
        PixelFormat::Rgba => gani_layout::GANI_LAYOUT_RGBA,
        PixelFormat::Bgra => gani_layout::GANI_LAYOUT_BGRA,
    }
}
