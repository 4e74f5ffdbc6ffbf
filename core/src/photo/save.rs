//! Writing a photograph back: same depth, profile and camera data, whole or not at all.

use std::io::{BufWriter, Write};
use std::path::Path;

use image::codecs::{
    bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, tiff::TiffEncoder, webp::WebPEncoder,
};
use image::{DynamicImage, ImageEncoder, ImageError, ImageFormat};

use super::Photo;
use crate::{Error, Result};

/// JPEG quality: high enough that what was not edited looks unchanged.
const JPEG_QUALITY: u8 = 95;

impl Photo {
    /// Writes the photo in the format that the name's ending says (png, jpg, webp, tif, bmp).
    ///
    /// PNG and TIFF hold every kind of photo; JPEG drops alpha and 16 bit, WebP and BMP drop 16 bit. The file appears
    /// whole under its name or not at all; an existing one is replaced.
    ///
    /// # Errors
    /// [`Error::Input`] for another ending, [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let format = ImageFormat::from_path(path).ok().filter(|f| f.can_write()).ok_or_else(|| {
            Error::Input(format!("{}: name the picture .png, .jpg, .webp, .tif or .bmp", path.display()))
        })?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new()
            .prefix(".gani-")
            .tempfile_in(folder)
            .map_err(Error::io("creating a file in", folder))?;
        let mut out = BufWriter::new(temporary);
        self.encode(format, &mut out).map_err(|e| write_error(path, e))?;
        let temporary = out.into_inner().map_err(|e| Error::io("writing", path)(e.into_error()))?;
        let shared = readable_by_others(&temporary);
        shared.and_then(|()| temporary.as_file().sync_all()).map_err(Error::io("writing", path))?;
        temporary.persist(path).map_err(|e| Error::io("writing", path)(e.error))?;
        Ok(())
    }

    fn encode(&self, format: ImageFormat, out: &mut (impl Write + std::io::Seek)) -> Result<(), ImageError> {
        match format {
            ImageFormat::Jpeg => {
                self.finish(&eight_bit(&self.pixels, false), JpegEncoder::new_with_quality(out, JPEG_QUALITY))
            }
            ImageFormat::WebP => self.finish(&eight_bit(&self.pixels, true), WebPEncoder::new_lossless(out)),
            ImageFormat::Bmp => self.finish(&eight_bit(&self.pixels, true), BmpEncoder::new(out)),
            ImageFormat::Tiff => self.finish(&self.pixels, TiffEncoder::new(out)),
            _ => self.finish(&self.pixels, PngEncoder::new(out)),
        }
    }

    /// Profile and camera data go along where the format can hold them.
    fn finish(&self, pixels: &DynamicImage, mut encoder: impl ImageEncoder) -> Result<(), ImageError> {
        if let Some(profile) = &self.icc_profile
            && let Err(e) = encoder.set_icc_profile(profile.clone())
        {
            log::debug!("the colour profile is left out: {e}");
        }
        if let Some(exif) = &self.exif
            && let Err(e) = encoder.set_exif_metadata(exif.clone())
        {
            log::debug!("the camera data is left out: {e}");
        }
        pixels.write_with_encoder(encoder)
    }
}

/// The same picture in 8 bit, without alpha where the format has none.
fn eight_bit(pixels: &DynamicImage, alpha: bool) -> DynamicImage {
    let (grey, has_alpha) = (!pixels.color().has_color(), pixels.color().has_alpha() && alpha);
    match (grey, has_alpha) {
        (true, false) => pixels.to_luma8().into(),
        (true, true) => pixels.to_luma_alpha8().into(),
        (false, false) => pixels.to_rgb8().into(),
        (false, true) => pixels.to_rgba8().into(),
    }
}

/// Temporary files are private; a photo gets the usual permissions.
#[cfg(unix)]
fn readable_by_others(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_: &tempfile::NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

fn write_error(path: &Path, error: ImageError) -> Error {
    match error {
        ImageError::IoError(e) => Error::io("writing", path)(e),
        other => Error::Input(format!("{} cannot be written: {other}", path.display())),
    }
}
