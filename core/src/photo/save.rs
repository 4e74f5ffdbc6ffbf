//! Writing picture files with the photo's bit depth, color profile and EXIF metadata.

use std::io::{Cursor, Seek, Write};
use std::path::Path;

use image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder,
};
use image::{DynamicImage, ImageEncoder, ImageError, ImageFormat};

use super::load::Photo;
use crate::util::files::write_whole;
use crate::{Error, Result};

/// JPEG quality: high enough that regions without edits look unchanged.
const JPEG_QUALITY: u8 = 95;

impl Photo {
    /// Writes the photo in the format of the file extension: png, jpg, webp, tif or bmp.
    ///
    /// PNG and TIFF store every photo without loss. JPEG drops alpha and reduces to 8 bit; WebP and BMP reduce to 8 bit. The
    /// write is atomic and replaces an existing file.
    ///
    /// # Errors
    /// [`Error::Input`] for another extension; [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = ImageFormat::from_path(path).ok().filter(|f| f.can_write()).ok_or_else(|| {
            Error::Input(format!(
                "{}: the file extension must be .png, .jpg, .webp, .tif or .bmp",
                path.display()
            ))
        })?;
        let mut encoded = Cursor::new(Vec::new());
        self.encode(format, &mut encoded).map_err(|e| write_error(path, e))?;
        write_whole(path, |file| file.write_all(encoded.get_ref()))
    }

    fn encode(&self, format: ImageFormat, out: &mut (impl Write + Seek)) -> Result<(), ImageError> {
        match format {
            ImageFormat::Jpeg => self.write_with_metadata(
                &to_8_bit(&self.pixels, false),
                JpegEncoder::new_with_quality(out, JPEG_QUALITY),
            ),
            ImageFormat::WebP => {
                self.write_with_metadata(&to_8_bit(&self.pixels, true), WebPEncoder::new_lossless(out))
            }
            ImageFormat::Bmp => self.write_with_metadata(&to_8_bit(&self.pixels, true), BmpEncoder::new(out)),
            ImageFormat::Tiff => self.write_with_metadata(&self.pixels, TiffEncoder::new(out)),
            _ => self.write_with_metadata(&self.pixels, PngEncoder::new(out)),
        }
    }

    /// Writes the color profile and EXIF metadata too, if the format supports them.
    fn write_with_metadata(
        &self,
        pixels: &DynamicImage,
        mut encoder: impl ImageEncoder,
    ) -> Result<(), ImageError> {
        if let Some(profile) = &self.icc_profile
            && let Err(e) = encoder.set_icc_profile(profile.clone())
        {
            log::debug!("the color profile is not written: {e}");
        }
        if let Some(exif) = &self.exif
            && let Err(e) = encoder.set_exif_metadata(exif.clone())
        {
            log::debug!("the EXIF metadata is not written: {e}");
        }
        pixels.write_with_encoder(encoder)
    }
}

/// Converts to 8 bit. Alpha is dropped unless `keep_alpha`.
fn to_8_bit(pixels: &DynamicImage, keep_alpha: bool) -> DynamicImage {
    let (gray, alpha) = (!pixels.color().has_color(), pixels.color().has_alpha() && keep_alpha);
    match (gray, alpha) {
        (true, false) => pixels.to_luma8().into(),
        (true, true) => pixels.to_luma_alpha8().into(),
        (false, false) => pixels.to_rgb8().into(),
        (false, true) => pixels.to_rgba8().into(),
    }
}

fn write_error(path: &Path, error: ImageError) -> Error {
    match error {
        ImageError::IoError(e) => Error::io("writing", path)(e),
        other => Error::Input(format!("{} cannot be written: {other}", path.display())),
    }
}
