//! TIFF files: writing of all pixel types with their metadata, and reading of gray pixels that `image` does not read.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::colortype::{ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKindStandard, TiffValue};
use tiff::tags::{ByteOrder, ExtraSamples, ResolutionUnit, Tag, Type};
use tiff::{ColorType as Pixels, Directory, TiffResult};

use super::color::ColorSpace;
use super::exif;
use super::load::{MAX_BYTES, MAX_SIDE};
use super::metadata::Metadata;

const XMP: Tag = Tag::Unknown(700);
const IPTC: Tag = Tag::Unknown(33_723);

/// Encodes a picture.
pub(super) fn encode(
    pixels: &DynamicImage,
    color: &ColorSpace,
    metadata: &Metadata,
    out: &mut Cursor<Vec<u8>>,
) -> TiffResult<()> {
    use DynamicImage as D;
    let file = File { size: [pixels.width(), pixels.height()], color, metadata, out };
    match pixels {
        D::ImageLuma8(b) => file.write::<Gray8>(b, false),
        D::ImageLumaA8(b) => file.write::<Gray8>(b, true),
        D::ImageRgb8(b) => file.write::<RGB8>(b, false),
        D::ImageRgba8(b) => file.write::<RGBA8>(b, false),
        D::ImageLuma16(b) => file.write::<Gray16>(b, false),
        D::ImageLumaA16(b) => file.write::<Gray16>(b, true),
        D::ImageRgba16(b) => file.write::<RGBA16>(b, false),
        other => file.write::<RGB16>(&other.to_rgb16(), false),
    }
}

struct File<'f> {
    size: [u32; 2],
    color: &'f ColorSpace,
    metadata: &'f Metadata,
    out: &'f mut Cursor<Vec<u8>>,
}

impl File<'_> {
    /// `with_alpha`: whether alpha is not a part of `C`.
    fn write<C: ColorType>(self, samples: &[C::Inner], with_alpha: bool) -> TiffResult<()>
    where
        [C::Inner]: TiffValue,
    {
        let mut encoder = TiffEncoder::new(self.out)?;
        let described = self.metadata.exif.as_deref().and_then(exif::Directory::read).unwrap_or_default();
        let mut pointers = Vec::new();
        for (tag, directory) in &described.directories {
            pointers.push((*tag, write_directory(&mut encoder, directory)?));
        }
        let mut image = encoder.new_image::<C>(self.size[0], self.size[1])?;
        if with_alpha {
            image.extra_samples(&[ExtraSamples::UnassociatedAlpha])?;
        }
        if let Some([x, y]) = self.metadata.dpi {
            let hundredths = |v: f64| Rational { n: (v * 100.0).round() as u32, d: 100 };
            image.resolution_unit(ResolutionUnit::Inch);
            image.x_resolution(hundredths(x));
            image.y_resolution(hundredths(y));
        }
        let tags = [
            (Tag::IccProfile, self.color.icc()),
            (XMP, self.metadata.xmp.as_deref()),
            (IPTC, self.metadata.iptc.as_deref()),
        ];
        for (tag, value) in tags {
            if let Some(value) = value {
                image.encoder().write_tag(tag, value)?;
            }
        }
        write_entries(image.encoder(), &described.entries)?;
        for (tag, offset) in pointers {
            image.encoder().write_tag(Tag::from_u16_exhaustive(tag), offset)?;
        }
        image.write_data(samples)
    }
}

type Out<'o> = &'o mut Cursor<Vec<u8>>;

/// Writes a directory that is not of an image, and those that it points to. Returns its offset.
fn write_directory(encoder: &mut TiffEncoder<Out<'_>>, directory: &exif::Directory) -> TiffResult<u32> {
    let mut pointers = Vec::new();
    for (tag, directory) in &directory.directories {
        pointers.push((*tag, write_directory(encoder, directory)?));
    }
    let mut written = encoder.extra_directory()?;
    write_entries(&mut written, &directory.entries)?;
    for (tag, offset) in pointers {
        written.write_tag(Tag::from_u16_exhaustive(tag), offset)?;
    }
    Ok(written.finish_with_offsets()?.offset)
}

fn write_entries(
    directory: &mut DirectoryEncoder<'_, Out<'_>, TiffKindStandard>,
    entries: &[exif::Entry],
) -> TiffResult<()> {
    for exif::Entry { tag, kind, bytes } in entries {
        let Some(kind) = Type::from_u16(*kind) else { continue };
        let mut bytes = bytes.clone();
        ByteOrder::LittleEndian.convert(kind, &mut bytes, ByteOrder::native());
        let entry = directory.write_entry_bytes(kind, &bytes)?;
        let mut one = Directory::empty();
        one.extend([(Tag::from_u16_exhaustive(*tag), entry)]);
        directory.extend_from(&one);
    }
    Ok(())
}

