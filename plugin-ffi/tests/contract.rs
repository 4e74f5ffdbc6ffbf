//! The same tests through gani-core's Rust API and through the C ABI: both must give the same results and errors.
//! `plugin-python/tests/test_gani.py` tests the same through Python.
#![allow(missing_docs)]
// The C side passes raw pointers.
#![allow(unsafe_code)]

#[path = "contract/c_abi.rs"]
mod c_abi;
#[path = "contract/rust_api.rs"]
mod rust_api;

use c_abi::CAbi;
use rust_api::RustApi;
use std::path::Path;

/// The host's image: 8-bit RGB pixels and a selection mask.
#[derive(Clone)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    pub mask: Option<Vec<u8>>,
}

/// Options of an inversion.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    pub aligned: bool,
    pub face: u32,
    pub iterations: u32,
    pub refine_steps: u32,
    pub seed: u64,
    pub cache: Option<&'o Path>,
    pub preview_interval: u32,
}

const FEW_STEPS: Options<'_> = Options {
    aligned: false,
    face: 0,
    iterations: 5,
    refine_steps: 3,
    seed: 7,
    cache: None,
    preview_interval: 2,
};

/// A progress event.
#[derive(Debug, PartialEq)]
pub enum Event {
    Begin(u32),
    Step { stage: u32, step: u32, steps: u32 },
    Preview([u32; 2]),
}

#[derive(Debug, PartialEq)]
pub struct Info {
    pub from_cache: bool,
    pub alignment: Option<[f64; 8]>,
    pub photo: [u32; 2],
    pub mse: f64,
    pub key: String,
    pub face: u32,
    pub steps: u32,
}

/// An error: its kind and its message.
pub type Failure = (&'static str, String);

/// A direction's name, whether it is semantic, and its σ.
pub type Direction = (String, bool, f32);

/// The operations of a host. The tests below are generic over the two implementations.
pub trait Api {
    type Model;
    type Face;
    fn open(model: &str, device: &str) -> Result<Self::Model, Failure>;
    fn directions(model: &Self::Model) -> Vec<Direction>;
    fn resolution(model: &Self::Model) -> u32;
    fn generate(model: &Self::Model, seed: u64, truncation_psi: f32) -> Vec<u8>;
    fn invert(
        model: &Self::Model,
        picture: &Picture,
        options: &Options<'_>,
        on_progress: &mut dyn FnMut(Event) -> bool,
    ) -> Result<Self::Face, Failure>;
    fn render(face: &Self::Face, edits: &[(&str, f32)]) -> Result<Vec<u8>, Failure>;
    /// `keep` is a gani_keep.
    fn paste(
        face: &Self::Face,
        edits: &[(&str, f32)],
        keep: u32,
        into: &mut Picture,
    ) -> Result<[u32; 4], Failure>;
    fn info(face: &Self::Face) -> Info;
    fn save(face: &Self::Face, path: &Path) -> Result<(), Failure>;
    fn open_face(model: &Self::Model, path: &Path) -> Result<Self::Face, Failure>;
}

fn astronaut() -> Picture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/astronaut.png");
    let image = image::open(path).unwrap().to_rgb8();
    Picture { width: image.width(), height: image.height(), rgb: image.into_raw(), mask: None }
}

