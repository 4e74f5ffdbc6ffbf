//! Reading picture files: decoding within limits, EXIF orientation, color profile.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::{Error, Result};

/// Maximum width and height, in pixels.
const MAX_SIDE: u32 = 20_000;
/// Maximum size of the file and of the decoded image, in bytes: about 178 million RGB pixels.
const MAX_BYTES: u64 = 512 << 20;

const TRUNCATED: &str = "the file is truncated";

/// A photograph: upright, 8 or 16 bit, gray or RGB, with or without alpha.
#[derive(Debug, Clone)]
pub struct Photo {
    /// The file that it was read from. Names the photo in messages.
    pub path: PathBuf,
    /// The pixels, with the EXIF orientation applied. 8 or 16 bit, never float.
    pub pixels: DynamicImage,
    /// The ICC color profile. [`Photo::save`] writes it back.
    pub icc_profile: Option<Vec<u8>>,
    /// EXIF metadata without the orientation, which has been applied. [`Photo::save`] writes it back.
    pub exif: Option<Vec<u8>>,
}

impl Photo {
    /// Reads a PNG, JPEG, WebP, TIFF or BMP file. The format is detected from the content, not from the extension.
    ///
    /// # Errors
    /// [`Error::Input`] if the file has another format, is truncated or has no pixels; [`Error::Limits`] above 20,000 pixels
    /// per side or 512 MiB; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        let mut reader = ImageReader::new(Cursor::new(&bytes))
            .with_guessed_format()
            .map_err(Error::io("reading", path))?;
        match reader.format() {
            None => return Err(not_an_image(path, "the format is unknown")),
            Some(ImageFormat::Jpeg) if !jpeg_is_complete(&bytes) => {
                return Err(not_an_image(path, TRUNCATED));
            }
            Some(_) => {}
        }
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);

        let mut decoder = reader.into_decoder().map_err(|e| decode_error(path, e))?;
        let (width, height) = decoder.dimensions();
        let bytes = decoder.total_bytes();
        if width == 0 || height == 0 {
            return Err(Error::Input(format!("{} has no pixels ({width} × {height})", path.display())));
        }
        check_size(path, width, height, bytes)?;
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let icc_profile = decoder.icc_profile().unwrap_or(None);
        let mut exif = decoder.exif_metadata().unwrap_or(None);
        if let Some(exif) = &mut exif {
            let _ = Orientation::remove_from_exif_chunk(exif);
        }
        let mut pixels = DynamicImage::from_decoder(decoder).map_err(|e| decode_error(path, e))?;
        pixels.apply_orientation(orientation);
        Ok(Photo { path: path.to_owned(), pixels: float_to_16_bit(pixels), icc_profile, exif })
    }

    /// A photo from pixels in memory, such as a generated image. `path` names it in messages.
    pub fn from_pixels(path: &Path, pixels: DynamicImage) -> Photo {
        Photo { path: path.to_owned(), pixels: float_to_16_bit(pixels), icc_profile: None, exif: None }
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

/// Converts float images to 16 bit, so that all other code handles integers only.
fn float_to_16_bit(pixels: DynamicImage) -> DynamicImage {
    match pixels {
        DynamicImage::ImageRgb32F(_) => DynamicImage::ImageRgb16(pixels.into_rgb16()),
        DynamicImage::ImageRgba32F(_) => DynamicImage::ImageRgba16(pixels.into_rgba16()),
        other => other,
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("reading", path))?;
    if file.metadata().map_err(Error::io("reading", path))?.is_dir() {
        return Err(Error::Input(format!("{} is a folder; choose a picture file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("reading", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(path, "the file itself is larger"));
    }
    Ok(bytes)
}

/// Whether a JPEG contains its end-of-image marker. The decoder silently fills missing data with gray.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // Finds the next marker. In entropy-coded data, FF 00 is an escaped byte, FF D0 to D7 are restarts, FF FF is fill.
        let marker =
            rest.windows(2).position(|w| w[0] == 0xFF && !matches!(w[1], 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF));
        let Some((code, after)) = marker.and_then(|at| rest.get(at + 1..)).and_then(|r| r.split_first())
        else {
            return false;
        };
        if *code == 0xD9 {
            return true;
        }
        // Skips the segment, because EXIF may contain a JPEG thumbnail. The length includes its own two bytes.
        let &[high, low, ..] = after else { return false };
        rest = after.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
}

fn not_an_image(path: &Path, cause: &str) -> Error {
    Error::Input(format!(
        "{} cannot be read as an image: {cause}. Supported formats are PNG, JPEG, WebP, TIFF and BMP",
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
