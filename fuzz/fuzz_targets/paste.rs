//! An inversion with any alignment, latent, weight changes and photo size: saved, opened, edited and pasted.
#![no_main]

use gani_core::edit::Edit;
use gani_core::face::{Alignment, Keep, PasteOptions};
use gani_core::inversion::{CropSource, Inversion};
use gani_core::invert::{InvertOptions, invert};
use gani_core::photo::pixels::ImageMut;
use gani_core::{Cancel, FaceSession, Model, Photo, Preset};
use gani_fuzz::{SIDE, WS, runtime, write_bundle};
use image::DynamicImage;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use ndarray::{Array2, Array4};
use std::path::Path;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    let _ = run(&mut Unstructured::new(data));
});

/// The model, and an inversion of it.
fn base() -> &'static (Model, Inversion) {
    static BASE: OnceLock<(Model, Inversion)> = OnceLock::new();
    BASE.get_or_init(|| {
        let folder = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable");
        write_bundle(folder.path());
        let model = Model::with_runtime(&folder.path().to_string_lossy(), runtime().clone()).expect("it is valid");
        let mut options = InvertOptions::new(&model, Preset::Fast).expect("its domain is known");
        options.settings.tune.iterations = 1;
        options.settings.refine.set_steps(1);
        let crop = Array4::zeros((1, 3, 256, 256));
        let source = CropSource { photo: "a.png".into(), size: [SIDE as u32; 2], alignment: None };
        let result = invert(&model, crop.view(), source, &options, &Cancel::new(), |_| {});
        (model, result.expect("the photo can be inverted").inversion)
    })
}

/// Half of the numbers are those of ordinary files, the others have any bits.
fn number(u: &mut Unstructured<'_>) -> Result<f64> {
    Ok(if u.arbitrary()? { f64::from(u.arbitrary::<i16>()?) / 64.0 } else { u.arbitrary()? })
}

fn alignment(u: &mut Unstructured<'_>) -> Result<Alignment> {
    if u.arbitrary()? {
        let mut quad = [[0.0; 2]; 4];
        for value in quad.as_flattened_mut() {
            *value = number(u)?;
        }
        return Ok(Alignment { quad });
    }
    // A square, turned and moved.
    let [x, y, right, down] = [number(u)?, number(u)?, number(u)?, number(u)?];
    let corner = |a: f64, b: f64| [x + a * right - b * down, y + a * down + b * right];
    Ok(Alignment { quad: [corner(0.0, 0.0), corner(0.0, 1.0), corner(1.0, 1.0), corner(1.0, 0.0)] })
}

fn photo(u: &mut Unstructured<'_>) -> Result<Photo> {
    let [width, height] = [u.int_in_range(1..=80)?, u.int_in_range(1..=80)?];
    let mut pixels = match u.int_in_range(0..=7)? {
        0 => DynamicImage::new_luma8(width, height),
        1 => DynamicImage::new_luma_a8(width, height),
        2 => DynamicImage::new_rgb8(width, height),
        3 => DynamicImage::new_rgba8(width, height),
        4 => DynamicImage::new_luma16(width, height),
        5 => DynamicImage::new_luma_a16(width, height),
        6 => DynamicImage::new_rgb16(width, height),
        _ => DynamicImage::new_rgba16(width, height),
    };
    if let Some(rgb) = pixels.as_mut_rgb8() {
        rgb.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 31) as u8);
    }
    Ok(Photo::from_pixels(Path::new("a.png"), pixels))
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let (model, base) = base();
    let mut inversion = base.clone();
    let mut photo = photo(u)?;
    let size = if u.ratio(1, 8)? { u.arbitrary()? } else { [photo.width(), photo.height()] };
    let alignment = if u.ratio(1, 8)? { None } else { Some(alignment(u)?) };
    inversion = inversion.with_source(CropSource { photo: "a.png".into(), size, alignment });
    if u.arbitrary()? {
        let shape = if u.ratio(1, 8)? { (u.int_in_range(0..=4)?, u.int_in_range(0..=9)?) } else { (WS[0], WS[1]) };
        let mut ws = Array2::zeros(shape);
        for value in &mut ws {
            *value = number(u)? as f32;
        }
        inversion.ws = ws;
    }
    for (_, change) in &mut inversion.changes {
        if let Some(value) = change.first_mut() {
            *value = number(u)? as f32;
        }
    }
    let names = ["smile", "pca.0", "pca.7", "sefa.1", "sefa.99", "none"];
    let mut edits = Vec::new();
    for _ in 0..u.int_in_range(0..=2)? {
        edits.push(Edit::new(*u.choose(&names)?, number(u)? as f32));
    }
    let keep = *u.choose(&[Keep::All, Keep::Background, Keep::None])?;
    let feather = number(u)?;

    let path = std::path::PathBuf::from(format!("/dev/shm/gani-fuzz-{}.safetensors", std::process::id()));
    if inversion.save(&path).is_err() {
        return Ok(());
    }
    let opened = Inversion::open(&path).expect("an inversion that was written can be read");
    let Ok(face) = FaceSession::open(model, opened) else { return Ok(()) };
    let Ok(image) = face.image(&edits) else { return Ok(()) };
    let options = PasteOptions { keep, feather, ..PasteOptions::default() };
    let before = photo.pixels.clone();
    let pasted = ImageMut::from_photo(&mut photo)
        .and_then(|mut pixels| face.paste_image(image.view(), &mut pixels, &options));
    match pasted {
        Err(_) => assert_eq!(photo.pixels, before, "a failed paste changed the photo"),
        Ok(region) => {
            let (right, bottom) = (region.x + region.width, region.y + region.height);
            assert!(right <= photo.width() && bottom <= photo.height(), "{region:?} is not in the photo");
        }
    }
    let _ = face.preview(image.view(), Array4::zeros((1, 3, 32, 32)).view(), keep, &Cancel::new());
    Ok(())
}
