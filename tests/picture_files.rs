//! Picture files with profiles, metadata and unusual ends: each is a report about tools of this field.
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use gani_core::face::{Alignment, PasteOptions, paste};
use gani_core::photo::{ColorSpace, Photo, image_from_crop};
use image::{DynamicImage, Rgb};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn case(name: &str) -> Photo {
    Photo::open(data("photos").join(name)).unwrap()
}

/// Mean absolute difference of two photos as networks see them, from 0 to 255.
fn difference(a: &Photo, b: &Photo) -> f64 {
    let (a, b) = (a.to_tensor(), b.to_tensor());
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs()) * 127.5).sum::<f64>() / a.len() as f64
}

fn astronaut() -> Photo {
    Photo::open(data("astronaut.png")).unwrap()
}

fn save_and_open(photo: &Photo, name: &str) -> (Vec<u8>, Photo) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    photo.save(&path).unwrap();
    (fs::read(&path).unwrap(), Photo::open(&path).unwrap())
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

/// A square of 120 pixels on the face.
const SQUARE: Alignment = Alignment { quad: [[160.0, 60.0], [160.0, 180.0], [280.0, 180.0], [280.0, 60.0]] };

/// Pastes the face of the astronaut, moved by 4 pixels.
fn paste_moved(photo: &mut Photo) {
    let moved = SQUARE.quad.map(|[x, y]| [x + 4.0, y]);
    let crop = Alignment { quad: moved }.crop(&astronaut(), 120).unwrap();
    paste(photo, crop.view(), &SQUARE, &PasteOptions::default()).unwrap();
}

#[test]
fn networks_see_srgb() {
    let original = astronaut();
    for (name, tolerance) in
        [("icc-adobergb.jpg", 4.0), ("icc-p3.png", 1.0), ("icc-swapped.png", 1.0), ("gama1.png", 1.5)]
    {
        let photo = case(name);
        assert!(!photo.color.is_srgb(), "{name}");
        let difference = difference(&photo, &original);
        println!("{name}: {difference:.2}");
        assert!(difference < tolerance, "{name}: {difference}");
        // The values of the file themselves are far from sRGB.
        let plain = Photo { color: ColorSpace::default(), ..photo };
        assert!(self::difference(&plain, &original) > 1.5 * difference, "{name}");
    }
}

#[test]
fn the_change_is_carried_into_the_space_of_the_file() {
    let mut expected = astronaut();
    paste_moved(&mut expected);
    for name in ["icc-adobergb.jpg", "icc-p3.png", "icc-swapped.png", "gama1.png"] {
        let before = case(name);
        let mut after = before.clone();
        paste_moved(&mut after);
        let (_, written) = save_and_open(&after, "out.png");
        assert_eq!(written.pixels, after.pixels, "{name}");
        assert_eq!(written.color.icc(), before.color.icc(), "{name}");
        let (old, new) = (before.pixels.to_rgb8(), written.pixels.to_rgb8());
        let changed = old.enumerate_pixels().filter(|(x, y, p)| new.get_pixel(*x, *y) != *p);
        let outside = changed.clone().filter(|(x, y, _)| !(160..280).contains(x) || !(60..180).contains(y));
        assert_eq!(outside.count(), 0, "{name}");
        assert!(changed.count() > 1000, "{name}");
        let difference = difference(&written, &expected);
        assert!(difference < 4.0, "{name}: {difference}");
    }
}

#[test]
fn formats_without_profiles_get_srgb_and_others_are_tagged() {
    let photo = case("icc-swapped.png");
    let (_, bmp) = save_and_open(&photo, "out.bmp");
    assert_eq!(bmp.color.icc(), None);
    assert!(difference(&bmp, &photo) < 1.0);
    for name in ["out.png", "out.jpg", "out.webp", "out.tif"] {
        let (_, kept) = save_and_open(&photo, name);
        assert_eq!(kept.color.icc(), photo.color.icc(), "{name}");
        let crop = Photo::from_pixels(Path::new("face"), image_from_crop(photo.to_tensor().view()).into());
        let (_, face) = save_and_open(&crop, name);
        assert!(face.color.icc().is_some() && face.color.is_srgb(), "{name}");
    }
}

