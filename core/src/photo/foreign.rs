//! Formats of cameras and phones that are not read: recognized by content, with the way to convert them.

use std::path::Path;

/// Extensions of raw files of cameras. Most of these files are TIFF inside, with a small preview as the first picture.
const RAW: [&str; 22] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "rw2", "sr2", "srw",
];

/// What the file is, and how to convert it; `None` for all formats that may be read.
pub(super) fn advice(path: &Path, bytes: &[u8]) -> Option<String> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let convert = |name: &str, way: &str| Some(format!("is {name}, which gani does not read; {way}"));
    // ISO base media: the major brand, then a version, then compatible brands.
    if bytes.get(4..8) == Some(b"ftyp") {
        let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let has = |names: &[&[u8; 4]]| {
            let brands = bytes.get(8..length.min(bytes.len())).unwrap_or_default();
            brands.chunks_exact(4).any(|b| names.iter().any(|name| &name[..] == b))
        };
        return if has(&[b"avif", b"avis"]) {
            convert("an AVIF file", "convert it to PNG or TIFF, for example with `avifdec IN.avif OUT.png`")
        } else if has(&[b"crx "]) {
            convert("a raw file of a camera", "develop it to a 16-bit TIFF with darktable or RawTherapee")
        } else if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
            convert(
                "a HEIC file",
                "convert it to JPEG or PNG, for example with `heif-convert IN.heic OUT.png`, or set the phone's camera to JPEG",
            )
        } else {
            convert("a film", "save a picture of it as PNG")
        };
    }
    if bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") {
        return convert("a JPEG XL file", "convert it to PNG, for example with `djxl IN.jxl OUT.png`");
    }
    if bytes.starts_with(b"\0\0\0\x0cjP  \r\n\x87\n") || bytes.starts_with(b"\xff\x4f\xff\x51") {
        return convert(
            "a JPEG 2000 file",
            "convert it to PNG, for example with `opj_decompress -i IN -o OUT.png`",
        );
    }
    if bytes.starts_with(b"8BPS") {
        return convert("a Photoshop file", "export it as PNG or TIFF");
    }
    if bytes.starts_with(b"gimp xcf") {
        return convert("a GIMP file", "export it as PNG or TIFF, or use gani's filter in GIMP");
    }
    if bytes.starts_with(b"%PDF") {
        return convert(
            "a PDF file",
            "save the picture as PNG, for example with `pdfimages -png IN.pdf OUT`",
        );
    }
    if bytes.starts_with(b"FUJIFILMCCD-RAW") || (!bytes.is_empty() && RAW.contains(&extension.as_str())) {
        return convert(
            "a raw file of a camera",
            "develop it to a 16-bit TIFF with darktable or RawTherapee",
        );
    }
    None
}
