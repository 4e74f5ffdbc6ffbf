//! JPEG XL files: boxes of the container, and the pixels through jxl-oxide.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use brotli_decompressor::Decompressor;
use image::{ImageDecoder, ImageResult, Limits};
use jxl_oxide::integration::JxlDecoder;
use jxl_oxide::{AllocTracker, JxlImage};

use super::{exif, load};

/// The first bytes of a file in boxes.
const CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
/// The first bytes of pixels without boxes.
const CODESTREAM: &[u8] = b"\xff\x0a";
/// Memory for decoding, relative to the decoded pixels: the decoder computes in floats.
const MEMORY: u64 = 6;

/// Whether this is a JPEG XL file.
pub(super) fn is_jxl(bytes: &[u8]) -> bool {
    bytes.starts_with(CODESTREAM) || bytes.starts_with(CONTAINER)
}

/// The contents of a file. The decoder only gets the pixels, because it has no limit for compressed metadata.
pub(super) struct File<'b> {
    /// The compressed pixels.
    pub codestream: Cow<'b, [u8]>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
}

impl<'b> File<'b> {
    /// Reads the boxes; `None` if one is cut.
    pub fn read(bytes: &'b [u8]) -> Option<File<'b>> {
        let mut file = File { codestream: Cow::Borrowed(&[]), exif: None, xmp: None };
        let Some(mut rest) = bytes.strip_prefix(CONTAINER) else {
            return Some(File { codestream: bytes.into(), ..file });
        };
        while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
            // 0: to the end of the file; 1: the length is in the next 8 bytes.
            let (start, length) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, rest.len() as u64),
                1 => (16, u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)),
                length => (8, length.into()),
            };
            let content = rest.get(start..usize::try_from(length).ok()?)?;
            file.add(kind, content);
            rest = &rest[start + content.len()..];
        }
        Some(file)
    }

    fn add(&mut self, kind: &[u8; 4], content: &'b [u8]) {
        match kind {
            b"jxlc" => self.codestream = content.into(),
            // Parts, each with its number.
            b"jxlp" => self.codestream.to_mut().extend(content.get(4..).unwrap_or_default()),
            // The offset of the TIFF structure comes first.
            b"Exif" => self.exif = content.get(4..).map(<[u8]>::to_vec),
            b"xml " => self.xmp = Some(content.to_vec()),
            b"brob" => {
                let Some((kind, compressed)) = content.split_first_chunk::<4>() else { return };
                let limit = exif::MAX_BYTES as u64;
                let mut plain = Vec::new();
                let read = Decompressor::new(compressed, 4096).take(limit).read_to_end(&mut plain);
                match kind {
                    b"Exif" if read.is_ok() => self.exif = plain.get(4..).map(<[u8]>::to_vec),
                    b"xml " if read.is_ok() => self.xmp = Some(plain),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// Whether all pixels are there. The decoder makes a picture of what it finds.
pub(super) fn is_complete(codestream: &[u8]) -> bool {
    let tracker = AllocTracker::with_limit((MEMORY * load::MAX_BYTES) as usize);
    let image = JxlImage::builder().alloc_tracker(tracker).read(codestream);
    image.is_ok_and(|image| image.is_loading_done())
}

/// A decoder of a codestream that allows the sides of `limits`. It turns pixels upright.
pub(super) fn decoder<'c>(
    codestream: &'c [u8],
    mut limits: Limits,
) -> ImageResult<impl ImageDecoder + use<'c>> {
    let mut decoder = JxlDecoder::new(Cursor::new(codestream))?;
    limits.max_alloc = Some(MEMORY * load::MAX_BYTES);
    decoder.set_limits(limits)?;
    Ok(decoder)
}
