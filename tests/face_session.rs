//! A face session as a host runs it: find, invert, read from the cache, edit, paste.
#![allow(missing_docs)]

use gani_core::edit::Edit;
use gani_core::face::{FaceChoice, PasteOptions};
use gani_core::face_session::{FaceSelection, FaceSession, Inverter};
use gani_core::inversion::{Cache, Inversion};
use gani_core::invert::{InvertOptions, Stage, fingerprint};
use gani_core::photo::pixels::{Image, ImageLayout, ImageMut, PixelFormat, Pixels, PixelsMut};
use gani_core::runtime::{Cancel, DeviceChoice};
use gani_core::settings::Settings;
use gani_core::{Error, Model, Photo, Preset, Progress};
use ndarray::Array2;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn model() -> Model {
    Model::builder().device(DeviceChoice::Cpu).open("ffhq-64").unwrap()
}

/// The preset `fast` with few steps: 4 of refinement, 6 of tuning.
fn quick_settings(model: &Model) -> Settings {
    let mut settings = model.settings(Preset::Fast.method(), Preset::Fast, None).unwrap();
    settings.tune.iterations = 6;
    (settings.refine.steps_w, settings.refine.steps_w_plus) = (2, 2);
    settings
}

fn inverter(model: &Model) -> Inverter<'_> {
    model.inverter().preset(Preset::Fast).settings(quick_settings(model))
}

fn data(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file)
}

fn astronaut() -> Photo {
    Photo::open(data("astronaut.png")).unwrap()
}

/// The photo as a layer of a host: f32, BGRA, with constant alpha.
struct Layer {
    frame: ImageLayout,
    values: Vec<f32>,
}

impl Layer {
    fn new(photo: &Photo) -> Layer {
        let rgb = photo.pixels.to_rgb8();
        let (width, height) = rgb.dimensions();
        let bgra = |p: &image::Rgb<u8>| [p[2], p[1], p[0], 200].map(|v| f32::from(v) / 255.0);
        let frame = ImageLayout { width, height, stride: 4 * width as usize, format: PixelFormat::Bgra };
        Layer { frame, values: rgb.pixels().flat_map(bgra).collect() }
    }

    fn to_photo(&self) -> Photo {
        Image::new(self.frame, Pixels::F32(&self.values)).unwrap().to_photo("layer 1").unwrap()
    }
}

#[test]
fn second_inversion_is_read_from_the_cache_and_pastes_within_the_selection() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let cache = Cache::new(folder.path().join("new/inversions"), 1 << 30);
    let layer = Layer::new(&astronaut());
    let photo = layer.to_photo();
    let first = invert_and_check_events(&model, &photo, &cache);
    let cached = read_cached_and_check_events(&model, &photo, &cache);

    let edits = ["smile=2".parse().unwrap()];
    let [computed, again] = [&first, &cached].map(|session| session.image(&edits).unwrap());
    assert_eq!(computed, again, "the cached inversion renders another image");
    assert_ne!(computed, cached.image(&[]).unwrap(), "the edit has no effect");

    check_paste(&cached, &edits, &layer);
    check_keys(&model, &photo, &first, &cache);
}

/// Inverts the photo. Checks stages, steps, previews and the estimated time.
fn invert_and_check_events(model: &Model, photo: &Photo, cache: &Cache) -> FaceSession {
    let (mut stages, mut previews, mut steps, mut estimates) = (Vec::new(), 0, Vec::new(), 0);
    let inverter =
        inverter(model).preview_interval(3).cache(cache.clone()).on_progress(|event| match event {
            Progress::Begin(stage) => stages.push(stage),
            Progress::Preview(image) => {
                assert_eq!(image.dim(), (1, 3, 64, 64));
                previews += 1;
            }
            Progress::Step { stage, step, steps: count, remaining, .. } => {
                assert_eq!(remaining.is_some(), step > 1);
                steps.push((stage, step, count));
            }
            Progress::Eta(_) => estimates += 1,
        });
    let session = inverter.invert(photo).unwrap();
    assert_eq!(stages, [Stage::Find, Stage::Prepare, Stage::Refine, Stage::Tune, Stage::Finish]);
    assert_eq!((previews, estimates, steps.len()), (3, 1, 10));
    assert_eq!((steps[0], steps[9]), ((Stage::Refine, 1, 4), (Stage::Tune, 6, 6)));
    assert!(!session.from_cache);
    session
}

/// Reads the inversion from the cache. Checks that only the face is found again.
fn read_cached_and_check_events(model: &Model, photo: &Photo, cache: &Cache) -> FaceSession {
    let mut stages = Vec::new();
    let inverter =
        inverter(model).preview_interval(3).cache(cache.clone()).on_progress(|event| match event {
            Progress::Begin(stage) => stages.push(stage),
            other => panic!("{other:?} although the inversion is in the cache"),
        });
    let session = inverter.invert(photo).unwrap();
    assert!(session.from_cache);
    assert_eq!(stages, [Stage::Find]);
    session
}

