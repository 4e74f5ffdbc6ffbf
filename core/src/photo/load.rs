//! Reading a photograph: what a camera, a scanner or the web may give, upright, within limits.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Pixel};
use ndarray::{Array4, ArrayView4};

use super::warp::{Affine, Border, Raster};
use crate::{Error, Result};

/// The longest side accepted, in pixels.
const MAX_SIDE: u32 = 20_000;
/// The most memory that decoding may take, in bytes: about 178 million RGB pixels.
const MAX_BYTES: u64 = 512 << 20;

const TRUNCATED: &str = "the file ends too early, it is truncated";

/// A photograph as it was read: upright, with its own depth (8 or 16 bit), grey or colour, alpha or not.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Where it came from; for messages.
    pub path: PathBuf,
    /// The pixels, orientation applied. 8 or 16 bit, never float.
    pub pixels: DynamicImage,
    /// The colour profile, written back on saving so that colours stay true.
    pub icc_profile: Option<Vec<u8>>,
    /// Camera data, written back on saving, its orientation removed because it has been applied.
    pub exif: Option<Vec<u8>>,
}

impl Photo {
    /// Reads a PNG, JPEG, WebP, TIFF or BMP; the content counts, not the name's ending.
    ///
    /// # Errors
    /// [`Error::Input`] for what is not such a picture, is truncated or has no pixels; [`Error::Limits`] beyond 20,000
    /// pixels a side or 512 MiB; [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        let mut reader = ImageReader::new(Cursor::new(&bytes))
            .with_guessed_format()
            .map_err(Error::io("reading", path))?;
        match reader.format() {
            None => return Err(not_an_image(path, "its content is of no known format")),
            Some(ImageFormat::Jpeg) if !jpeg_is_whole(&bytes) => return Err(not_an_image(path, TRUNCATED)),
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
        Ok(Photo { path: path.to_owned(), pixels: without_floats(pixels), icc_profile, exif })
    }

    /// A photo made from pixels, such as a generated picture.
    pub fn from_pixels(path: &Path, pixels: DynamicImage) -> Photo {
        Photo { path: path.to_owned(), pixels: without_floats(pixels), icc_profile: None, exif: None }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// Pixels from (`left`, `top`) on as RGB in `[-1,1]`; each of `width` × `height` results is the mean of `shrink` ×
    /// `shrink` pixels of the photo, which `border` extends beyond its edges. Alpha is passed over, grey repeated.
    pub(crate) fn read(
        &self,
        [left, top]: [i64; 2],
        [width, height]: [usize; 2],
        shrink: usize,
        border: Border,
    ) -> Raster {
        let mut raster = Raster::new(width, height);
        let (photo_w, photo_h) = (self.width() as i64, self.height() as i64);
        let columns: Vec<Option<usize>> =
            (0..(width * shrink) as i64).map(|i| border.index(left + i, photo_w)).collect();
        let first = columns.iter().flatten().min().copied().unwrap_or(0);
        let last = columns.iter().flatten().max().copied().unwrap_or(0);
        let share = 1.0 / (shrink * shrink) as f32;
        for (row_index, row) in raster.data.chunks_exact_mut(width).enumerate() {
            for sub in 0..shrink {
                let y = top + (row_index * shrink + sub) as i64;
                let line = border
                    .index(y, photo_h)
                    .map(|y| row_of(&self.pixels, y as u32, first as u32..last as u32 + 1));
                for (pixel, sources) in row.iter_mut().zip(columns.chunks_exact(shrink)) {
                    for source in sources {
                        let rgb = match (&line, source) {
                            (Some(line), Some(x)) => line[x - first],
                            _ => [-1.0; 3],
                        };
                        for (sum, value) in pixel.iter_mut().zip(rgb) {
                            *sum += value * share;
                        }
                    }
                }
            }
        }
        raster
    }

    /// `size` × `size` pixels, each looked up through `map` (from their pixels to the photo's) without aliasing.
    pub(crate) fn warped(&self, map: &Affine, size: usize, border: Border) -> Raster {
        let stretch = map.stretch().into_iter().fold(1.0, f64::max);
        // Averaging to at most four times the wanted density first keeps the cubic's reach short on large photos.
        let shrink = ((stretch / 2.0) as usize).max(1);
        let far = size as f64;
        let corners = [[0.0, 0.0], [far, 0.0], [0.0, far], [far, far]].map(|p| map.apply(p));
        let margin = 2.0 * stretch + 2.0;
        let low = [0, 1].map(|i| corners.iter().fold(f64::MAX, |m, p| m.min(p[i])) - margin);
        let high = [0, 1].map(|i| corners.iter().fold(f64::MIN, |m, p| m.max(p[i])) + margin);
        let origin = low.map(|v| v.floor() as i64);
        let cells = [0, 1].map(|i| ((high[i] - origin[i] as f64) / shrink as f64).ceil().max(1.0) as usize);
        let raster = self.read(origin, cells, shrink, border);
        raster.resample(&map.relative_to(origin.map(|v| v as f64), shrink as f64), size, size)
    }
}

/// A decoded picture as a crop `[1,3,H,W]` in `[-1,1]` of its own size. Alpha is passed over.
pub fn crop_from_image(image: &DynamicImage) -> Array4<f32> {
    let (w, h) = (image.width(), image.height());
    let mut crop = Array4::zeros((1, 3, h as usize, w as usize));
    for y in 0..h {
        for (x, rgb) in row_of(image, y, 0..w).into_iter().enumerate() {
            for (c, value) in rgb.into_iter().enumerate() {
                crop[[0, c, y as usize, x]] = value;
            }
        }
    }
    crop
}

/// A crop `[1,3,H,W]` in `[-1,1]` as an 8-bit picture; values outside are clamped.
pub fn image_from_crop(crop: ArrayView4<'_, f32>) -> image::RgbImage {
    let (_, _, h, w) = crop.dim();
    image::RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let value = |c| (crop[[0, c, y as usize, x as usize]].clamp(-1.0, 1.0) * 127.5 + 127.5).round() as u8;
        image::Rgb([value(0), value(1), value(2)])
    })
}

