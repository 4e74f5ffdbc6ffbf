//! A host's picture retouched from beginning to end: found, inverted once, edited, pasted, found again in the cache.
#![allow(missing_docs)]

use gani_core::Error;
use gani_core::face::FaceChoice;
use gani_core::face_session::{FaceSelection, FaceSession};
use gani_core::inversion::Cache;
use gani_core::invert::{InvertOptions, Progress, Stage};
use gani_core::model::Model;
use gani_core::photo::Photo;
use gani_core::photo::pixels::{Frame, Image, ImageMut, Layout, Pixels, PixelsMut};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::Preset;
use ndarray::Array2;
use std::path::Path;

fn model() -> Model {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    Model::open("ffhq-64", Runtime::load(&options).unwrap()).unwrap()
}

/// A few steps of the fast preset.
fn quick(model: &Model) -> InvertOptions {
    let mut options = InvertOptions::new(model, Preset::Fast).unwrap();
    options.settings.tune.iterations = 6;
    (options.settings.refine.steps_w, options.settings.refine.steps_w_plus) = (2, 2);
    options
}

fn astronaut() -> Photo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/astronaut.png");
    Photo::open(&path).unwrap()
}

#[test]
fn a_picture_is_retouched_once_and_then_from_the_cache() {
    let (model, folder, cancel) = (model(), tempfile::tempdir().unwrap(), Cancel::new());
    let cache = Cache::new(folder.path().join("new/inversions"), 1 << 30);
    let rgb = astronaut().pixels.to_rgb8();
    let (width, height) = rgb.dimensions();
    // As a host with float layers has it, in another order and with alpha.
    let before: Vec<f32> =
        rgb.pixels().flat_map(|p| [p[2], p[1], p[0], 200].map(|v| f32::from(v) / 255.0)).collect();
    let frame = Frame { width, height, stride: 4 * width as usize, layout: Layout::Bgra };
    let photo = Image::new(frame, Pixels::F32(&before)).unwrap().to_photo("layer 1").unwrap();
    let options = InvertOptions { preview_interval: 3, ..quick(&model) };
    let subject = FaceSelection::default();
    let begin = |watch: &mut dyn FnMut(Progress<'_>)| {
        FaceSession::begin(&model, &photo, &subject, &options, Some(&cache), &cancel, watch).unwrap()
    };

    let (mut stages, mut previews, mut steps, mut known) = (Vec::new(), 0, Vec::new(), 0);
    let first = begin(&mut |news| match news {
        Progress::Begin(stage) => stages.push(stage),
        Progress::Preview(image) => {
            assert_eq!(image.dim(), (1, 3, 64, 64));
            previews += 1;
        }
        Progress::Step { stage, step, steps: of, left, .. } => {
            assert_eq!(left.is_some(), step > 1);
            steps.push((stage, step, of));
        }
        Progress::Expected(_) => known += 1,
    });
    assert_eq!(stages, [Stage::Find, Stage::Prepare, Stage::Refine, Stage::Tune, Stage::Finish]);
    assert_eq!((previews, known, steps.len()), (3, 1, 10));
    assert_eq!((steps[0], steps[9]), ((Stage::Refine, 1, 4), (Stage::Tune, 6, 6)));
    assert!(!first.from_cache);

    let mut stages = Vec::new();
    let again = begin(&mut |news| match news {
        Progress::Begin(stage) => stages.push(stage),
        other => panic!("{other:?} although it was cached"),
    });
    assert!(again.from_cache);
    assert_eq!(stages, [Stage::Find]);
    let edits = ["smile=2".parse().unwrap()];
    let [face, cached] = [&first, &again].map(|r| r.image(&edits, &cancel).unwrap());
    assert_eq!(face, cached, "the cached inversion gives another face");
    assert_ne!(face, again.image(&[], &cancel).unwrap(), "the slider does nothing");

    let mut after = before.clone();
    let mut selection = Array2::<u8>::zeros((height as usize, width as usize));
    selection.slice_mut(ndarray::s![.., ..224]).fill(255); // the left half of the face
    let mut layer = ImageMut::new(frame, PixelsMut::F32(&mut after)).unwrap();
    let region = again.paste(face.view(), &mut layer, Some(selection.view())).unwrap();
    let mut changed = 0;
    for (i, (old, new)) in before.iter().zip(&after).enumerate() {
        if old.to_bits() != new.to_bits() {
            let (x, y, channel) = ((i / 4) as u32 % width, (i / 4) as u32 / width, i % 4);
            assert!(x < 224 && channel < 3, "{x},{y} channel {channel} changed");
            assert!((region.x..region.x + region.width).contains(&x), "{x} is outside of {region:?}");
            assert!((region.y..region.y + region.height).contains(&y), "{y} is outside of {region:?}");
            changed += 1;
        }
    }
    assert!(changed > 3000, "{changed} values changed");

    // Another seed is another inversion; a damaged file is made again.
    let key = |options: &InvertOptions| {
        let crop = first.inversion.info.alignment.unwrap().crop(&photo, model.crop_resolution()).unwrap();
        Cache::key(&model, crop.view(), options).unwrap()
    };
    assert!(cache.get(&key(&options)).is_some() && cache.get(&key(&quick(&model))).is_some());
    assert!(cache.get(&key(&InvertOptions { seed: 1, ..quick(&model) })).is_none());
    let file = cache.folder().join(format!("{}.safetensors", key(&options)));
    std::fs::write(&file, "damaged").unwrap();
    assert!(cache.get(&key(&options)).is_none());

    // The oldest goes when there is no room, half-written files of killed programs first among them.
    let size = {
        first.inversion.save(&file).unwrap();
        std::fs::metadata(&file).unwrap().len()
    };
    let small = Cache::new(cache.folder().to_owned(), 2 * size + 100);
    std::fs::write(cache.folder().join(".gani-x.part"), vec![0; 1000]).unwrap();
    let age = |name: &str, seconds: u64| {
        let file = std::fs::File::options().append(true).open(cache.folder().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
            .unwrap();
    };
    age(".gani-x.part", 1);
    age(file.file_name().unwrap().to_str().unwrap(), 2);
    for (i, name) in ["one", "two"].iter().enumerate() {
        small.put(name, &first.inversion);
        age(&format!("{name}.safetensors"), 10 + i as u64);
    }
    assert!(small.get("one").is_some(), "it is used, and so no longer the oldest");
    small.put("three", &first.inversion);
    let kept = |name| small.get(name).is_some();
    assert_eq!((kept("one"), kept("two"), kept("three")), (true, false, true));
    assert_eq!(std::fs::read_dir(small.folder()).unwrap().count(), 2);
}

#[test]
fn a_cache_that_cannot_be_written_only_warns() {
    let (model, folder, cancel) = (model(), tempfile::tempdir().unwrap(), Cancel::new());
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "no folder").unwrap();
    let cache = Cache::new(blocked.join("inversions"), 1 << 30);
    let photo = astronaut();
    let options = quick(&model);
    let face = FaceSession::begin(
        &model,
        &photo,
        &FaceSelection::default(),
        &options,
        Some(&cache),
        &cancel,
        |_| {},
    )
    .unwrap();
    assert!(!face.from_cache);
    assert_eq!(std::fs::read(&blocked).unwrap(), b"no folder");
}

