//! Bundles that are used: sampled, edited, inverted. The first byte selects a file of a valid bundle, which the rest replaces.
#![no_main]

use gani_core::bundle::Bundle;
use gani_core::edit::{Edit, Generator};
use gani_core::inversion::CropSource;
use gani_core::invert::{InvertOptions, invert};
use gani_core::{Cancel, Model, Preset, Result};
use gani_fuzz::{is_small, runtime, write_bundle};
use libfuzzer_sys::fuzz_target;
use ndarray::Array4;
use std::fs;

const FILES: [&str; 7] = [
    "bundle.toml",
    "generator.onnx",
    "mapping.onnx",
    "encoder.onnx",
    "loss.onnx",
    "w_avg.npy",
    "directions.npz",
];

fuzz_target!(init: write_seeds(), |data: &[u8]| {
    let Some((&selected, content)) = data.split_first() else { return };
    let folder = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable");
    write_bundle(folder.path());
    let name = FILES[usize::from(selected) % FILES.len()];
    fs::write(folder.path().join(name), content).expect("a file can be written");
    if name != "bundle.toml" {
        declare(folder.path(), name, content.len());
    }
    let Ok(bundle) = Bundle::open_folder(folder.path()) else { return };
    if is_affordable(&bundle) {
        let _ = use_bundle(&folder.path().to_string_lossy());
    }
});

/// Adds the files of the valid bundle to the corpus.
fn write_seeds() {
    let corpus = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/bundle_use"));
    let folder = tempfile::tempdir().expect("a folder can be created");
    write_bundle(folder.path());
    fs::create_dir_all(corpus).expect("the corpus can be created");
    for (selected, name) in FILES.iter().enumerate() {
        let content = fs::read(folder.path().join(name)).expect("the bundle has the file");
        let seed = [&[selected as u8][..], &content].concat();
        fs::write(corpus.join(format!("seed-{name}")), seed).expect("a seed can be written");
    }
}

/// Writes the size of the replaced file to the manifest.
fn declare(folder: &std::path::Path, name: &str, size: usize) {
    let path = folder.join("bundle.toml");
    let text = fs::read_to_string(&path).expect("the manifest can be read");
    let at = text.find(&format!("path = \"{name}\"")).expect("the manifest lists the file");
    let from = at + text[at..].find("bytes = ").expect("with its size");
    let to = from + text[from..].find('\n').expect("in a line");
    fs::write(path, format!("{}bytes = {size}{}", &text[..from], &text[to..])).expect("it can be written");
}

/// Networks within gani's limits can still keep ONNX Runtime busy for minutes: they are only read.
fn is_affordable(bundle: &Bundle) -> bool {
    let read = |graph: Result<Option<gani_onnx::Graph>>| graph.ok().flatten().is_none_or(|g| is_small(&g));
    let losses = |side| bundle.losses(side).map_or(true, |all| all.iter().all(|l| is_small(&l.graph)));
    read(bundle.generator().map(Some))
        && read(bundle.mapping())
        && read(bundle.encoder())
        && losses(bundle.loss_resolution())
        && bundle.resolution() <= 64
        && read(bundle.lpips_distance([64; 2]))
}

fn use_bundle(folder: &str) -> Result<()> {
    let cancel = Cancel::new();
    let model = Model::with_runtime(folder, runtime().clone())?;
    let mut used = model.sample(1, 0.7, &cancel).map(drop);
    let generator = Generator::untuned(&model)?;
    let ws = model.broadcast(&model.bundle.w_avg()?.into_dyn())?;
    used = used.and(generator.image(ws.view(), &cancel).map(drop));
    let directions = model.directions().cloned().unwrap_or_default();
    let names = directions.named.iter().chain(&directions.pca).map(|d| d.name.clone());
    for name in names.chain(["sefa.0".into()]).take(8) {
        let edits = [Edit::new(name, 1.0)];
        used = used.and(generator.apply_edits(&ws, &edits, None).map(drop));
    }
    let [height, width] = model.crop_shape()?;
    let crop = Array4::from_shape_fn((1, 3, height, width), |(_, c, y, x)| ((x + 2 * y + c) % 17) as f32 / 8.5 - 1.0);
    let mut options = InvertOptions::new(&model, Preset::Fast)?;
    options.settings.tune.iterations = 1;
    options.settings.refine.set_steps(1);
    let result = invert(&model, crop.view(), CropSource::default(), &options, &cancel, |_| {})?;
    let path = std::path::Path::new(folder).join("result.safetensors");
    // What is written can be read.
    if result.inversion.save(&path).is_ok() {
        gani_core::inversion::Inversion::open(&path).expect("an inversion that was written can be read");
    }
    used
}
