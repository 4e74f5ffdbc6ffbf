//! Writing picture files with the photo's bit depth, color profile and metadata.

use std::io::Cursor;
use std::path::Path;

use image::codecs::bmp::BmpEncoder;
use image::codecs::jpeg::{JpegEncoder, PixelDensity, PixelDensityUnit};
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, ImageError, ImageFormat, Pixel, Rgba};

use super::load::Photo;
use super::{exif, jpeg, png, tiff};
use crate::util::files::write_whole;
use crate::{Error, Result};

/// JPEG quality: high enough that regions without edits look unchanged.
const JPEG_QUALITY: u8 = 95;

/// The format that a picture file with this name is written in.
///
/// # Errors
/// [`Error::Input`] if the extension is not of PNG, JPEG, WebP, TIFF or BMP.
pub fn check_writable(path: &Path) -> Result<ImageFormat> {
    use ImageFormat::{Bmp, Jpeg, Png, Tiff, WebP};
    let format = ImageFormat::from_path(path).ok().filter(|f| matches!(f, Png | Jpeg | WebP | Tiff | Bmp));
    format.ok_or_else(|| {
        Error::Input(format!(
            "{}: the file extension must be .png, .jpg, .webp, .tif or .bmp",
            path.display()
        ))
    })
}

impl Photo {
    /// [`Photo::save_over`] white.
    ///
    /// # Errors
    /// Those of [`Photo::save_over`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_over(path, [255; 3])
    }

    /// Writes the photo in the format of the file extension: png, jpg, webp, tif or bmp.
    ///
    /// PNG and TIFF store every photo without loss. JPEG puts transparent pixels over the color `matte` and reduces to 8 bit;
    /// WebP and BMP reduce to 8 bit; BMP converts to sRGB. A warning names metadata that the format cannot hold. The write is
    /// atomic and replaces an existing file.
    ///
    /// # Errors
    /// [`Error::Input`] for another extension; [`Error::Io`].
    pub fn save_over(&self, path: impl AsRef<Path>, matte: [u8; 3]) -> Result<()> {
        let path = path.as_ref();
        let format = check_writable(path)?;
        let (file, lost) = self.encode(path, format, matte)?;
        if !lost.is_empty() {
            log::warn!("{}: not kept in the file: {}", path.display(), lost.join(", "));
        }
        write_whole(path, |out| out.write_all(&file))
    }

    /// The file, and the names of what it cannot hold.
    fn encode(
        &self,
        path: &Path,
        format: ImageFormat,
        matte: [u8; 3],
    ) -> Result<(Vec<u8>, Vec<&'static str>)> {
        let mut out = Cursor::new(Vec::new());
        let mut lost = self.metadata.names();
        let mut keep = |names: &[&str]| lost.retain(|name| !names.contains(name));
        let failed = |e: ImageError| write_error(path, e);
        match format {
            ImageFormat::Jpeg => {
                let encoder = self.jpeg_encoder(&mut out);
                let exif = self.metadata.exif.as_deref().is_none_or(jpeg::exif_fits);
                self.write(&self.opaque(path, matte), encoder, exif).map_err(failed)?;
                let too_long = jpeg::write_metadata(out.get_mut(), &self.metadata);
                keep(&["XMP", "IPTC", "the resolution in dpi"]);
                keep(if exif { &["EXIF"] } else { &[] });
                keep(if self.metadata.png_chunks.is_empty() { &["text"] } else { &[] });
                lost.extend(too_long);
            }
            ImageFormat::WebP => {
                self.write_webp(&mut out)
                    .map_err(|e| failed(ImageError::IoError(std::io::Error::other(e))))?;
                keep(&["EXIF", "XMP"]);
            }
            ImageFormat::Bmp => {
                let mut srgb = self.clone();
                srgb.convert_to_srgb();
                let pixels = match to_8_bit(&srgb.pixels) {
                    // The encoder would drop the alpha of gray pixels.
                    gray @ DynamicImage::ImageLumaA8(_) => gray.into_rgba8().into(),
                    pixels => pixels,
                };
                pixels.write_with_encoder(BmpEncoder::new(&mut out)).map_err(failed)?;
            }
            ImageFormat::Tiff => {
                tiff::encode(&self.pixels, &self.color, &self.metadata, &mut out)
                    .map_err(|e| failed(ImageError::IoError(std::io::Error::other(e))))?;
                keep(&["EXIF", "XMP", "IPTC", "the resolution in dpi"]);
                lost.extend(
                    self.metadata
                        .exif
                        .as_deref()
                        .is_some_and(exif::has_maker_note)
                        .then_some("the camera maker's own data"),
                );
            }
            _ => {
                self.write(&self.pixels, PngEncoder::new(&mut out), true).map_err(failed)?;
                png::write_metadata(out.get_mut(), &self.metadata);
                keep(&["EXIF", "XMP", "the resolution in dpi"]);
                keep(if self.metadata.comments.is_empty() { &["text"] } else { &[] });
            }
        }
        Ok((out.into_inner(), lost))
    }

    fn jpeg_encoder<'w>(&self, out: &'w mut Cursor<Vec<u8>>) -> JpegEncoder<&'w mut Cursor<Vec<u8>>> {
        let mut encoder = JpegEncoder::new_with_quality(out, JPEG_QUALITY);
        if let Some(dpi) = self.metadata.dpi {
            let [x, y] = dpi.map(|v| v.round() as u16);
            encoder.set_pixel_density(PixelDensity { density: (x, y), unit: PixelDensityUnit::Inches });
        }
        encoder
    }

    /// Writes pixels, color profile and EXIF.
    fn write(
        &self,
        pixels: &DynamicImage,
        mut encoder: impl ImageEncoder,
        exif: bool,
    ) -> Result<(), ImageError> {
        if let Some(profile) = self.color.icc() {
            encoder.set_icc_profile(profile.to_vec()).map_err(ImageError::Unsupported)?;
        }
        if let Some(data) = self.metadata.exif.as_ref().filter(|_| exif) {
            encoder.set_exif_metadata(data.clone()).map_err(ImageError::Unsupported)?;
        }
        pixels.write_with_encoder(encoder)
    }

    fn write_webp(&self, out: &mut Cursor<Vec<u8>>) -> Result<(), image_webp::EncodingError> {
        let mut encoder = image_webp::WebPEncoder::new(out);
        if let Some(profile) = self.color.icc() {
            encoder.set_icc_profile(profile.to_vec());
        }
        if let Some(exif) = &self.metadata.exif {
            encoder.set_exif_metadata(exif.clone());
        }
        if let Some(xmp) = &self.metadata.xmp {
            encoder.set_xmp_metadata(xmp.clone());
        }
        let pixels = to_8_bit(&self.pixels);
        let color = match &pixels {
            DynamicImage::ImageLuma8(_) => image_webp::ColorType::L8,
            DynamicImage::ImageLumaA8(_) => image_webp::ColorType::La8,
            DynamicImage::ImageRgba8(_) => image_webp::ColorType::Rgba8,
            _ => image_webp::ColorType::Rgb8,
        };
        encoder.encode(pixels.as_bytes(), pixels.width(), pixels.height(), color)
    }

    /// 8-bit pixels without alpha: transparent pixels over `matte`.
    fn opaque(&self, path: &Path, matte: [u8; 3]) -> DynamicImage {
        let has_color = self.pixels.color().has_color();
        if !self.pixels.color().has_alpha() {
            return to_8_bit(&self.pixels);
        }
        let mut transparent = false;
        let [r, g, b] = matte;
        let mut pixels = self.pixels.to_rgba8();
        for pixel in pixels.pixels_mut() {
            transparent |= pixel.0[3] < 255;
            let mut over = Rgba([r, g, b, 255]);
            over.blend(pixel);
            *pixel = over;
        }
        if transparent {
            log::warn!(
                "{}: JPEG has no transparency; transparent pixels are put over #{r:02x}{g:02x}{b:02x}",
                path.display()
            );
        }
        let opaque = DynamicImage::from(pixels);
        if has_color || r != g || g != b { opaque.to_rgb8().into() } else { opaque.to_luma8().into() }
    }
}

/// Converts to 8 bit.
fn to_8_bit(pixels: &DynamicImage) -> DynamicImage {
    match (pixels.color().has_color(), pixels.color().has_alpha()) {
        (false, false) => pixels.to_luma8().into(),
        (false, true) => pixels.to_luma_alpha8().into(),
        (true, false) => pixels.to_rgb8().into(),
        (true, true) => pixels.to_rgba8().into(),
    }
}

fn write_error(path: &Path, error: ImageError) -> Error {
    match error {
        ImageError::IoError(e) => Error::io("writing", path)(e),
        other => Error::Input(format!("{} cannot be written: {other}", path.display())),
    }
}