#[test]
fn what_cannot_be_retouched_says_why() {
    let (model, cancel) = (model(), Cancel::new());
    let (photo, options) = (astronaut(), quick(&model));
    let fails = |photo: &Photo, subject: FaceSelection<'_>, cancel: &Cancel| {
        let begun = FaceSession::begin(&model, photo, &subject, &options, None, cancel, |_| {});
        begun.map(|_| "it worked").unwrap_err()
    };
    let dot = Photo::from_pixels("dot".as_ref(), image::RgbImage::new(1, 1).into());
    assert!(fails(&dot, FaceSelection::default(), &cancel).to_string().contains("no face was found in dot"));
    let elsewhere = Array2::<u8>::from_shape_fn((512, 512), |(y, _)| if y > 400 { 255 } else { 0 });
    let selected =
        |selection| FaceSelection::Face { choice: FaceChoice::Largest, selection: Some(selection) };
    let text = fails(&photo, selected(elsewhere.view()), &cancel).to_string();
    assert!(text.contains("selection"), "{text}");
    let all = FaceSelection::Face { choice: FaceChoice::All, selection: None };
    // The astronaut is alone in the picture; all of one is one.
    let stopped = Cancel::new();
    stopped.cancel();
    assert!(matches!(fails(&photo, all, &stopped), Error::Cancelled));
    assert!(fails(&dot, FaceSelection::Aligned, &stopped).to_string() == "cancelled");
}