/// Opens a model, inverts, renders, pastes, saves and reopens. Returns the results for a comparison of the two sides.
fn workflow<A: Api>() -> (Vec<u8>, Vec<u8>, Vec<Direction>) {
    let folder = tempfile::tempdir().unwrap();
    let model = A::open("ffhq-64", "cpu").unwrap();
    assert_eq!(A::resolution(&model), 64);
    let directions = A::directions(&model);
    let named: Vec<_> = directions.iter().filter(|(_, named, _)| *named).map(|(n, ..)| n.as_str()).collect();
    assert!(named.contains(&"smile") && named.contains(&"age"), "{named:?}");
    assert!(directions.iter().any(|(name, named, sigma)| name == "pca.0" && !named && *sigma > 0.0));
    assert_ne!(A::generate(&model, 1, 0.7), A::generate(&model, 2, 0.7));

    let picture = astronaut();
    let [face, cached_face] = invert_twice::<A>(&model, &picture, folder.path());
    let smile = [("smile", 2.0), ("age", -1.0)];
    let edited = A::render(&face, &smile).unwrap();
    assert_eq!(edited, A::render(&cached_face, &smile).unwrap());
    assert_ne!(edited, A::render(&face, &[]).unwrap());
    let pasted = [0, 1, 2].map(|keep| paste_left_half::<A>(&face, &smile, keep, &picture)).concat();
    let mut unchanged = picture.clone();
    A::paste(&face, &[("smile", 0.0)], 0, &mut unchanged).unwrap();
    assert!(unchanged.rgb == picture.rgb, "an edit of strength 0 changes the photo");

    // Save and reopen.
    let file = folder.path().join("face.safetensors");
    A::save(&face, &file).unwrap();
    let opened = A::open_face(&model, &file).unwrap();
    assert_eq!(A::render(&opened, &smile).unwrap(), edited);
    (edited, pasted, directions)
}

/// Inverts the face, then reads it from the cache, and checks the progress events and the descriptions of both.
fn invert_twice<A: Api>(model: &A::Model, picture: &Picture, cache: &Path) -> [A::Face; 2] {
    let invert = |options: &Options<'_>| {
        let mut events = Vec::new();
        let face = A::invert(model, picture, options, &mut |event| {
            events.push(event);
            true
        });
        (face.unwrap(), events)
    };
    let options = Options { cache: Some(cache), ..FEW_STEPS };
    let (face, events) = invert(&options);
    let expected = [
        Event::Begin(1),
        Event::Begin(2),
        Event::Preview([64, 64]),
        Event::Begin(3),
        Event::Step { stage: 3, step: 1, steps: 3 },
        Event::Step { stage: 3, step: 2, steps: 3 },
        Event::Step { stage: 3, step: 3, steps: 3 },
        Event::Begin(4),
        Event::Step { stage: 4, step: 1, steps: 5 },
        Event::Step { stage: 4, step: 2, steps: 5 },
        Event::Preview([64, 64]),
        Event::Step { stage: 4, step: 3, steps: 5 },
        Event::Step { stage: 4, step: 4, steps: 5 },
        Event::Preview([64, 64]),
        Event::Step { stage: 4, step: 5, steps: 5 },
        Event::Begin(5),
    ];
    assert_eq!(events, expected);
    let info = A::info(&face);
    assert!(!info.from_cache && info.mse > 0.0 && info.mse < 0.2, "{info:?}");
    assert_eq!((info.photo, info.face, info.steps, info.key.len()), ([512, 512], 1, 5, 64));

    // The preview interval is not part of the cache key.
    let (cached_face, events) = invert(&Options { preview_interval: 0, ..options });
    assert_eq!(events, [Event::Begin(1)]);
    assert_eq!(A::info(&cached_face), Info { from_cache: true, ..info });
    [face, cached_face]
}

/// Pastes with the left half of the face selected. Checks which pixels change, and returns all pixels.
fn paste_left_half<A: Api>(face: &A::Face, edits: &[(&str, f32)], keep: u32, picture: &Picture) -> Vec<u8> {
    let mut pasted = picture.clone();
    pasted.mask = Some((0..512 * 512).map(|i| if i % 512 < 224 { 255 } else { 0 }).collect());
    let [x, y, width, height] = A::paste(face, edits, keep, &mut pasted).unwrap();
    let mut changed = 0;
    for (i, (old, new)) in picture.rgb.chunks(3).zip(pasted.rgb.chunks(3)).enumerate() {
        let (px, py) = (i as u32 % 512, i as u32 / 512);
        if old != new {
            assert!(px < 224, "{px},{py} changed but is not selected");
            assert!(
                (x..x + width).contains(&px) && (y..y + height).contains(&py),
                "{px},{py} is outside of the returned rectangle"
            );
            changed += 1;
        }
    }
    assert!(changed > 1000, "{changed} pixels changed");
    pasted.rgb
}

