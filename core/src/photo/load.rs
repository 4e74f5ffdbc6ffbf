//! Reading picture files: decoding within limits, EXIF orientation, color space, metadata.

use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::color::ColorSpace;
use super::metadata::Metadata;
use super::{foreign, jpeg, jxl, png, tiff};
use crate::{Error, Result};
use gani_onnx::file::read_regular;

/// Maximum width and height, in pixels.
pub(super) const MAX_SIDE: u32 = 20_000;
/// Maximum size of the file and of the decoded image, in bytes: about 178 million RGB pixels.
pub(super) const MAX_BYTES: u64 = 512 << 20;

/// Extensions of the files that are read.
pub const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "mpo", "webp", "tif", "tiff", "bmp", "gif", "tga", "qoi", "jxl"];

const TRUNCATED: &str = "the file is truncated";

/// A photograph: upright, 8 or 16 bit, gray or RGB, with or without alpha.
#[derive(Debug, Clone)]
pub struct Photo {
    /// The file that it was read from. Names the photo in messages.
    pub path: PathBuf,
    /// The pixels in the color space `color`, with the EXIF orientation applied. 8 or 16 bit, never float.
    pub pixels: DynamicImage,
    /// The color space of the pixels. Faces are read from it as sRGB, and pasted into it.
    pub color: ColorSpace,
    /// Metadata. [`Photo::save`] writes it back.
    pub metadata: Metadata,
}

impl Photo {
    /// Reads a PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI or JPEG XL file. The format is detected from the content; only TGA by
    /// the extension. The first picture of an animation is read.
    ///
    /// CMYK pixels are converted to sRGB through the file's profile. Other pixels keep their values.
    ///
    /// # Errors
    /// [`Error::Input`] if the file has another format, is truncated or has no pixels; [`Error::Limits`] above 20,000 pixels
    /// per side or 512 MiB; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        let mut bytes = read_regular(path, MAX_BYTES)?;
        let format = format_of(path, &bytes)?;
        if format == JPEG {
            bytes = jpeg::complete(bytes).ok_or_else(|| not_an_image(path, TRUNCATED))?;
        }
        let special = if format == TIFF { tiff::gray_pixels(&bytes) } else { None };
        let mut metadata = Metadata::default();
        let (mut pixels, orientation, icc) = match (special, format) {
            (Some(pixels), _) => {
                (pixels, tiff::orientation(&bytes).unwrap_or(Orientation::NoTransforms), None)
            }
            (None, Format::JpegXl) => decode_jxl(path, &bytes, &mut metadata)?,
            (None, Format::Other(format)) => decode(path, &bytes, format, &mut metadata)?,
        };
        let icc = if format == TIFF { tiff::icc(&bytes) } else { icc };
        match format {
            JPEG => jpeg::Segments::new(&bytes).read_metadata(&mut metadata),
            PNG => png::read_metadata(&bytes, &mut metadata),
            TIFF => tiff::read_metadata(&bytes, &mut metadata),
            _ => {}
        }
        let color = color_of(path, &bytes, format, icc, &mut pixels);
        pixels.apply_orientation(orientation);
        let mut photo = Photo { path: path.to_owned(), pixels: float_to_16_bit(pixels), color, metadata };
        if !photo.color.is_writable() {
            photo.convert_to_srgb();
        }
        Ok(photo)
    }

    /// A photo from sRGB pixels in memory, such as a generated image. `path` names it in messages. Files of it are tagged
    /// sRGB.
    pub fn from_pixels(path: &Path, pixels: DynamicImage) -> Photo {
        // The profile is for RGB.
        let color = if pixels.color().has_color() { ColorSpace::srgb() } else { ColorSpace::default() };
        Photo { path: path.to_owned(), pixels: float_to_16_bit(pixels), color, metadata: Metadata::default() }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.pixels.height()
    }
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    JpegXl,
    Other(ImageFormat),
}

const JPEG: Format = Format::Other(ImageFormat::Jpeg);
const PNG: Format = Format::Other(ImageFormat::Png);
const TIFF: Format = Format::Other(ImageFormat::Tiff);

/// Converts float images to 16 bit, so that all other code handles integers only.
fn float_to_16_bit(pixels: DynamicImage) -> DynamicImage {
    match pixels {
        DynamicImage::ImageRgb32F(_) => DynamicImage::ImageRgb16(pixels.into_rgb16()),
        DynamicImage::ImageRgba32F(_) => DynamicImage::ImageRgba16(pixels.into_rgba16()),
        other => other,
    }
}

/// The format by the content, or the error for formats that are not read.
fn format_of(path: &Path, bytes: &[u8]) -> Result<Format> {
    if jxl::is_jxl(bytes) {
        return Ok(Format::JpegXl);
    }
    if let Some(advice) = foreign::advice(path, bytes) {
        return Err(Error::Input(format!("{} {advice}", path.display())));
    }
    // TGA has no signature.
    let by_name =
        || ImageFormat::from_path(path).ok().filter(|f| *f == ImageFormat::Tga && !bytes.is_empty());
    image::guess_format(bytes)
        .ok()
        .or_else(by_name)
        .filter(ImageFormat::reading_enabled)
        .map(Format::Other)
        .ok_or_else(|| not_an_image(path, "the format is unknown"))
}

