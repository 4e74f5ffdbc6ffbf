//! Formats that are not read: recognized by content, with the way to convert them.

use std::path::Path;

/// Extensions of raw files of cameras. Most of these files are TIFF inside, with a small preview as the first picture.
const RAW: [&str; 23] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "rw2", "sr2", "srw", "x3f",
];
/// Extensions of other pictures that are not read.
const OTHERS: [&str; 14] =
    ["avif", "exr", "hdr", "heic", "heif", "hif", "ico", "jp2", "jxr", "pgm", "ppm", "psd", "svg", "xcf"];

const RAW_FILE: [&str; 2] =
    ["a raw file of a camera", "develop it to a 16-bit TIFF with darktable or RawTherapee"];
const JPEG_2000: [&str; 2] =
    ["a JPEG 2000 file", "convert it to PNG, for example with `opj_decompress -i IN -o OUT.png`"];
const SCENE: &str = "develop it to a PNG or TIFF with the colors of a screen, for example in GIMP or Blender";
const CONVERT: &str = "convert it to PNG, for example with `magick IN OUT.png`";

/// First bytes, what the file is, and how to convert it.
const SIGNATURES: [(&[u8], [&str; 2]); 31] = [
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
    (b"II\xbc", ["a JPEG XR file", "convert it to TIFF, for example with `JxrDecApp -i IN -o OUT.tif`"]),
    (b"8BPS", ["a Photoshop file", "export it as PNG or TIFF"]),
    (b"gimp xcf", ["a GIMP file", "export it as PNG or TIFF, or use gani's filter in GIMP"]),
    (b"%PDF", ["a PDF file", "save the picture as PNG, for example with `pdfimages -png IN.pdf OUT`"]),
    (b"%!PS", ["a PostScript file", "convert it to PNG, for example with `magick -density 300 IN OUT.png`"]),
    (b"v/1\x01", ["an OpenEXR file", SCENE]),
    (b"#?RADIANCE", ["a Radiance HDR file", SCENE]),
    (b"#?RGBE", ["a Radiance HDR file", SCENE]),
    (b"PF\n", ["a portable float map", SCENE]),
    (b"P2\n", ["a portable graymap", CONVERT]),
    (b"P3\n", ["a portable pixmap", CONVERT]),
    (b"P5\n", ["a portable graymap", CONVERT]),
    (b"P6\n", ["a portable pixmap", CONVERT]),
    (b"P7\n", ["a portable arbitrary map", CONVERT]),
    (b"farbfeld", ["a farbfeld file", CONVERT]),
    (b"DDS ", ["a texture (DDS)", CONVERT]),
    (b"\0\0\x01\0", ["an icon", CONVERT]),
    (b"\x8aMNG", ["an animation (MNG)", CONVERT]),
    (b"SIMPLE  =", ["a FITS file", "export it as 16-bit TIFF"]),
    (b"<svg", ["a drawing (SVG)", "convert it to PNG, for example with `inkscape IN.svg -o OUT.png`"]),
    (
        b"PK\x03\x04",
        ["a ZIP archive, or a file of Krita or OpenRaster", "unpack it, or export it as PNG or TIFF"],
    ),
    (b"\x1aE\xdf\xa3", ["a film", "save a picture of it as PNG"]),
    (b"FUJIFILMCCD-RAW", RAW_FILE),
    (b"II*\0\x10\0\0\0CR", RAW_FILE),
    (b"II\x1a\0\0\0HEAPCCDR", RAW_FILE),
    (b"IIRO", RAW_FILE),
    (b"IIU\0", RAW_FILE),
    (b"\0MRM", RAW_FILE),
    (b"FOVb", RAW_FILE),
];

/// Whether the extension is of a picture format that is not read.
pub fn is_foreign(path: &Path) -> bool {
    has_extension(path, &RAW) || has_extension(path, &OTHERS)
}

fn has_extension(path: &Path, list: &[&str]) -> bool {
    path.extension().is_some_and(|e| list.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// What the file is, and how to convert it; `None` for all formats that may be read.
pub(super) fn advice(path: &Path, bytes: &[u8]) -> Option<String> {
    let by_signature =
        || SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, advice)| *advice);
    // Most raw files have the signature of TIFF.
    let is_raw = || has_extension(path, &RAW) && (bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*"));
    let [name, way] = media_file(bytes).or_else(by_signature).or_else(|| is_raw().then_some(RAW_FILE))?;
    Some(format!("is {name}, which gani does not read; {way}"))
}

/// ISO base media files: the major brand, a version, compatible brands.
fn media_file(bytes: &[u8]) -> Option<[&'static str; 2]> {
    if bytes.get(4..8) != Some(b"ftyp") {
        return None;
    }
    let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let brands = bytes.get(8..length.min(bytes.len())).unwrap_or_default();
    let has = |names: &[&[u8; 4]]| brands.chunks_exact(4).any(|b| names.iter().any(|name| &name[..] == b));
    Some(if has(&[b"avif", b"avis"]) {
        ["an AVIF file", "convert it to PNG or TIFF, for example with `avifdec IN.avif OUT.png`"]
    } else if has(&[b"crx "]) {
        RAW_FILE
    } else if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
        [
            "a HEIC file",
            "convert it to JPEG or PNG, for example with `heif-convert IN.heic OUT.png`, or set the phone's camera to JPEG",
        ]
    } else {
        ["a film", "save a picture of it as PNG"]
    })
}