/// A part of one row as RGB in `[-1,1]`.
fn row_of(image: &DynamicImage, y: u32, columns: Range<u32>) -> Vec<[f32; 3]> {
    fn convert<P: Pixel>(
        buffer: &ImageBuffer<P, Vec<P::Subpixel>>,
        y: u32,
        columns: Range<u32>,
        white: f32,
    ) -> Vec<[f32; 3]>
    where
        P::Subpixel: Into<f32>,
    {
        let scale = 2.0 / white;
        let value = |v: P::Subpixel| v.into() * scale - 1.0;
        let rgb = |pixel: &P| match *pixel.channels() {
            [grey] | [grey, _] => [value(grey); 3],
            [r, g, b, ..] => [value(r), value(g), value(b)],
            [] => [0.0; 3],
        };
        columns.map(|x| rgb(buffer.get_pixel(x, y))).collect()
    }
    match image {
        DynamicImage::ImageLuma8(b) => convert(b, y, columns, 255.0),
        DynamicImage::ImageLumaA8(b) => convert(b, y, columns, 255.0),
        DynamicImage::ImageRgb8(b) => convert(b, y, columns, 255.0),
        DynamicImage::ImageRgba8(b) => convert(b, y, columns, 255.0),
        DynamicImage::ImageLuma16(b) => convert(b, y, columns, 65535.0),
        DynamicImage::ImageLumaA16(b) => convert(b, y, columns, 65535.0),
        DynamicImage::ImageRgb16(b) => convert(b, y, columns, 65535.0),
        DynamicImage::ImageRgba16(b) => convert(b, y, columns, 65535.0),
        // `without_floats` leaves none of these in a Photo.
        other => convert(&other.to_rgb16(), y, columns, 65535.0),
    }
}

/// Float pictures become 16-bit ones, so that everything after this handles integers only.
fn without_floats(pixels: DynamicImage) -> DynamicImage {
    match pixels {
        DynamicImage::ImageRgb32F(_) => DynamicImage::ImageRgb16(pixels.into_rgb16()),
        DynamicImage::ImageRgba32F(_) => DynamicImage::ImageRgba16(pixels.into_rgba16()),
        other => other,
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io("reading", path))?;
    if file.metadata().map_err(Error::io("reading", path))?.is_dir() {
        return Err(Error::Input(format!("{} is a folder, a photo is needed", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("reading", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(path, "the file alone is larger"));
    }
    Ok(bytes)
}

/// Whether a JPEG goes on to its end mark. The decoder fills what is missing with grey and says nothing.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // The next marker: in coded data FF 00 is an escaped byte, FF D0 to D7 are restarts, FF FF is filling.
        let marker =
            rest.windows(2).position(|w| w[0] == 0xFF && !matches!(w[1], 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF));
        let Some((code, after)) = marker.and_then(|at| rest.get(at + 1..)).and_then(|r| r.split_first())
        else {
            return false;
        };
        if *code == 0xD9 {
            return true;
        }
        // A segment with its length, which counts its own two bytes: skipped, since EXIF may hold a small JPEG.
        let &[high, low, ..] = after else { return false };
        rest = after.get(usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default();
    }
}

fn not_an_image(path: &Path, cause: &str) -> Error {
    Error::Input(format!(
        "{} cannot be read as a picture: {cause}. PNG, JPEG, WebP, TIFF and BMP are understood",
        path.display()
    ))
}

fn too_large(path: &Path, size: &str) -> Error {
    Error::Limits(format!(
        "{} is too large ({size}): at most {MAX_SIDE} pixels a side and {} MiB decoded are handled. Scale it down or crop it",
        path.display(),
        MAX_BYTES >> 20
    ))
}

/// Refuses what is beyond the limits: sides, and bytes once decoded.
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
