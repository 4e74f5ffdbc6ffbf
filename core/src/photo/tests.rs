//! Reading and writing picture files.

use std::fs;
use std::path::Path;

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

use moxcms::ColorProfile;

use super::*;
use crate::Error;

/// A smooth color image.
pub(crate) fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32, b: f32| (128.0 + 80.0 * (x as f32 / a).sin() + 40.0 * (y as f32 / b).cos()) as u8;
        Rgb([wave(17.0, 23.0), wave(31.0, 13.0), wave(11.0, 41.0)])
    })
}

pub(crate) fn photo(pixels: impl Into<DynamicImage>) -> Photo {
    Photo::from_pixels(Path::new("test.png"), pixels.into())
}

/// A pipe would wait for a writer, and `/dev/zero` never ends.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, what) in [
        (&*pipe, "a device or a pipe"),
        (Path::new("/dev/zero"), "a device or a pipe"),
        (folder.path(), "a folder"),
    ] {
        let errors = [
            Photo::open(path).unwrap_err(),
            crate::util::files::sha256(path).unwrap_err(),
            crate::util::npy::NpyArray::read(path).unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains(what) && text.contains(&*path.to_string_lossy()), "{text}");
        }
    }
    let text = crate::report::inspect::inspect(&pipe, false).unwrap_err().to_string();
    assert!(text.contains("a device or a pipe"), "{text}");
}

#[test]
fn errors_name_the_unreadable_file_and_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.png");
    photo(picture(64, 48)).save(&good).unwrap();
    let png = fs::read(&good).unwrap();
    photo(picture(64, 48)).save(dir.path().join("good.jpg")).unwrap();
    let jpeg = fs::read(dir.path().join("good.jpg")).unwrap();
    // A BMP header for 30,000 × 30,000 pixels, without the pixels.
    let mut huge = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    huge.extend([30_000u32.to_le_bytes(), 30_000u32.to_le_bytes()].concat());
    huge.extend([1, 0, 24, 0]);
    huge.extend([0; 24]);
    let mut empty = huge.clone();
    empty[18..26].fill(0);
    for (name, bytes, word) in [
        ("text.png", &b"hello, this is not an image"[..], "format is unknown"),
        ("empty.jpg", b"", "format is unknown"),
        ("cut.png", &png[..png.len() / 2], "cannot be read"),
        ("cut.jpg", &jpeg[..jpeg.len() / 2], "truncated"),
        ("cut2.jpg", &jpeg[..jpeg.len() - 1], "truncated"),
        ("huge.bmp", &huge, "20000"),
        ("zero.bmp", &empty, "zero.bmp"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let text = Photo::open(&path).map(|p| p.pixels.color()).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains(word), "{name}: {text}");
    }
    assert!(matches!(Photo::open(dir.path().join("huge.bmp")), Err(Error::Limits(_))));
    assert!(matches!(Photo::open(dir.path().join("absent.png")), Err(Error::Io { .. })));
    assert!(Photo::open(dir.path()).unwrap_err().to_string().contains("folder"));
    assert!(photo(picture(4, 4)).save(dir.path().join("x.gani")).unwrap_err().to_string().contains(".png"));
}

#[test]
fn a_round_trip_preserves_every_bit_depth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep.png");
    let kinds: [DynamicImage; 5] = [
        picture(20, 10).into(),
        GrayImage::from_fn(20, 10, |x, _| Luma([x as u8])).into(),
        ImageBuffer::from_fn(20, 10, |x, _| LumaA([x as u16 * 3001, 77u16])).into(),
        ImageBuffer::from_fn(20, 10, |x, y| Rgb([x as u16 * 3001, y as u16 * 5003, 65535])).into(),
        ImageBuffer::from_fn(20, 10, |x, y| Rgba([x as u8, y as u8, 9, 100u8])).into(),
    ];
    for pixels in kinds {
        let mut written = photo(pixels);
        let gray = !written.pixels.color().has_color();
        let profile =
            if gray { ColorProfile::new_gray_with_gamma(1.8) } else { ColorProfile::new_adobe_rgb() };
        written.color = ColorSpace::from_icc(&profile.encode().unwrap(), gray).unwrap();
        for path in [&path, &path.with_extension("tif")] {
            written.save(path).unwrap();
            let read = Photo::open(path).unwrap();
            assert_eq!(read.pixels, written.pixels);
            assert_eq!(read.color.icc(), written.color.icc(), "{path:?} {:?}", written.pixels.color());
            assert!(!read.color.is_srgb());
        }
    }
}

