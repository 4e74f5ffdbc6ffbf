//! Chunks of PNG files: color and metadata that the decoder does not report, and writing of metadata.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, MatrixCoefficients,
    ToneReprCurve, TransferCharacteristics,
};

use super::color::ColorSpace;
use super::metadata::Metadata;

const SIGNATURE: usize = 8;
/// Pixels per inch for one pixel per meter.
const DPI: f64 = 0.0254;
/// The keyword of XMP in an iTXt chunk, its end, no compression, no language, no translated keyword.
const XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";
/// Values of gAMA that stand for the curve of sRGB, in units of 1/100,000.
const SRGB_GAMMA: std::ops::RangeInclusive<u32> = 45_000..=46_000;

/// Types and data of the chunks, except pixels.
fn chunks(file: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut list = Vec::new();
    let mut rest = file.get(SIGNATURE..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(data) = after.get(..length) else { break };
        if kind != b"IDAT" {
            list.push((*kind, data));
        }
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    list
}

/// The color space by the chunks cICP, sRGB, gAMA and cHRM; `None` without them. An ICC profile has precedence over all but
/// cICP.
pub(super) fn color_space(file: &[u8], gray: bool, has_icc: bool) -> Option<ColorSpace> {
    let chunks = chunks(file);
    let find = |kind: &[u8; 4]| chunks.iter().find(|(k, _)| k == kind).map(|(_, data)| *data);
    let made = |profile: ColorProfile| match ColorSpace::from_profile(profile, gray) {
        Ok(space) => Some(space),
        Err(e) => {
            log::warn!("the color information of the PNG file is not used: {e}");
            None
        }
    };
    if let Some(&[primaries, transfer, 0, 1]) = find(b"cICP")
        && let (Ok(color_primaries), Ok(transfer_characteristics)) =
            (CicpColorPrimaries::try_from(primaries), TransferCharacteristics::try_from(transfer))
    {
        let cicp = CicpProfile {
            color_primaries,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        };
        let profile = ColorProfile::new_from_cicp(cicp);
        return made(if gray { to_gray(profile) } else { profile });
    }
    if has_icc {
        return None;
    }
    if find(b"sRGB").is_some() {
        return Some(ColorSpace::srgb());
    }
    let number = |data: &[u8], i: usize| data.get(4 * i..4 * i + 4)?.try_into().ok().map(u32::from_be_bytes);
    let gamma = find(b"gAMA").and_then(|data| number(data, 0)).filter(|&g| g > 0);
    let points = find(b"cHRM").and_then(|data| (0..8).map(|i| number(data, i)).collect::<Option<Vec<_>>>());
    if gamma.is_none() && points.is_none() {
        return None;
    }
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    if let Some(gamma) = gamma.filter(|g| !SRGB_GAMMA.contains(g)) {
        let curve = ToneReprCurve::Parametric(vec![100_000.0 / gamma as f32]);
        (profile.red_trc, profile.green_trc, profile.blue_trc) =
            (Some(curve.clone()), Some(curve.clone()), Some(curve));
    }
    if let Some(points) = points.filter(|p| (0..4).all(|i| p[2 * i + 1] > 0)) {
        let at = |i: usize| Chromaticity::new(points[2 * i] as f32 / 1e5, points[2 * i + 1] as f32 / 1e5);
        let primaries = ColorPrimaries { red: at(1), green: at(2), blue: at(3) };
        profile.update_rgb_colorimetry(at(0).to_xyyb(), primaries);
    }
    made(if gray { to_gray(profile) } else { profile })
}

/// A profile for gray pixels with the curve of an RGB profile.
fn to_gray(rgb: ColorProfile) -> ColorProfile {
    let mut gray = ColorProfile::new_gray_with_gamma(2.2);
    gray.gray_trc = rgb.green_trc;
    gray
}

/// Reads metadata other than EXIF.
pub(super) fn read_metadata(file: &[u8], metadata: &mut Metadata) {
    for (kind, data) in chunks(file) {
        match &kind {
            b"pHYs" => {
                if let &[x0, x1, x2, x3, y0, y1, y2, y3, 1] = data {
                    let dpi =
                        [[x0, x1, x2, x3], [y0, y1, y2, y3]].map(|b| f64::from(u32::from_be_bytes(b)) * DPI);
                    metadata.dpi = dpi.iter().all(|v| *v > 0.0).then_some(dpi).or(metadata.dpi);
                }
            }
            b"iTXt" if data.starts_with(XMP) => metadata.set_xmp(data[XMP.len()..].to_vec()),
            // Compressed: the decoder has read it.
            b"iTXt" if data.starts_with(&XMP[..18]) => {}
            // Other programs store EXIF, with its thumbnail, as text.
            b"tEXt" | b"zTXt" | b"iTXt" if data.starts_with(b"Raw profile type") => {
                metadata.had_raw_profile = true;
            }
            b"tEXt" | b"zTXt" | b"iTXt" | b"gAMA" | b"cHRM" | b"cICP" => {
                metadata.png_chunks.push((kind, data.to_vec()));
            }
            _ => {}
        }
    }
}

/// Adds metadata other than EXIF to an encoded file.
pub(super) fn write_metadata(file: &mut Vec<u8>, metadata: &Metadata) {
    let mut added = Vec::new();
    let mut chunk = |kind: &[u8; 4], parts: &[&[u8]]| {
        let start = added.len() + 4;
        let length: usize = parts.iter().map(|p| p.len()).sum();
        added.extend((length as u32).to_be_bytes());
        added.extend(kind);
        parts.iter().for_each(|p| added.extend(*p));
        let crc = crc32(&added[start..]);
        added.extend(crc.to_be_bytes());
    };
    if let Some(dpi) = metadata.dpi {
        let [x, y] = dpi.map(|v| ((v / DPI).round() as u32).to_be_bytes());
        chunk(b"pHYs", &[&x, &y, &[1]]);
    }
    if let Some(xmp) = &metadata.xmp {
        chunk(b"iTXt", &[XMP, xmp]);
    }
    for (kind, data) in &metadata.png_chunks {
        chunk(kind, &[data]);
    }
    // Before the pixels.
    let mut at = SIGNATURE;
    while let Some((&[a, b, c, d, ref kind @ ..], _)) =
        file.get(at..).and_then(|r| r.split_first_chunk::<8>())
        && kind != b"IDAT"
    {
        at += 12 + u32::from_be_bytes([a, b, c, d]) as usize;
    }
    let at = at.min(file.len());
    file.splice(at..at, added);
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
    };
    !data.iter().fold(u32::MAX, step)
}