/// Pastes into the left half of the face. Checks that neither other pixels nor alpha change.
fn check_paste(session: &FaceSession, edits: &[Edit], layer: &Layer) {
    let (width, height) = (layer.frame.width, layer.frame.height);
    let image = session.image_with_cancel(edits, &Cancel::new()).unwrap();
    let mut selection = Array2::<u8>::zeros((height as usize, width as usize));
    selection.slice_mut(ndarray::s![.., ..224]).fill(255);
    let mut after = layer.values.clone();
    let mut target = ImageMut::new(layer.frame, PixelsMut::F32(&mut after)).unwrap();
    let options = PasteOptions { mask: Some(selection.view()), ..PasteOptions::default() };
    let region = session.paste_image(image.view(), &mut target, &options).unwrap();
    let mut changed = 0;
    for (i, (old, new)) in layer.values.iter().zip(&after).enumerate() {
        if old.to_bits() != new.to_bits() {
            let (x, y, channel) = ((i / 4) as u32 % width, (i / 4) as u32 / width, i % 4);
            assert!(x < 224 && channel < 3, "{x},{y} channel {channel} changed");
            assert!((region.x..region.x + region.width).contains(&x), "x = {x} is outside {region:?}");
            assert!((region.y..region.y + region.height).contains(&y), "y = {y} is outside {region:?}");
            changed += 1;
        }
    }
    assert!(changed > 3000, "{changed} values changed");
}

/// Checks that the cache key depends on the seed but not on previews, and that a damaged file counts as absent.
fn check_keys(model: &Model, photo: &Photo, session: &FaceSession, cache: &Cache) {
    let key = |options: &InvertOptions| {
        let alignment = session.inversion.info.alignment.unwrap();
        let crop = alignment.crop(photo, model.crop_resolution().unwrap()).unwrap();
        fingerprint(model, crop.view(), options).unwrap()
    };
    let options = inverter(model).resolved_options().unwrap();
    let with_previews = InvertOptions { preview_interval: 3, ..options.clone() };
    assert!(cache.get(&key(&with_previews)).is_some() && cache.get(&key(&options)).is_some());
    assert!(cache.get(&key(&InvertOptions { seed: 1, ..options.clone() })).is_none());
    let file = cache.folder().join(format!("{}.safetensors", key(&options)));
    std::fs::write(&file, "damaged").unwrap();
    assert!(cache.get(&key(&options)).is_none());
}

/// The cached file of an inversion is damaged in every way: it is never used, and made again.
#[test]
fn damaged_cache_entries_are_made_again() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let cache = Cache::new(folder.path().to_owned(), 1 << 30);
    let photo = astronaut();
    let invert = || inverter(&model).cache(cache.clone()).invert(&photo).unwrap();
    let first = invert();
    let path = folder.path().join(format!("{}.safetensors", first.inversion.info.key));
    let whole = std::fs::read(&path).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let other = Inversion::open(data("inversion-0.1.safetensors")).unwrap();
    let other_file = folder.path().join("other.safetensors");
    other.save(&other_file).unwrap();
    let without_hash = std::fs::read(data("inversion-0.1.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let middle = header + (whole.len() - header) / 2;
    let seed = whole.windows(9).position(|bytes| bytes == b"\"seed\\\":".as_slice()).map(|i| i + 9);
    let damaged = [
        ("empty", vec![]),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("first byte of a tensor", changed(header)),
        ("a byte in the middle", changed(middle)),
        ("last byte", changed(whole.len() - 1)),
        ("header", changed(seed.unwrap_or(100))),
        ("without hash", without_hash),
        ("another inversion", std::fs::read(&other_file).unwrap()),
    ];
    for (name, bytes) in damaged {
        std::fs::write(&path, bytes).unwrap();
        assert!(cache.get(&first.inversion.info.key).is_none(), "{name} was used");
    }
    // The last one is made again, once.
    assert!(!invert().from_cache);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert!(invert().from_cache);
}

#[test]
fn full_cache_removes_the_least_recently_used_files() {
    let folder = tempfile::tempdir().unwrap();
    let inversion = |key: &str| {
        let mut inversion = Inversion::open(data("inversion-0.1.safetensors")).unwrap();
        inversion.info.key = key.into();
        inversion
    };
    let oldest = folder.path().join("null.safetensors");
    inversion("null").save(&oldest).unwrap();
    let size = std::fs::metadata(&oldest).unwrap().len();
    let cache = Cache::new(folder.path().to_owned(), 2 * size + 100);
    // A partial file, as a killed process leaves it, and the one that another process is writing.
    std::fs::write(folder.path().join(".gani-x.part"), vec![0; 1000]).unwrap();
    let open = std::fs::File::create(folder.path().join(".gani-open.part")).unwrap();
    open.lock().unwrap();
    let set_modified = |name: &str, seconds: u64| {
        let file = std::fs::File::options().append(true).open(folder.path().join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    set_modified("null.safetensors", 2);
    for (i, name) in ["some", "more"].iter().enumerate() {
        cache.put(&inversion(name));
        set_modified(&format!("{name}.safetensors"), 10 + i as u64);
    }
    assert!(cache.get("some").is_some(), "a file that is read counts as recently used");
    cache.put(&inversion("last"));
    let is_cached = |name| cache.get(name).is_some();
    assert_eq!((is_cached("some"), is_cached("more"), is_cached("last")), (true, false, true));
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".gani-open.part", "last.safetensors", "some.safetensors"]);
}

#[test]
fn unwritable_cache_does_not_fail_the_inversion() {
    let (model, folder) = (model(), tempfile::tempdir().unwrap());
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "not a folder").unwrap();
    let cache = Cache::new(blocked.join("inversions"), 1 << 30);
    let session = inverter(&model).cache(cache).invert(&astronaut()).unwrap();
    assert!(!session.from_cache);
    assert_eq!(std::fs::read(&blocked).unwrap(), b"not a folder");
}