/// A decoder that accepts long tags, such as profiles of printers.
fn decoder(file: &[u8]) -> Option<Decoder<Cursor<&[u8]>>> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES as usize;
    limits.ifd_value_size = MAX_BYTES as usize;
    Some(Decoder::new(Cursor::new(file)).ok()?.with_limits(limits))
}

/// The ICC profile. `image` refuses profiles that are longer than the pixels.
pub(super) fn icc(file: &[u8]) -> Option<Vec<u8>> {
    decoder(file)?.get_tag_u8_vec(Tag::IccProfile).ok()
}

/// The orientation tag.
pub(super) fn orientation(file: &[u8]) -> Option<Orientation> {
    let value = decoder(file)?.get_tag_u32(Tag::Orientation).ok()?;
    Orientation::from_exif(u8::try_from(value).ok()?)
}

/// Reads metadata.
pub(super) fn read_metadata(file: &[u8], metadata: &mut Metadata) {
    metadata.exif = exif::Directory::read(file).map(|described| described.to_exif());
    let Some(mut decoder) = decoder(file) else { return };
    if let Ok(xmp) = decoder.get_tag_u8_vec(XMP) {
        metadata.set_xmp(xmp);
    }
    metadata.iptc = decoder.get_tag_u8_vec(IPTC).ok().or_else(|| {
        // Photoshop stores the same bytes as 32-bit numbers.
        let big = decoder.byte_order() == ByteOrder::BigEndian;
        let numbers = decoder.get_tag_u32_vec(IPTC).ok()?;
        Some(numbers.into_iter().flat_map(|n| if big { n.to_be_bytes() } else { n.to_le_bytes() }).collect())
    });
    let mut rational = |tag| match decoder.get_tag(tag).ok()? {
        Value::Rational(n, d) if n > 0 && d > 0 => Some(f64::from(n) / f64::from(d)),
        _ => None,
    };
    let density = rational(Tag::XResolution).zip(rational(Tag::YResolution));
    let scale = match decoder.get_tag_u32(Tag::ResolutionUnit) {
        Ok(1) => return,
        Ok(3) => 2.54,
        _ => 1.0,
    };
    metadata.dpi = density.map(|(x, y)| [x * scale, y * scale]);
}

/// The pixels of a CMYK file, 8 bit, from 0 (no ink) to 255; `None` for other files.
pub(super) fn cmyk(file: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = decoder(file)?;
    if !matches!(decoder.colortype().ok()?, Pixels::CMYK(_)) {
        return None;
    }
    match decoder.read_image().ok()? {
        DecodingResult::U8(samples) => Some(samples),
        DecodingResult::U16(samples) => Some(samples.into_iter().map(|v| (v >> 8) as u8).collect()),
        _ => None,
    }
}

/// The picture of a file with gray pixels that `image` does not read: 32-bit floats, as 16 bit, or integers with alpha. `None`
/// for all other files.
pub(super) fn gray_pixels(file: &[u8]) -> Option<DynamicImage> {
    let mut decoder = decoder(file)?;
    let (width, height) = decoder.dimensions().ok()?;
    let kind = decoder.colortype().ok()?;
    let bytes = u64::from(width) * u64::from(height) * 4;
    if width > MAX_SIDE || height > MAX_SIDE || bytes > MAX_BYTES {
        return None;
    }
    let is_gray = decoder.get_tag_u32(Tag::PhotometricInterpretation).is_ok_and(|v| v == 1);
    match kind {
        Pixels::Gray(32) => {}
        Pixels::Multiband { num_samples: 2, bit_depth: 8 | 16 } if is_gray => {}
        _ => return None,
    }
    match (kind, decoder.read_image().ok()?) {
        (Pixels::Gray(32), DecodingResult::F32(values)) => {
            // The conversion of float to u16 saturates; NaN becomes 0.
            let samples = values.into_iter().map(|v| (v * 65535.0).round() as u16).collect();
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLuma16)
        }
        (Pixels::Multiband { .. }, DecodingResult::U8(samples)) => {
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8)
        }
        (Pixels::Multiband { .. }, DecodingResult::U16(samples)) => {
            ImageBuffer::from_raw(width, height, samples).map(DynamicImage::ImageLumaA16)
        }
        _ => None,
    }
}
