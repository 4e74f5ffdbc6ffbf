//! Images: views of the host's memory, and pictures from files.

use crate::boundary::{self, Fault, entry};
use crate::handles::{self, Object};
use crate::sized;
use crate::*;
use gani_core::photo::Photo;
use gani_core::pixels::{Frame, Image, ImageMut, Layout, Pixels, PixelsMut, selection};
use ndarray::{Array2, ArrayView2};
use std::ffi::c_char;
use std::mem::{align_of, size_of};
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An image; calls that use it take turns.
pub(crate) struct ImageObject(Mutex<Source>);

impl Object for ImageObject {
    type Opaque = gani_image;
    const KIND: &'static str = "an image";
}

enum Source {
    View(View),
    File(Box<Photo>),
}

/// What a checked `gani_image_desc` says.
struct View {
    frame: Frame,
    sample: gani_sample,
    pixels: *mut u8,
    /// Bytes that belong to the image.
    bytes: usize,
    mask: *const u8,
    mask_stride: usize,
}

// SAFETY: who makes a view promises that its memory stays there and may be used on any thread that uses the handle.
unsafe impl Send for View {}

impl View {
    fn new(desc: &gani_image_desc) -> Result<View, Fault> {
        let (sample, size, align) = match desc.sample {
            1 => (gani_sample::GANI_U8, 1, 1),
            2 => (gani_sample::GANI_U16, size_of::<u16>(), align_of::<u16>()),
            3 => (gani_sample::GANI_F32, size_of::<f32>(), align_of::<f32>()),
            other => return Err(Fault::Misuse(format!("{other} is no gani_sample"))),
        };
        let layout = match desc.layout {
            1 => Layout::Grey,
            2 => Layout::GreyAlpha,
            3 => Layout::Rgb,
            4 => Layout::Rgba,
            5 => Layout::Bgra,
            other => return Err(Fault::Misuse(format!("{other} is no gani_layout"))),
        };
        if desc.pixels.is_null() {
            return Err(Fault::null("pixels"));
        }
        let (width, height) = (desc.width as usize, desc.height as usize);
        if width == 0 || height == 0 {
            return Err(Fault::Misuse(format!("an image of {width} × {height} pixels has none")));
        }
        if !desc.stride.is_multiple_of(size) || !desc.pixels.addr().is_multiple_of(align) {
            return Err(Fault::Misuse(format!("pixels and stride must be multiples of {size} bytes")));
        }
        let row = width.saturating_mul(layout.channels() * size);
        if desc.stride < row {
            return Err(Fault::Misuse(format!("stride is {}, a row has {row} bytes", desc.stride)));
        }
        let mask_stride = if desc.mask_stride == 0 { width } else { desc.mask_stride };
        if mask_stride < width {
            return Err(Fault::Misuse(format!("mask_stride is {mask_stride}, a row has {width} bytes")));
        }
        let whole = |stride: usize, row: usize| stride.checked_mul(height - 1)?.checked_add(row);
        let bytes = whole(desc.stride, row).filter(|&n| n <= isize::MAX as usize);
        let (Some(bytes), Some(_)) = (bytes, whole(mask_stride, width).filter(|&n| n <= isize::MAX as usize))
        else {
            return Err(Fault::Misuse("the image is larger than the address space".into()));
        };
        let frame = Frame { width: desc.width, height: desc.height, stride: desc.stride / size, layout };
        Ok(View { frame, sample, pixels: desc.pixels.cast(), bytes, mask: desc.mask, mask_stride })
    }

    fn image(&self) -> Result<Image<'_>, Fault> {
        // SAFETY: the host promised that these bytes are there and not changed meanwhile; `new` checked alignment and size.
        let pixels = unsafe {
            match self.sample {
                gani_sample::GANI_U8 => Pixels::U8(slice::from_raw_parts(self.pixels, self.bytes)),
                gani_sample::GANI_U16 => {
                    Pixels::U16(slice::from_raw_parts(self.pixels.cast(), self.bytes / 2))
                }
                gani_sample::GANI_F32 => {
                    Pixels::F32(slice::from_raw_parts(self.pixels.cast(), self.bytes / 4))
                }
            }
        };
        Ok(Image::new(self.frame, pixels)?)
    }

    fn image_mut(&mut self) -> Result<ImageMut<'_>, Fault> {
        // SAFETY: as for `image`; and the host gave this image to be written.
        let pixels = unsafe {
            match self.sample {
                gani_sample::GANI_U8 => PixelsMut::U8(slice::from_raw_parts_mut(self.pixels, self.bytes)),
                gani_sample::GANI_U16 => {
                    PixelsMut::U16(slice::from_raw_parts_mut(self.pixels.cast(), self.bytes / 2))
                }
                gani_sample::GANI_F32 => {
                    PixelsMut::F32(slice::from_raw_parts_mut(self.pixels.cast(), self.bytes / 4))
                }
            }
        };
        Ok(ImageMut::new(self.frame, pixels)?)
    }

    fn mask(&self) -> Result<Option<Vec<u8>>, Fault> {
        if self.mask.is_null() {
            return Ok(None);
        }
        let len = self.mask_stride * (self.frame.height as usize - 1) + self.frame.width as usize;
        // SAFETY: the host promised that these bytes are there; `new` checked their number.
        Ok(Some(unsafe { slice::from_raw_parts(self.mask, len) }.to_vec()))
    }
}

