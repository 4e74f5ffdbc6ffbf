//! JPEG XL files, through jxl-oxide.

use std::io::Cursor;

use image::{ImageDecoder, ImageResult, Limits};
use jxl_oxide::integration::JxlDecoder;

use super::load::MAX_BYTES;

/// The first bytes of a file in boxes.
const CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
/// Memory for decoding, relative to the decoded pixels: the decoder computes in floats.
const MEMORY: u64 = 6;

/// Whether this is a JPEG XL file.
pub(super) fn is_jxl(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\x0a") || bytes.starts_with(CONTAINER)
}

/// A decoder within the limits of `limits`. It turns pixels upright and reports EXIF as it is stored.
pub(super) fn decoder(bytes: &[u8], limits: Limits) -> ImageResult<impl ImageDecoder + use<'_>> {
    let mut decoder = JxlDecoder::new(Cursor::new(bytes))?;
    decoder.set_limits(Limits { max_alloc: Some(MEMORY * MAX_BYTES), ..limits })?;
    Ok(decoder)
}

/// The XMP packet, unless it is compressed.
pub(super) fn xmp(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(CONTAINER)?;
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        // 0: to the end of the file; 1: the length is in the next 8 bytes.
        let (start, length) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, rest.len() as u64),
            1 => (16, u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)),
            length => (8, length.into()),
        };
        let content = rest.get(start..usize::try_from(length).ok()?)?;
        if kind == b"xml " {
            return Some(content);
        }
        rest = &rest[start + content.len()..];
    }
    None
}
