//! Images: the host's own pixels, and loaded files.

mod view;

use crate::boundary::{self, FfiError, guard};
use crate::extensible;
use crate::handles::{self, Object};
use crate::*;
use gani_core::photo::pixels::{ImageLayout, ImageMut, PixelsMut, selection};
use gani_core::photo::{ColorSpace, Photo};
use ndarray::{Array2, ArrayView2, ArrayView4};
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};
use view::{View, c_layout};

/// The object of a `gani_image` handle. The lock serializes calls that use the same image.
pub(crate) struct ImageObject(Mutex<Source>);

impl Object for ImageObject {
    type Opaque = gani_image;
    const KIND: &'static str = "an image";
}

enum Source {
    /// The host's pixels.
    View(View),
    /// A loaded file.
    File(Box<Photo>),
}

impl ImageObject {
    fn lock(&self) -> MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies of the pixels and the mask `[H,W]`.
    pub(crate) fn photo(&self) -> Result<(Photo, Option<Array2<u8>>), FfiError> {
        match &*self.lock() {
            Source::File(photo) => Ok((Photo::clone(photo), None)),
            Source::View(view) => {
                let mask = view.mask();
                let mask = mask.as_deref().map(|values| {
                    selection(view.frame.width, view.frame.height, view.mask_stride, values)
                        .map(|mask| mask.to_owned())
                });
                Ok((view.image()?.to_photo("the image")?, mask.transpose()?))
            }
        }
    }

    /// Calls `modify` with the writable pixels and the mask `[H,W]`.
    pub(crate) fn modify<T>(
        &self,
        modify: impl FnOnce(&mut ImageMut<'_>, Option<ArrayView2<'_, u8>>) -> Result<T, FfiError>,
    ) -> Result<T, FfiError> {
        match &mut *self.lock() {
            Source::File(photo) => modify(&mut ImageMut::from_photo(photo)?, None),
            Source::View(view) => {
                let values = view.mask();
                let ImageLayout { width, height, .. } = view.frame;
                let mask = values.as_deref().map(|v| selection(width, height, view.mask_stride, v));
                modify(&mut view.image_mut()?, mask.transpose()?)
            }
        }
    }

    /// The larger of width and height, in pixels.
    pub(crate) fn longer_side(&self) -> u32 {
        match &*self.lock() {
            Source::File(photo) => photo.width().max(photo.height()),
            Source::View(view) => view.frame.width.max(view.frame.height),
        }
    }

    /// Overwrites all pixels with `image` `[1,3,R,R]` in `[-1,1]`, resized.
    pub(crate) fn draw(&self, image: ArrayView4<'_, f32>) -> Result<(), FfiError> {
        self.modify(|pixels, _| {
            pixels.draw(image);
            Ok(())
        })
    }
}

/// Wraps the host's own pixels in an image and stores a new handle in `image`. Pixels and mask are not copied: they must
/// stay valid until the image is freed, and must not change while a call uses the image. `desc` itself is needed only
/// during this call. On failure, *image is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_wrap(
    desc: *const gani_image_desc,
    image: *mut *mut gani_image,
) -> gani_status {
    guard("gani_image_wrap", || {
        // SAFETY: `image` is writable; `desc` is readable up to its struct_size.
        let desc = unsafe {
            handles::reset(image, "image")?;
            if desc.is_null() {
                return Err(FfiError::null("desc"));
            }
            extensible::read(desc, "gani_image_desc")?
        };
        let object = ImageObject(Mutex::new(Source::View(View::new(&desc)?)));
        // SAFETY: `reset` has checked and written `image`.
        unsafe { handles::insert(image, object) };
        Ok(())
    })
}

/// Loads a PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI or JPEG XL file and stores a new handle in `image`. The EXIF orientation is applied. On
/// failure, *image is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_load(path: *const c_char, image: *mut *mut gani_image) -> gani_status {
    guard("gani_image_load", || {
        // SAFETY: `image` is writable; a string as the header requires.
        let path = unsafe {
            handles::reset(image, "image")?;
            boundary::path(path, "path")?
        };
        let object = ImageObject(Mutex::new(Source::File(Box::new(Photo::open(&path)?))));
        // SAFETY: `reset` has checked and written `image`.
        unsafe { handles::insert(image, object) };
        Ok(())
    })
}

/// Saves an image as .png, .jpg, .webp, .tif or .bmp, chosen by the extension. The file is replaced atomically: a failed
/// call leaves it unchanged. A loaded image keeps its color profile and camera metadata.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_save(image: *const gani_image, path: *const c_char) -> gani_status {
    guard("gani_image_save", || {
        let object = handles::get::<ImageObject>(image)?;
        // SAFETY: a string as the header requires.
        let path = unsafe { boundary::path(path, "path")? };
        Ok(object.photo()?.0.save(&path)?)
    })
}

/// Fills `desc` with the image's memory layout. The caller must have set desc->struct_size. The pixels of a loaded file
/// and the color profile belong to the image and are valid until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_describe(
    image: *const gani_image,
    desc: *mut gani_image_desc,
) -> gani_status {
    guard("gani_image_describe", || {
        let object = handles::get::<ImageObject>(image)?;
        let mut value = extensible::zeroed::<gani_image_desc>();
        let mut set_color = |color: &ColorSpace| {
            if let Some(icc) = color.icc() {
                (value.icc_profile, value.icc_profile_size) = (icc.as_ptr().cast(), icc.len());
            }
        };
        let (frame, sample_size) = match &mut *object.lock() {
            Source::View(view) => {
                set_color(&view.color);
                (value.pixels, value.sample) = (view.pixels.cast(), view.sample as u32);
                (value.mask, value.mask_stride) = (view.mask, view.mask_stride);
                (view.frame, [1, 2, 4][view.sample as usize - 1])
            }
            Source::File(photo) => {
                set_color(&photo.color);
                let (frame, pixels) = ImageMut::from_photo(photo)?.into_parts();
                let (pointer, sample, size) = match pixels {
                    PixelsMut::U8(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_SAMPLE_U8, 1),
                    PixelsMut::U16(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_SAMPLE_U16, 2),
                    PixelsMut::F32(p) => (p.as_mut_ptr().cast(), gani_sample::GANI_SAMPLE_F32, 4),
                };
                (value.pixels, value.sample) = (pointer, sample as u32);
                (frame, size)
            }
        };
        (value.width, value.height, value.stride) = (frame.width, frame.height, frame.stride * sample_size);
        value.layout = c_layout(frame.format) as u32;
        // SAFETY: the caller's struct, writable up to its struct_size.
        unsafe { extensible::write(desc, &value, "gani_image_desc") }
    })
}

/// Frees an image; NULL is ignored. The host's own pixels are not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gani_image_free(image: *mut gani_image) -> gani_status {
    guard("gani_image_free", || handles::free::<ImageObject>(image))
}