/// The pixels as they are stored, the orientation, and the ICC profile. Stores EXIF and XMP in `metadata`.
fn decode(
    path: &Path,
    bytes: &[u8],
    format: ImageFormat,
    metadata: &mut Metadata,
) -> Result<(DynamicImage, Orientation, Option<Vec<u8>>)> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(|e| decode_error(path, e))?;
    check_decoder(path, &decoder)?;
    // Damaged metadata is no reason to refuse a picture.
    let exif = decoder.exif_metadata().unwrap_or(None);
    let tagged = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let orientation = exif.map_or(tagged, |exif| metadata.set_exif(exif));
    if let Some(xmp) = decoder.xmp_metadata().unwrap_or(None) {
        metadata.set_xmp(xmp);
    }
    let icc = decoder.icc_profile().unwrap_or(None);
    let pixels = DynamicImage::from_decoder(decoder).map_err(|e| decode_error(path, e))?;
    Ok((pixels, orientation, icc))
}

/// As [`decode`], of a JPEG XL file. The decoder turns pixels upright; the orientation in EXIF has no meaning.
fn decode_jxl(
    path: &Path,
    bytes: &[u8],
    metadata: &mut Metadata,
) -> Result<(DynamicImage, Orientation, Option<Vec<u8>>)> {
    let file = jxl::File::read(bytes).ok_or_else(|| not_an_image(path, TRUNCATED))?;
    if let Some(exif) = file.exif {
        metadata.set_exif(exif);
    }
    if let Some(xmp) = file.xmp {
        metadata.set_xmp(xmp);
    }
    let mut decoder = jxl::decoder(&file.codestream, limits()).map_err(|e| decode_error(path, e))?;
    check_decoder(path, &decoder)?;
    if !jxl::is_complete(&file.codestream) {
        return Err(not_an_image(path, TRUNCATED));
    }
    let icc = decoder.icc_profile().unwrap_or(None);
    let pixels = DynamicImage::from_decoder(decoder).map_err(|e| decode_error(path, e))?;
    Ok((pixels, Orientation::NoTransforms, icc))
}

/// The color space of a file's pixels. CMYK pixels are converted to sRGB.
fn color_of(
    path: &Path,
    bytes: &[u8],
    format: Format,
    icc: Option<Vec<u8>>,
    pixels: &mut DynamicImage,
) -> ColorSpace {
    let is_gray = !pixels.color().has_color();
    if format == PNG
        && let Some(space) = png::color_space(bytes, is_gray, icc.is_some())
    {
        return space;
    }
    let Some(icc) = icc else { return ColorSpace::default() };
    let of_cmyk = match format {
        JPEG => jpeg::cmyk(bytes),
        TIFF => tiff::cmyk(bytes),
        _ => None,
    };
    let space = match of_cmyk {
        None => ColorSpace::from_icc(&icc, is_gray),
        Some(cmyk) => ColorSpace::cmyk_to_srgb(&icc, &cmyk).map(|rgb| {
            if let Some(rgb) = RgbImage::from_raw(pixels.width(), pixels.height(), rgb) {
                *pixels = rgb.into();
            }
            ColorSpace::srgb()
        }),
    };
    space.unwrap_or_else(|e| {
        log::warn!("{}: the color profile is not used: {e}. The colors are read as sRGB", path.display());
        ColorSpace::default()
    })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_BYTES);
    limits
}

/// Rejects images without pixels or above the limits.
fn check_decoder(path: &Path, decoder: &impl ImageDecoder) -> Result<()> {
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::Input(format!("{} has no pixels ({width} × {height})", path.display())));
    }
    check_size(path, width, height, decoder.total_bytes())
}

fn not_an_image(path: &Path, cause: &str) -> Error {
    Error::Input(format!(
        "{} cannot be read as an image: {cause}. Supported formats are PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI and JPEG \
         XL",
        path.display()
    ))
}

fn too_large(path: &Path, size: &str) -> Error {
    Error::Limits(format!(
        "{} is too large ({size}). The limits are {MAX_SIDE} pixels per side and {} MiB of decoded pixels; scale it down or \
         crop it",
        path.display(),
        MAX_BYTES >> 20
    ))
}

/// Rejects images above the limits. `bytes` is the size of the decoded image.
pub(crate) fn check_size(path: &Path, width: u32, height: u32, bytes: u64) -> Result<()> {
    if width > MAX_SIDE || height > MAX_SIDE || bytes > MAX_BYTES {
        return Err(too_large(path, &format!("{width} × {height} pixels, {} MiB", bytes >> 20)));
    }
    Ok(())
}

fn decode_error(path: &Path, error: ImageError) -> Error {
    match error {
        ImageError::Limits(e) => too_large(path, &e.to_string()),
        ImageError::IoError(e) if e.kind() == ErrorKind::UnexpectedEof => not_an_image(path, TRUNCATED),
        ImageError::IoError(e) if e.raw_os_error().is_some() => Error::io("reading", path)(e),
        other => not_an_image(path, &other.to_string()),
    }
}
