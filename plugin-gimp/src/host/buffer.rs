//! GEGL buffers, and the babl formats in which pixels pass through them.

use super::handles::{Babl, Drawable, GeglBuffer, Rect};
use super::libgimp::LibGimp;
use super::procedure::Call;
use crate::error::{Error, Result};
use crate::pixels::Depth;
use gani_core::photo::ColorSpace;
use std::ffi::CStr;

/// A reference to a GEGL buffer. Dropping it flushes pending writes.
pub struct Buffer {
    gimp: LibGimp,
    /// The buffer itself.
    pub handle: GeglBuffer,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `handle` is a reference that libgimp passed to us.
        unsafe { (self.gimp.functions().g_object_unref)(self.handle.object()) };
    }
}

impl Buffer {
    /// Reads `rect` into `bytes`, whose length is that of `rect` in `format`. Pixels outside the buffer are zero.
    pub fn read(&self, rect: Rect, format: Babl, bytes: &mut [u8]) {
        // SAFETY: callers size `bytes` for this rectangle and format. The stride 0 means rows without padding.
        unsafe {
            (self.gimp.functions().gegl_buffer_get)(self.handle, &rect, 1.0, format, bytes.as_mut_ptr(), 0, 0)
        };
    }

    /// Writes `bytes`, whose length is that of `rect` in `format`.
    pub fn write(&self, rect: Rect, format: Babl, bytes: &[u8]) {
        // SAFETY: as in `read`.
        unsafe { (self.gimp.functions().gegl_buffer_set)(self.handle, &rect, 0, format, bytes.as_ptr(), 0) };
    }
}

impl Call {
    /// The pixels of a drawable.
    pub(super) fn buffer(&self, drawable: Drawable) -> Result<Buffer> {
        // SAFETY: the returned reference is ours to release.
        let handle = unsafe { (self.gimp.functions().gimp_drawable_get_buffer)(drawable) };
        Ok(Buffer { gimp: self.gimp, handle: handle.ok_or_else(|| Error::missing("pixel buffer"))? })
    }

    /// The shadow buffer of the selected layer: GIMP merges it into the layer through the selection.
    pub(super) fn shadow_buffer(&self) -> Result<Buffer> {
        // SAFETY: as in `buffer`.
        let handle = unsafe { (self.gimp.functions().gimp_drawable_get_shadow_buffer)(self.drawable) };
        Ok(Buffer { gimp: self.gimp, handle: handle.ok_or_else(|| Error::missing("shadow buffer"))? })
    }

    /// The depth that represents every value of the selected layer exactly or as float.
    pub(super) fn depth(&self) -> Result<Depth> {
        let gimp = self.gimp.functions();
        // SAFETY: babl objects and their names live as long as the process.
        let component_type = unsafe {
            let format = (gimp.gimp_drawable_get_format)(self.drawable)
                .ok_or_else(|| Error::missing("pixel format"))?;
            let component =
                (gimp.babl_format_get_type)(format, 0).ok_or_else(|| Error::missing("component type"))?;
            CStr::from_ptr((gimp.babl_get_name)(component))
        };
        Ok(match component_type.to_bytes() {
            b"u8" => Depth::U8,
            b"u16" => Depth::U16,
            _ => Depth::F32,
        })
    }

    /// RGBA, gamma-encoded with straight alpha, in the drawable's own color space. No profile conversion takes place.
    pub(super) fn rgba_format(&self, drawable: Drawable, depth: Depth) -> Result<Babl> {
        let name = match depth {
            Depth::U8 => c"R'G'B'A u8",
            Depth::U16 => c"R'G'B'A u16",
            Depth::F32 => c"R'G'B'A float",
        };
        self.format(name, drawable)
    }

    /// The color space of the layer's pixels. GIMP's built-in sRGB and gray spaces need no conversion.
    pub(super) fn color(&self) -> Result<ColorSpace> {
        let gimp = self.gimp.functions();
        // SAFETY: babl objects and their profiles live as long as the process.
        let icc = unsafe {
            let format = (gimp.gimp_drawable_get_format)(self.drawable)
                .ok_or_else(|| Error::missing("pixel format"))?;
            let space = (gimp.babl_format_get_space)(format).ok_or_else(|| Error::missing("color space"))?;
            let mut length = 0;
            let icc = (gimp.babl_space_get_icc)(space, &mut length);
            match usize::try_from(length) {
                Ok(length) if length > 0 && !icc.is_null() => std::slice::from_raw_parts(icc.cast(), length),
                _ => return Ok(ColorSpace::default()),
            }
        };
        match ColorSpace::from_icc(icc, false) {
            Ok(color) if color.is_writable() => Ok(color),
            Ok(_) => Err(Error::Failed(
                "The image's color profile has no conversion from sRGB. Convert the image to another profile.".into(),
            )),
            Err(e) => {
                log::warn!("the image's color profile is not used: {e}; the colors are read as sRGB");
                Ok(ColorSpace::default())
            }
        }
    }

    /// The babl format of this name in the color space of `drawable`.
    pub(super) fn format(&self, name: &CStr, drawable: Drawable) -> Result<Babl> {
        let gimp = self.gimp.functions();
        // SAFETY: babl objects live as long as the process; `name` is a format that babl knows.
        unsafe {
            let format =
                (gimp.gimp_drawable_get_format)(drawable).ok_or_else(|| Error::missing("pixel format"))?;
            let space = (gimp.babl_format_get_space)(format).ok_or_else(|| Error::missing("color space"))?;
            (gimp.babl_format_with_space)(name.as_ptr(), space).ok_or_else(|| Error::missing("pixel format"))
        }
    }
}
