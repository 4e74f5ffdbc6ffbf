//! `cargo xtask regenerate`: builds the committed bundles under `models/` from the project's source networks.
//!
//! `models/README.md` has the measurements that determine which networks are stored as f16 and which as f32.

use gani_core::bundle::{Generator, Manifest, Mapping, WeightPrecision, write_manifest};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{encoder, lpips, parsing, stylegan2};
use gani_onnx::read::{self, ReadOptions};
use std::error::Error;
use std::fs;
use std::path::Path;

/// Input resolution of the stored loss networks. They are converted to other resolutions when they are read.
const LOSS_RESOLUTION: usize = 256;

/// Builds `models/common` and `models/ffhq-64` from the folder `assets` (`nets/`).
pub fn regenerate(assets: &Path, models: &Path) -> Result<(), String> {
    common(assets, &models.join("common"))
        .and_then(|()| ffhq_64(assets, &models.join("ffhq-64")))
        .map_err(|error| format!("cannot build the models from {}: {error}", assets.display()))
}

/// The networks that all face bundles share. The directions, `directions.npz`, are learned: see `bench/directions/README.md`.
fn common(assets: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    let nets = assets.join("nets");
    let published = ReadOptions::new().batch(1).read(&nets.join("encoder.onnx"))?;
    WeightPrecision::Half.write(&encoder::with_identity(&published)?, &to.join("encoder.onnx"))?;

    let pair = [1, 3, LOSS_RESOLUTION, LOSS_RESOLUTION];
    let published = read::from_file(&nets.join("stlpips_alex.onnx"), &[("a", &pair), ("b", &pair)])?;
    WeightPrecision::Half
        .write(&lpips::shift_tolerant(&published, LOSS_RESOLUTION)?, &to.join("lpips.onnx"))?;

    let checkpoint = Checkpoint::read(&nets.join("parsing.pth"))?;
    WeightPrecision::Full
        .write(&parsing::contracting_path(&checkpoint, LOSS_RESOLUTION)?, &to.join("parsing.onnx"))?;

    let published = ReadOptions::new().batch(1).read(&nets.join("mobileface.onnx"))?;
    WeightPrecision::Half.write(&published, &to.join("mobileface.onnx"))?;
    for name in ["blazeface.onnx", "facemesh.onnx"] {
        fs::write(to.join(name), fs::read(nets.join(name))?)?;
    }
    Ok(())
}

/// The small StyleGAN2, 64 px.
fn ffhq_64(assets: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(to)?;
    let built = stylegan2::build(&Checkpoint::read(&assets.join("nets").join("stylegan2-ffhq-64.pt"))?)?;
    WeightPrecision::Full.write(&built.generator, &to.join("generator.onnx"))?;
    WeightPrecision::Full.write(&built.mapping, &to.join("mapping.onnx"))?;
    let w_avg = built.w_avg.as_ref().and_then(|t| t.as_f32()).ok_or("the checkpoint has no latent_avg")?;
    ndarray_npy::write_npy(to.join("w_avg.npy"), &ndarray::aview1(w_avg))?;
    let manifest = Manifest {
        title: "Faces, 64 px: StyleGAN2 for tests".into(),
        resolution: built.resolution,
        provenance: "distilled for gani from samples of MobileStyleGAN".into(),
        for_tests: true,
        generator: Generator { file: "generator.onnx".into(), tunable: built.tunable },
        mapping: Mapping { file: Some("mapping.onnx".into()), w_avg: "w_avg.npy".into() },
        ..Manifest::for_faces("ffhq-64")
    };
    write_manifest(to, manifest)?;
    Ok(())
}