#[test]
fn a_16_bit_copy_has_the_same_values() {
    let all = GrayImage::from_fn(256, 1, |x, _| Luma([x as u8]));
    let copy = ImageBuffer::from_fn(256, 1, |x, _| Luma([x as u16 * 257]));
    assert_eq!(photo(all).to_tensor(), photo(copy).to_tensor());
}

#[test]
fn orientation_is_applied_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("turned.jpg");
    let mut turned = photo(picture(40, 20));
    // A minimal EXIF block with orientation 6: rotate by 90° clockwise for display.
    turned.metadata.exif =
        Some([&b"II*\0\x08\0\0\0\x01\0"[..], &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0], &[0; 4]].concat());
    turned.save(&path).unwrap();
    let upright = Photo::open(&path).unwrap();
    assert_eq!((upright.width(), upright.height()), (20, 40));
    upright.save(&path).unwrap();
    let again = Photo::open(&path).unwrap();
    assert_eq!((again.width(), again.height()), (20, 40));
}

/// Writes a TIFF file of 2 × 1 pixels.
fn write_tiff<C: ::tiff::encoder::colortype::ColorType>(path: &Path, samples: &[C::Inner], icc: Option<&[u8]>)
where
    [C::Inner]: ::tiff::encoder::TiffValue,
{
    let mut file = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<C>(2, 1).unwrap();
    if let Some(icc) = icc {
        image.encoder().write_tag(::tiff::tags::Tag::IccProfile, icc).unwrap();
    }
    image.write_data(samples).unwrap();
    fs::write(path, file.into_inner()).unwrap();
}

#[test]
fn float_tiff_files_are_read_or_refused_in_words() {
    use ::tiff::encoder::colortype::{Gray32Float, Gray64Float, RGB32Float, RGB64Float};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("float.tif");
    write_tiff::<RGB32Float>(&path, &[0.0, 0.5, 1.0, 2.0, -1.0, f32::NAN], None);
    let read = Photo::open(&path).unwrap().pixels.into_rgb16();
    assert_eq!(read.as_raw()[..5], [0, 32768, 65535, 65535, 0]);
    write_tiff::<Gray32Float>(&path, &[0.5, f32::NAN], None);
    assert_eq!(Photo::open(&path).unwrap().pixels.into_luma16().into_raw(), [32768, 0]);
    write_tiff::<Gray64Float>(&path, &[0.5, 1.0], None);
    let text = Photo::open(&path).unwrap_err().to_string();
    assert!(text.contains("float.tif") && text.contains("64"), "{text}");
    write_tiff::<RGB64Float>(&path, &[0.5; 6], None);
    let text = Photo::open(&path).unwrap_err().to_string();
    assert!(text.contains("float.tif"), "{text}");
}

#[test]
fn cmyk_tiff_files_are_converted_through_their_profile() {
    use ::tiff::encoder::colortype::{CMYK8, CMYK16};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cmyk.tif");
    let jpeg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/photos/cmyk-icc.jpg");
    let jpeg = fs::read(jpeg).unwrap();
    let start = jpeg.windows(12).position(|w| w == b"ICC_PROFILE\0").unwrap() + 14;
    let length = u32::from_be_bytes(jpeg[start..start + 4].try_into().unwrap()) as usize;
    let icc = &jpeg[start..start + length];
    let inks = [0, 0, 0, 0, 200, 30, 10, 60];
    let expected = ColorSpace::cmyk_to_srgb(icc, &inks).unwrap();
    write_tiff::<CMYK8>(&path, &inks, Some(icc));
    let read = Photo::open(&path).unwrap();
    assert!(read.color.is_srgb() && read.color.icc().is_some());
    assert_eq!(read.pixels.into_rgb8().into_raw(), expected);
    write_tiff::<CMYK16>(&path, &inks.map(|v| u16::from(v) * 257), Some(icc));
    assert_eq!(Photo::open(&path).unwrap().pixels.into_rgb8().into_raw(), expected);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(Photo::open(&path).unwrap_err().to_string().contains("a device or a pipe"));
}
