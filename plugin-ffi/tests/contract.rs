//! One contract, run through gani-core's Rust API and through the C ABI: the same results, the same refusals.
#![allow(missing_docs)]
// The C side is pointers.
#![allow(unsafe_code)]

#[path = "contract/c_abi.rs"]
mod c_abi;
#[path = "contract/rust_api.rs"]
mod rust_api;

use c_abi::CAbi;
use rust_api::RustApi;
use std::path::Path;

/// An RGB picture of the host's, 8 bit, and its selection.
#[derive(Clone)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgb: Vec<u8>,
    pub mask: Option<Vec<u8>>,
}

/// What both sides are asked for.
#[derive(Clone, Copy)]
pub struct Wishes<'w> {
    pub aligned: bool,
    pub face: u32,
    pub iterations: u32,
    pub refine: u32,
    pub seed: u64,
    pub cache: Option<&'w Path>,
    pub preview_every: u32,
}

const QUICK: Wishes<'_> =
    Wishes { aligned: false, face: 0, iterations: 5, refine: 3, seed: 7, cache: None, preview_every: 2 };

/// What both sides report.
#[derive(Debug, PartialEq)]
pub enum News {
    Begin(u32),
    Step { stage: u32, step: u32, steps: u32 },
    Preview([u32; 2]),
}

#[derive(Debug, PartialEq)]
pub struct Facts {
    pub from_cache: bool,
    pub place: Option<[f64; 8]>,
    pub photo: [u32; 2],
    pub mse: f64,
}

/// A refusal: whose fault, and the text.
pub type Failure = (&'static str, String);

/// A direction's name, whether it has a meaning, and its σ.
pub type Slider = (String, bool, f32);

/// What a host does. Two implementations; the tests below do not know which one they run.
pub trait Api {
    type Model;
    type Face;
    fn open(model: &str, device: &str) -> Result<Self::Model, Failure>;
    fn directions(model: &Self::Model) -> Vec<Slider>;
    fn size(model: &Self::Model) -> u32;
    fn generate(model: &Self::Model, seed: u64, psi: f32) -> Vec<u8>;
    fn invert(
        model: &Self::Model,
        picture: &Picture,
        wishes: &Wishes<'_>,
        watch: &mut dyn FnMut(News) -> bool,
    ) -> Result<Self::Face, Failure>;
    fn edit(face: &Self::Face, edits: &[(&str, f32)]) -> Result<Vec<u8>, Failure>;
    fn paste(face: &Self::Face, edits: &[(&str, f32)], into: &mut Picture) -> Result<[u32; 4], Failure>;
    fn facts(face: &Self::Face) -> Facts;
    fn save(face: &Self::Face, path: &Path) -> Result<(), Failure>;
    fn open_face(model: &Self::Model, path: &Path) -> Result<Self::Face, Failure>;
}

fn astronaut() -> Picture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/astronaut.png");
    let image = image::open(path).unwrap().to_rgb8();
    Picture { width: image.width(), height: image.height(), rgb: image.into_raw(), mask: None }
}

/// The story from the first look to the saved file; returns what it made, to compare the two sides.
fn story<A: Api>() -> (Vec<u8>, Vec<u8>, Vec<Slider>) {
    let folder = tempfile::tempdir().unwrap();
    let model = A::open("ffhq-64", "cpu").unwrap();
    assert_eq!(A::size(&model), 64);
    let directions = A::directions(&model);
    let named: Vec<_> = directions.iter().filter(|(_, named, _)| *named).map(|(n, ..)| n.as_str()).collect();
    assert!(named.contains(&"smile") && named.contains(&"age"), "{named:?}");
    assert!(directions.iter().any(|(name, named, sigma)| name == "pca.0" && !named && *sigma > 0.0));
    assert_ne!(A::generate(&model, 1, 0.7), A::generate(&model, 2, 0.7));

    let picture = astronaut();
    let cached = Wishes { cache: Some(folder.path()), ..QUICK };
    let mut news = Vec::new();
    let mut watch = |n: News| {
        news.push(n);
        true
    };
    let face = A::invert(&model, &picture, &cached, &mut watch).unwrap();
    let expected = [
        News::Begin(1),
        News::Begin(2),
        News::Preview([64, 64]),
        News::Begin(3),
        News::Step { stage: 3, step: 1, steps: 3 },
        News::Step { stage: 3, step: 2, steps: 3 },
        News::Step { stage: 3, step: 3, steps: 3 },
        News::Begin(4),
        News::Step { stage: 4, step: 1, steps: 5 },
        News::Step { stage: 4, step: 2, steps: 5 },
        News::Preview([64, 64]),
        News::Step { stage: 4, step: 3, steps: 5 },
        News::Step { stage: 4, step: 4, steps: 5 },
        News::Preview([64, 64]),
        News::Step { stage: 4, step: 5, steps: 5 },
        News::Begin(5),
    ];
    assert_eq!(news, expected);
    let facts = A::facts(&face);
    assert!(!facts.from_cache && facts.mse > 0.0 && facts.mse < 0.2, "{facts:?}");
    assert_eq!(facts.photo, [512, 512]);

    // A second time it comes from the cache, whatever the previews.
    let mut begun = Vec::new();
    let again = A::invert(&model, &picture, &Wishes { preview_every: 0, ..cached }, &mut |n| {
        begun.push(n);
        true
    });
    let again = again.unwrap();
    assert_eq!(begun, [News::Begin(1)]);
    assert_eq!(A::facts(&again), Facts { from_cache: true, ..facts });
    let smile = [("smile", 2.0), ("age", -1.0)];
    let edited = A::edit(&face, &smile).unwrap();
    assert_eq!(edited, A::edit(&again, &smile).unwrap());
    assert_ne!(edited, A::edit(&face, &[]).unwrap());

    // Pasted, with the left half of the face selected.
    let mut pasted = picture.clone();
    pasted.mask = Some((0..512 * 512).map(|i| if i % 512 < 224 { 255 } else { 0 }).collect());
    let [x, y, width, height] = A::paste(&face, &smile, &mut pasted).unwrap();
    let mut changed = 0;
    for (i, (old, new)) in picture.rgb.chunks(3).zip(pasted.rgb.chunks(3)).enumerate() {
        let (px, py) = (i as u32 % 512, i as u32 / 512);
        if old != new {
            assert!(px < 224, "{px},{py} is not selected and changed");
            assert!((x..x + width).contains(&px) && (y..y + height).contains(&py), "{px},{py}: outside");
            changed += 1;
        }
    }
    assert!(changed > 1000, "{changed} pixels changed");

    // Saved and opened again.
    let file = folder.path().join("face.safetensors");
    A::save(&face, &file).unwrap();
    let opened = A::open_face(&model, &file).unwrap();
    assert_eq!(A::edit(&opened, &smile).unwrap(), edited);
    (edited, pasted.rgb, directions)
}