/// Errors and cancellation.
fn errors<A: Api>() {
    let fails = |result: Result<(), Failure>, kind: &str, words: &str| {
        let (actual, text) = result.expect_err(words);
        assert!(actual == kind && text.contains(words), "{actual}: {text} (expected {kind}: {words})");
    };
    let folder = tempfile::tempdir().unwrap();
    fails(A::open("ffhq-65", "cpu").map(drop), "input", "no model has this name");
    fails(A::open("ffhq-64", "gpu").map(drop), "input", "use auto, cpu, cuda");
    let model = A::open("ffhq-64", "cpu").unwrap();
    let picture = astronaut();
    let invert =
        |picture: &Picture, options: Options<'_>| A::invert(&model, picture, &options, &mut |_| true);

    let dot = Picture { width: 1, height: 1, rgb: vec![0; 3], mask: None };
    fails(invert(&dot, FEW_STEPS).map(drop), "input", "no face was found");
    let long = Picture { width: 20_001, height: 1, rgb: vec![0; 3 * 20_001], mask: None };
    fails(invert(&long, FEW_STEPS).map(drop), "limits", "too large");
    fails(invert(&picture, Options { face: 4, ..FEW_STEPS }).map(drop), "input", "only one face");
    let flat = Picture { width: 90, height: 30, rgb: vec![99; 3 * 90 * 30], mask: None };
    fails(invert(&flat, Options { aligned: true, ..FEW_STEPS }).map(drop), "input", "aspect ratio");
    let mask = Some((0..512 * 512).map(|i| if i > 512 * 400 { 255 } else { 0 }).collect());
    let elsewhere = Picture { mask, ..picture.clone() };
    fails(invert(&elsewhere, FEW_STEPS).map(drop), "input", "selection");

    // Cancelled at the third tuning step: nothing is written to the cache.
    let cached = Options { cache: Some(folder.path()), ..FEW_STEPS };
    let mut events_after_cancel = 0;
    let mut cancelled_once = false;
    let cancelled = A::invert(&model, &picture, &cached, &mut |n| {
        events_after_cancel += u32::from(cancelled_once);
        cancelled_once |= n == Event::Step { stage: 4, step: 3, steps: 5 };
        !cancelled_once
    });
    fails(cancelled.map(drop), "cancelled", "cancelled");
    assert!(cancelled_once && events_after_cancel == 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    // A cache that cannot be written is not an error. An aligned crop cannot be pasted, because it has no alignment.
    let file = folder.path().join("file");
    std::fs::write(&file, "not an inversion").unwrap();
    let crop = Picture { width: 256, height: 256, rgb: vec![120; 3 * 256 * 256], mask: None };
    let options = Options { aligned: true, iterations: 1, cache: Some(&file), ..FEW_STEPS };
    let face = invert(&crop, options).unwrap();
    let info = A::info(&face);
    assert_eq!((info.alignment, info.face, info.steps), (None, 0, 1));
    fails(A::paste(&face, &[], 0, &mut crop.clone()).map(drop), "input", "aligned crop");
    fails(A::render(&face, &[("smlie", 1.0)]).map(drop), "input", "did you mean `smile`");
    fails(A::render(&face, &[("sefa.9999", 1.0)]).map(drop), "input", "sefa.0 to sefa.511");
    fails(A::open_face(&model, &file).map(drop), "model", "not an inversion of gani");
    fails(A::open_face(&model, &folder.path().join("none")).map(drop), "io", "none");
    fails(A::save(&face, &file.join("below/a/file")), "io", "below/a/file");
}

#[test]
fn rust_and_c_give_the_same_results() {
    let through_rust = workflow::<RustApi>();
    let through_c = workflow::<CAbi>();
    assert!(through_rust.0 == through_c.0, "the edited faces differ");
    assert!(through_rust.1 == through_c.1, "the pasted images differ");
    assert_eq!(through_rust.2, through_c.2);
}

#[test]
fn the_rust_api_reports_errors() {
    errors::<RustApi>();
}

#[test]
fn the_c_abi_reports_errors() {
    errors::<CAbi>();
}