/// The table of the file's profile stores a* and b* as signed bytes, which no reader expects, so white becomes cyan. With these
/// bytes corrected, the picture looks as the original.
#[test]
fn cmyk_is_converted_through_its_profile() {
    let mut bytes = fs::read(data("photos/cmyk-icc.jpg")).unwrap();
    let table = bytes.windows(4).position(|w| w == b"mft1").unwrap() + 48 + 4 * 256;
    for entry in bytes[table..table + 16 * 3].chunks_exact_mut(3) {
        entry[1..].iter_mut().for_each(|v| *v = v.wrapping_add(128));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cmyk.jpg");
    fs::write(&path, bytes).unwrap();
    let (photo, toy) = (Photo::open(&path).unwrap(), case("cmyk-icc.jpg"));
    let (right, wrong) = (difference(&photo, &astronaut()), difference(&toy, &astronaut()));
    println!("cmyk: {right:.2}, with the table as it is {wrong:.2}");
    assert!(right < 20.0 && wrong > 60.0, "{right} {wrong}");
    for photo in [photo, toy] {
        let (_, written) = save_and_open(&photo, "out.jpg");
        assert!(written.color.is_srgb() && written.pixels.color().has_color());
        assert_eq!(&written.color.icc().unwrap()[16..20], b"RGB ");
    }
}

#[test]
fn gray_stays_gray() {
    let mut photo = case("grey-as-rgb.jpg");
    let before = photo.pixels.clone();
    paste_moved(&mut photo);
    assert_ne!(photo.pixels, before);
    for name in ["out.png", "out.jpg"] {
        let (_, written) = save_and_open(&photo, name);
        assert!(written.pixels.to_rgb8().pixels().all(|Rgb([r, g, b])| r == g && g == b), "{name}");
    }
}

#[test]
fn a_jpeg_with_all_pixels_but_no_end_is_read() {
    let bytes = fs::read(data("photos/no-eoi-trailer.jpg")).unwrap();
    let photo = case("no-eoi-trailer.jpg");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jpg");
    // The trailer ends with SEFT and begins after the scan; closing the file anywhere in it gives the same picture.
    let closed = [&bytes[..], &[0xFF, 0xD9]].concat();
    fs::write(&path, closed).unwrap();
    assert_eq!(Photo::open(&path).unwrap().pixels, photo.pixels);
    assert!(difference(&photo, &astronaut()) < 6.0);
    // Without the last pixels it is refused, wherever it ends.
    let whole = fs::read(data("photos/thumb.jpg")).unwrap();
    for end in [whole.len() / 4, whole.len() / 2, whole.len() - 2000, whole.len() - 60, whole.len() - 12] {
        fs::write(&path, &whole[..end]).unwrap();
        let text = Photo::open(&path).map(|p| p.width()).unwrap_err().to_string();
        assert!(text.contains("truncated"), "{end}: {text}");
    }
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    assert_eq!(Photo::open(&path).unwrap().pixels, case("thumb.jpg").pixels);
}

#[test]
fn no_thumbnail_of_the_unedited_face_is_written() {
    let photo = case("thumb.jpg");
    let exif = photo.metadata.exif.as_ref().unwrap();
    assert!(!contains(exif, &[0xFF, 0xD8, 0xFF]) && exif.len() < 500, "{}", exif.len());
    for name in ["out.jpg", "out.png", "out.webp"] {
        let (bytes, written) = save_and_open(&photo, name);
        assert_eq!(written.metadata.exif.as_ref(), Some(exif), "{name}");
        assert_eq!(
            bytes.windows(3).filter(|w| *w == [0xFF, 0xD8, 0xFF]).count(),
            usize::from(name == "out.jpg")
        );
    }
}

#[test]
fn metadata_is_kept() {
    let photo = case("meta.jpg");
    let metadata = &photo.metadata;
    assert_eq!(metadata.dpi, Some([300.0; 2]));
    assert_eq!(metadata.comments, [b"a comment"]);
    assert!(metadata.exif.is_some());
    let (bytes, written) = save_and_open(&photo, "out.jpg");
    assert_eq!(written.metadata, photo.metadata);
    assert!(contains(&bytes, b"a comment"));

    let photo = case("phys-text.png");
    assert_eq!(photo.metadata.dpi.map(|d| d.map(f64::round)), Some([300.0; 2]));
    let (bytes, written) = save_and_open(&photo, "out.png");
    assert_eq!(written.metadata, photo.metadata);
    assert!(contains(&bytes, b"tEXtCopyright\0Someone"));
    assert!(image::load_from_memory(&bytes).is_ok(), "the added chunks have valid checksums");
    let (_, tiff) = save_and_open(&photo, "out.tif");
    assert_eq!(tiff.metadata.dpi.map(|d| d.map(f64::round)), Some([300.0; 2]));
}

#[test]
fn xmp_and_iptc_are_kept() {
    let mut photo = astronaut();
    photo.metadata.xmp = Some(b"<x:xmpmeta>a caption</x:xmpmeta>".to_vec());
    photo.metadata.iptc = Some(b"\x1c\x02\x78\0\x07caption".to_vec());
    for (name, iptc) in [("out.jpg", true), ("out.tif", true), ("out.png", false), ("out.webp", false)] {
        let (_, written) = save_and_open(&photo, name);
        if name != "out.webp" {
            assert_eq!(written.metadata.xmp, photo.metadata.xmp, "{name}");
        }
        assert_eq!(written.metadata.iptc.is_some(), iptc, "{name}");
    }
}

#[test]
fn transparency_goes_over_the_matte_or_stays() {
    let photo = case("cutout.png");
    let (_, png) = save_and_open(&photo, "out.png");
    assert_eq!(png.pixels, photo.pixels);
    let source = photo.pixels.to_rgba8();
    let (x, y, _) = source.enumerate_pixels().find(|(_, _, p)| p.0[3] == 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for matte in [[255; 3], [0, 80, 200]] {
        let path = folder.path().join("out.jpg");
        photo.save_over(&path, matte).unwrap();
        let pixel = Photo::open(&path).unwrap().pixels.to_rgb8().get_pixel(x, y).0;
        assert!(pixel.iter().zip(matte).all(|(a, b)| a.abs_diff(b) < 12), "{pixel:?} {matte:?}");
    }
}

#[test]
fn deep_gray_with_alpha_is_exact() {
    let photo = case("la16.png");
    assert!(matches!(photo.pixels, DynamicImage::ImageLumaA16(_)));
    for name in ["out.tif", "out.png"] {
        assert_eq!(save_and_open(&photo, name).1.pixels, photo.pixels, "{name}");
    }
}

#[test]
fn float_tiff_is_read() {
    let photo = case("float.tif");
    let gray = DynamicImage::from(astronaut().pixels.to_luma8());
    let gray = Photo::from_pixels(Path::new("gray"), gray);
    assert!(difference(&photo, &gray) < 3.0, "{}", difference(&photo, &gray));
}

#[test]
fn the_bytes_are_what_the_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let photo = astronaut();
    for extension in ["gif", "avif", "ico", "exr", "hdr", "tga", "ppm", "qoi", "ff", "heic", ""] {
        let path = folder.path().join("face").with_extension(extension);
        assert!(photo.save(&path).unwrap_err().to_string().contains(".png"), "{extension}");
        assert!(!path.exists(), "{extension}");
    }
    for (extension, magic) in
        [("png", &b"\x89PNG"[..]), ("jpg", b"\xff\xd8"), ("webp", b"RIFF"), ("tif", b"II"), ("bmp", b"BM")]
    {
        let path = folder.path().join("face").with_extension(extension);
        photo.save(&path).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(magic), "{extension}");
    }
}

#[test]
fn more_formats_are_read_and_others_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let photo = astronaut();
    for (extension, tolerance) in [("gif", 12.0), ("tga", 0.0), ("qoi", 0.0)] {
        let path = folder.path().join("face").with_extension(extension);
        photo.pixels.to_rgb8().save(&path).unwrap();
        let read = Photo::open(&path).unwrap();
        assert!(difference(&read, &photo) <= tolerance, "{extension}: {}", difference(&read, &photo));
    }
    for (name, bytes, word) in [
        ("a.heic", &b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        ("a.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "avifdec"),
        ("a.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "film"),
        ("a.jxl", b"\xff\x0a\0\0", "djxl"),
        ("a.NEF", b"II*\0\x08\0\0\0", "darktable"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw file"),
        ("a.psd", b"8BPS\0\x01", "Photoshop"),
        ("a.txt", b"hello", "QOI"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let text = Photo::open(&path).map(|p| p.width()).unwrap_err().to_string();
        assert!(text.contains(word) && text.contains(name), "{name}: {text}");
    }
}