impl ImageObject {
    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy to work on, and the mask.
    pub(crate) fn photo(&self) -> Result<(Photo, Option<Array2<u8>>), Fault> {
        match &*self.lock() {
            Source::File(photo) => Ok((Photo::clone(photo), None)),
            Source::View(view) => {
                let mask = view.mask()?;
                let mask = mask.as_deref().map(|values| {
                    selection(view.frame.width, view.frame.height, view.mask_stride, values)
                        .map(|mask| mask.to_owned())
                });
                Ok((view.image()?.to_photo("the image")?, mask.transpose()?))
            }
        }
    }

    /// Hands the pixels and the mask to `change`.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut ImageMut<'_>, Option<ArrayView2<'_, u8>>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match &mut *self.lock() {
            Source::File(photo) => change(&mut ImageMut::of_photo(photo)?, None),
            Source::View(view) => {
                let values = view.mask()?;
                let Frame { width, height, .. } = view.frame;
                let mask = values.as_deref().map(|v| selection(width, height, view.mask_stride, v));
                change(&mut view.image_mut()?, mask.transpose()?)
            }
        }
    }
}

/// Describes the host's pixels to gani. They and the mask are not copied: they must stay where they are until the image
/// is freed, and must not change while a call uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_view(
    desc: *const gani_image_desc,
    image: *mut *mut gani_image,
) -> gani_status {
    entry("gani_image_view", || {
        // SAFETY: the caller's struct, of the size that it says; the handle is written where the caller says.
        let desc = unsafe {
            handles::clear(image, "image")?;
            if desc.is_null() {
                return Err(Fault::null("desc"));
            }
            sized::read(desc, "gani_image_desc")?
        };
        let object = ImageObject(Mutex::new(Source::View(View::new(&desc)?)));
        // SAFETY: `clear` has written there.
        unsafe { handles::give(image, object) };
        Ok(())
    })
}

/// Loads a PNG, JPEG, WebP, TIFF or BMP file, upright.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_load(path: *const c_char, image: *mut *mut gani_image) -> gani_status {
    entry("gani_image_load", || {
        // SAFETY: a string as the header asks for; the handle is written where the caller says.
        let path = unsafe {
            handles::clear(image, "image")?;
            boundary::path(path, "path")?
        };
        let object = ImageObject(Mutex::new(Source::File(Box::new(Photo::load(&path)?))));
        // SAFETY: `clear` has written there.
        unsafe { handles::give(image, object) };
        Ok(())
    })
}

/// Saves an image as .png, .jpg, .webp, .tif or .bmp: whole, or not at all. What a file had of colour profile and camera
/// data is kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_save(image: *const gani_image, path: *const c_char) -> gani_status {
    entry("gani_image_save", || {
        let object = handles::get::<ImageObject>(image)?;
        // SAFETY: a string as the header asks for.
        let path = unsafe { boundary::path(path, "path")? };
        Ok(object.photo()?.0.save(&path)?)
    })
}

/// Fills `desc`, whose struct_size the caller has set: where the pixels of an image lie. Those of a loaded file are
/// valid until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_describe(
    image: *const gani_image,
    desc: *mut gani_image_desc,
) -> gani_status {
    entry("gani_image_describe", || {
        let object = handles::get::<ImageObject>(image)?;
        let mut value = sized::zeroed::<gani_image_desc>();
        let (frame, size) = match &mut *object.lock() {
            Source::View(view) => {
                (value.pixels, value.sample) = (view.pixels.cast(), view.sample as u32);
                (value.mask, value.mask_stride) = (view.mask, view.mask_stride);
                (view.frame, [1, 2, 4][view.sample as usize - 1])
            }
            Source::File(photo) => {
                let (frame, pixels) = ImageMut::of_photo(photo)?.into_parts();
                let (pointer, sample, size) = match pixels {
                    PixelsMut::U8(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_U8, 1),
                    PixelsMut::U16(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_U16, 2),
                    PixelsMut::F32(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_F32, 4),
                };
                (value.pixels, value.sample) = (pointer, sample as u32);
                (frame, size)
            }
        };
        (value.width, value.height, value.stride) = (frame.width, frame.height, frame.stride * size);
        value.layout = match frame.layout {
            Layout::Grey => gani_layout::GANI_GREY,
            Layout::GreyAlpha => gani_layout::GANI_GREY_ALPHA,
            Layout::Rgb => gani_layout::GANI_RGB,
            Layout::Rgba => gani_layout::GANI_RGBA,
            Layout::Bgra => gani_layout::GANI_BGRA,
        } as u32;
        // SAFETY: the caller's struct, of the size that it says.
        unsafe { sized::write(desc, &value, "gani_image_desc") }
    })
}

/// Frees an image; NULL is allowed. The host's own pixels stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_free(image: *mut gani_image) -> gani_status {
    entry("gani_image_free", || handles::free::<ImageObject>(image))
}