/// Everything that is refused, and cancelled.
fn refusals<A: Api>() {
    let fails = |got: Result<(), Failure>, kind: &str, words: &str| {
        let (found, text) = got.expect_err(words);
        assert!(found == kind && text.contains(words), "{found}: {text} (expected {kind}: {words})");
    };
    let folder = tempfile::tempdir().unwrap();
    fails(A::open("ffhq-65", "cpu").map(drop), "input", "no model is called that");
    fails(A::open("ffhq-64", "gpu").map(drop), "input", "use auto, cpu, cuda");
    let model = A::open("ffhq-64", "cpu").unwrap();
    let picture = astronaut();
    let invert = |picture: &Picture, wishes: Wishes<'_>| A::invert(&model, picture, &wishes, &mut |_| true);

    let dot = Picture { width: 1, height: 1, rgb: vec![0; 3], mask: None };
    fails(invert(&dot, QUICK).map(drop), "input", "no face was found");
    let long = Picture { width: 20_001, height: 1, rgb: vec![0; 3 * 20_001], mask: None };
    fails(invert(&long, QUICK).map(drop), "limits", "too large");
    fails(invert(&picture, Wishes { face: 4, ..QUICK }).map(drop), "input", "only one face");
    let flat = Picture { width: 90, height: 30, rgb: vec![99; 3 * 90 * 30], mask: None };
    fails(invert(&flat, Wishes { aligned: true, ..QUICK }).map(drop), "input", "square");
    let elsewhere = Some((0..512 * 512).map(|i| if i > 512 * 400 { 255 } else { 0 }).collect());
    let elsewhere = Picture { mask: elsewhere, ..picture.clone() };
    fails(invert(&elsewhere, QUICK).map(drop), "input", "selection");

    // Cancelled at the third step of tuning: nothing is kept.
    let cached = Wishes { cache: Some(folder.path()), ..QUICK };
    let mut after_the_stop = 0;
    let mut stopped = false;
    let cancelled = A::invert(&model, &picture, &cached, &mut |n| {
        after_the_stop += u32::from(stopped);
        stopped |= n == News::Step { stage: 4, step: 3, steps: 5 };
        !stopped
    });
    fails(cancelled.map(drop), "cancelled", "cancelled");
    assert!(stopped && after_the_stop == 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    // A cache that cannot be written is no failure; an aligned crop has no place to be pasted.
    let file = folder.path().join("file");
    std::fs::write(&file, "no inversion").unwrap();
    let crop = Picture { width: 256, height: 256, rgb: vec![120; 3 * 256 * 256], mask: None };
    let wishes = Wishes { aligned: true, iterations: 1, cache: Some(&file), ..QUICK };
    let face = invert(&crop, wishes).unwrap();
    assert_eq!(A::facts(&face).place, None);
    fails(A::paste(&face, &[], &mut crop.clone()).map(drop), "input", "aligned crop");
    fails(A::edit(&face, &[("smlie", 1.0)]).map(drop), "input", "did you mean `smile`");
    fails(A::edit(&face, &[("sefa.9999", 1.0)]).map(drop), "input", "sefa.0 to sefa.511");
    fails(A::open_face(&model, &file).map(drop), "model", "not a gani inversion");
    fails(A::open_face(&model, &folder.path().join("none")).map(drop), "io", "none");
    fails(A::save(&face, &file.join("below/a/file")), "io", "below/a/file");
}

#[test]
fn both_sides_tell_the_same_story() {
    let through_rust = story::<RustApi>();
    let through_c = story::<CAbi>();
    assert!(through_rust.0 == through_c.0, "the edited faces differ");
    assert!(through_rust.1 == through_c.1, "the pasted pictures differ");
    assert_eq!(through_rust.2, through_c.2);
}

#[test]
fn the_rust_api_refuses_with_reasons() {
    refusals::<RustApi>();
}

#[test]
fn the_c_abi_refuses_with_reasons() {
    refusals::<CAbi>();
}
