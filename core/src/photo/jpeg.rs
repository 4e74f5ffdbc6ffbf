//! JPEG files: segments, completeness, CMYK.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace as Channels;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::metadata::Metadata;

/// Longest payload of a segment, without its identifier.
const MAX_SEGMENT: usize = 65_000;
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// A Photoshop resource with IPTC records.
const IPTC_RESOURCE: &[u8] = b"8BIM\x04\x04\0\0";

/// The segments of a file.
pub(super) struct Segments<'b> {
    /// Marker code and payload of each segment.
    list: Vec<(u8, &'b [u8])>,
    /// Where the last scan ends.
    scan_end: usize,
    /// The end of the file behind its end-of-image marker; `None` without one.
    end: Option<usize>,
}

impl<'b> Segments<'b> {
    pub fn new(bytes: &'b [u8]) -> Segments<'b> {
        let mut segments = Segments { list: Vec::new(), scan_end: bytes.len(), end: None };
        let (mut at, mut after_scan) = (2, false);
        loop {
            // Finds the next marker. In entropy-coded data, FF 00 is an escaped byte, FF D0 to D7 are restarts, FF FF is fill.
            let rest = bytes.get(at..).unwrap_or_default();
            let is_marker = |w: &[u8]| w[0] == 0xFF && !matches!(w[1], 0x00 | 0x01 | 0xD0..=0xD7 | 0xFF);
            let marker = rest.windows(2).position(is_marker);
            if std::mem::take(&mut after_scan) {
                segments.scan_end = marker.map_or(bytes.len(), |offset| at + offset);
            }
            let Some(marker) = marker.map(|offset| at + offset) else { return segments };
            let code = bytes[marker + 1];
            if code == 0xD9 {
                segments.end = Some(marker + 2);
                return segments;
            }
            // The length includes its own two bytes. Whole segments are skipped, because EXIF may contain a JPEG thumbnail.
            let Some(&[high, low]) = bytes.get(marker + 2..marker + 4) else { return segments };
            let end = marker + 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            let Some(payload) = bytes.get(marker + 4..end) else { return segments };
            segments.list.push((code, payload));
            after_scan = code == 0xDA;
            at = end;
        }
    }

    /// Payloads of the segments with this code that begin with `identifier`, which is removed.
    fn with<'s>(&'s self, code: u8, identifier: &'s [u8]) -> impl Iterator<Item = &'b [u8]> + use<'s, 'b> {
        let all = self.list.iter().filter(move |(c, _)| *c == code);
        all.filter_map(move |(_, payload)| payload.strip_prefix(identifier))
    }

    /// Reads metadata other than EXIF.
    pub fn read_metadata(&self, metadata: &mut Metadata) {
        if let Some(&[_, _, unit @ (1 | 2), x_high, x_low, y_high, y_low, ..]) =
            self.with(0xE0, b"JFIF\0").next()
        {
            let scale = if unit == 1 { 1.0 } else { 2.54 };
            let density =
                [[x_high, x_low], [y_high, y_low]].map(|b| f64::from(u16::from_be_bytes(b)) * scale);
            metadata.dpi = density.iter().all(|v| *v > 0.0).then_some(density).or(metadata.dpi);
        }
        metadata.iptc = self.with(0xED, PHOTOSHOP).find_map(iptc_of_resources);
        metadata.comments = self.with(0xFE, b"").map(<[u8]>::to_vec).collect();
    }
}

/// Length of the picture at the start of `bytes`, which begin as a JPEG file; 0 if the first segment does not fit. A picture without
/// an end takes all bytes.
pub(super) fn length(bytes: &[u8]) -> usize {
    if !matches!(bytes.get(3), Some(0xC0..=0xCF | 0xDB..=0xDF | 0xE0..=0xEF | 0xFE)) {
        return 0;
    }
    let segments = Segments::new(bytes);
    if segments.list.is_empty() { 0 } else { segments.end.unwrap_or(bytes.len()) }
}

/// The file with its end-of-image marker in the right place: as it is, or closed after its last scan. `None` if pixels are
/// missing. The decoder silently fills missing pixels.
pub(super) fn complete(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let segments = Segments::new(&bytes);
    if segments.end.is_some() {
        return Some(bytes);
    }
    // If pixels are missing, the decoder reads what follows as pixels, and the picture depends on it.
    let mut files = [0x00, 0xA5].map(|filler| {
        let mut file = bytes[..segments.scan_end].to_vec();
        file.extend([filler; 4096]);
        file.extend([0xFF, 0xD9]);
        file
    });
    let [a, b] = files.each_ref().map(|file| decode(file, None));
    if a.is_none() || a != b {
        return None;
    }
    files[0].truncate(segments.scan_end);
    files[0].extend([0xFF, 0xD9]);
    Some(std::mem::take(&mut files[0]))
}

fn decoder(bytes: &[u8], channels: Option<Channels>) -> JpegDecoder<ZCursor<&[u8]>> {
    let mut options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(super::load::MAX_SIDE as usize)
        .set_max_height(super::load::MAX_SIDE as usize);
    if let Some(channels) = channels {
        options = options.jpeg_set_out_colorspace(channels);
    }
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

fn decode(bytes: &[u8], channels: Option<Channels>) -> Option<Vec<u8>> {
    decoder(bytes, channels).decode().ok()
}

/// The pixels of a CMYK file, from 0 (no ink) to 255; `None` for other files.
pub(super) fn cmyk(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut headers = decoder(bytes, None);
    headers.decode_headers().ok()?;
    let channels = headers.input_colorspace().filter(|c| matches!(c, Channels::CMYK | Channels::YCCK))?;
    let mut pixels = decode(bytes, Some(channels))?;
    if channels == Channels::YCCK {
        for pixel in pixels.chunks_exact_mut(4) {
            let [y, cb, cr] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
            let (cb, cr) = (cb - 128.0, cr - 128.0);
            let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            // The conversion of float to u8 saturates.
            pixel.iter_mut().zip(rgb).for_each(|(p, v)| *p = 255 - v.round() as u8);
        }
    }
    // Adobe stores 255 for no ink.
    if Segments::new(bytes).with(0xEE, b"Adobe").next().is_some() {
        pixels.iter_mut().for_each(|v| *v = 255 - *v);
    }
    Some(pixels)
}

/// The IPTC records of Photoshop's resources.
fn iptc_of_resources(mut resources: &[u8]) -> Option<Vec<u8>> {
    loop {
        let body = resources.strip_prefix(b"8BIM")?;
        // An ID, a name of even length including its length byte, a length, data of even length.
        let name = (1 + usize::from(*body.get(2)?)).next_multiple_of(2);
        let data = body.get(2 + name..)?;
        let length = u32::from_be_bytes(data.get(..4)?.try_into().ok()?) as usize;
        let content = data.get(4..length.checked_add(4)?)?;
        if body.starts_with(&[4, 4]) {
            return Some(content.to_vec());
        }
        resources = data.get(4 + length.next_multiple_of(2)..)?;
    }
}

/// Adds metadata other than EXIF and density to an encoded file. Returns what does not fit.
pub(super) fn write_metadata(file: &mut Vec<u8>, metadata: &Metadata) -> Vec<&'static str> {
    let mut added = Vec::new();
    let mut lost = Vec::new();
    let mut segment = |name, code, parts: &[&[u8]]| {
        let length: usize = parts.iter().map(|p| p.len()).sum();
        if length > MAX_SEGMENT {
            lost.push(name);
            return;
        }
        added.extend([0xFF, code]);
        added.extend((length as u16 + 2).to_be_bytes());
        parts.iter().for_each(|p| added.extend(*p));
    };
    if let Some(xmp) = &metadata.xmp {
        segment("XMP", 0xE1, &[XMP, xmp]);
    }
    if let Some(iptc) = &metadata.iptc {
        let length = (iptc.len() as u32).to_be_bytes();
        let padding = &[0][..iptc.len() % 2];
        segment("IPTC", 0xED, &[PHOTOSHOP, IPTC_RESOURCE, &length, iptc, padding]);
    }
    for comment in &metadata.comments {
        segment("the comment", 0xFE, &[comment]);
    }
    // After the application segments at the start.
    let mut at = 2;
    while let Some(&[0xFF, 0xE0..=0xEF, high, low]) = file.get(at..at + 4) {
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    file.splice(at..at, added);
    lost
}

/// Whether EXIF fits into a segment.
pub(super) fn exif_fits(exif: &[u8]) -> bool {
    exif.len() <= MAX_SEGMENT
}