#[test]
fn errors_name_the_cause() {
    let (model, cancel) = (model(), Cancel::new());
    let photo = astronaut();
    let dot = Photo::from_pixels("dot".as_ref(), image::RgbImage::new(1, 1).into());
    let text = error(&model, &dot, FaceSelection::default(), &cancel).to_string();
    assert!(text.contains("no face was found in dot"), "{text}");
    let below_the_face = Array2::<u8>::from_shape_fn((512, 512), |(y, _)| if y > 400 { 255 } else { 0 });
    let selected =
        FaceSelection::Face { choice: FaceChoice::Largest, selection: Some(below_the_face.view()) };
    let text = error(&model, &photo, selected, &cancel).to_string();
    assert!(text.contains("selection"), "{text}");
    // The photo has one face, so `All` selects it; the error is that of the cancelled inversion.
    let all = FaceSelection::Face { choice: FaceChoice::All, selection: None };
    let cancelled = Cancel::new();
    cancelled.cancel();
    assert!(matches!(error(&model, &photo, all, &cancelled), Error::Cancelled));
    assert!(error(&model, &dot, FaceSelection::Aligned, &cancelled).to_string() == "cancelled");
}

fn error<'a>(model: &'a Model, photo: &Photo, face: FaceSelection<'a>, cancel: &Cancel) -> Error {
    let session = inverter(model).face(face).cancel(cancel).invert(photo);
    session.map(|_| "the inversion succeeded").unwrap_err()
}

/// The astronaut on a mirror has the size of the inverted photo, and another face at its place.
#[test]
fn another_photo_of_the_same_size_is_noticed() {
    let model = model();
    let original = astronaut();
    let session = inverter(&model).invert(&original).unwrap();
    let edits = ["smile=2".parse().unwrap()];
    let image = session.image(&edits).unwrap();
    let paste = |photo: &mut Photo, other_photo: bool| {
        let options = PasteOptions { other_photo, ..PasteOptions::default() };
        session.paste_image(image.view(), &mut ImageMut::from_photo(photo).unwrap(), &options)
    };
    let mirrored = Photo { pixels: original.pixels.fliph(), ..original.clone() };
    let mut other = mirrored.clone();
    let text = paste(&mut other, false).unwrap_err().to_string();
    assert!(text.contains("astronaut.png") && text.contains("other_photo"), "{text}");
    assert!(session.paste(&edits, &mut other).is_err());
    assert_eq!(other.pixels, mirrored.pixels, "the refused photo was changed");
    paste(&mut other, true).unwrap();
    assert_ne!(other.pixels, mirrored.pixels);

    // The same photo is recognized: as JPEG, darker, gray, with an earlier edit in it.
    let folder = tempfile::tempdir().unwrap();
    let jpeg = folder.path().join("same.jpg");
    original.save(&jpeg).unwrap();
    let darker = Photo { pixels: original.pixels.brighten(-40), ..original.clone() };
    let gray = Photo::from_pixels(Path::new("gray"), original.pixels.to_luma8().into());
    let mut edited = original.clone();
    session.paste(&edits, &mut edited).unwrap();
    for (name, mut same) in
        [("jpeg", Photo::open(&jpeg).unwrap()), ("darker", darker), ("gray", gray), ("edited", edited)]
    {
        assert!(paste(&mut same, false).is_ok(), "{name}");
    }

    // The file keeps the thumbnail. Without one, as in older files, nothing is compared.
    let file = folder.path().join("a.safetensors");
    session.inversion.save(&file).unwrap();
    let mut opened = Inversion::open(&file).unwrap();
    assert_eq!(opened.thumbnail, session.inversion.thumbnail);
    assert!(opened.alignment_in(&mirrored, false).is_err());
    opened.thumbnail = None;
    opened.save(&file).unwrap();
    assert!(Inversion::open(&file).unwrap().alignment_in(&mirrored, false).is_ok());
}
