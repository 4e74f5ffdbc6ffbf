//! Time until an inversion reaches a given LPIPS at 256 px. The clock starts at the encoder's w, before the graphs are loaded.

use crate::Result;
use gani_core::invert::InvertOptions;
use gani_core::invert::direct::direct_tuning;
use gani_core::invert::gani::tuner::gani;
use gani_core::invert::refine::refine;
use gani_core::loss::{Problem, StepLosses, target_features};
use gani_core::photo::resize;
use gani_core::runtime::Runtime;
use gani_core::settings::Method;
use gani_core::{Cancel, Error, Model, Photo, Preset};
use ndarray::{Array2, Array4};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(clap::Args)]
pub struct Arguments {
    /// A photo with one face
    photo: PathBuf,
    /// The model
    #[arg(long)]
    model: String,
    /// fast, best, or paper
    #[arg(long)]
    preset: Preset,
    /// Stops when LPIPS is at most this
    #[arg(long)]
    until: f32,
    /// Only writes the initial latent and the target, ws.npy and target.npy, for the PyTorch programs
    #[arg(long)]
    dump: Option<PathBuf>,
}

/// Inverts and records LPIPS after each tuning step.
pub fn run(runtime: Runtime, arguments: &Arguments) -> Result<serde_json::Value> {
    let model = Model::with_runtime(&arguments.model, runtime)?;
    let cancel = Cancel::new();
    let (ws, target) = encode(&model, &arguments.photo, &cancel)?;
    if let Some(folder) = &arguments.dump {
        ndarray_npy::write_npy(folder.join("ws.npy"), &ws)?;
        ndarray_npy::write_npy(folder.join("target.npy"), &target)?;
        return Ok(json!({ "written": folder }));
    }
    let started = Instant::now();
    let options = InvertOptions::new(&model, arguments.preset)?;
    let (tune, refinement) = (&options.settings.tune, &options.settings.refine);
    let (runtime, loss) = (&model.runtime, model.similarity_loss()?);
    let features = target_features(runtime, loss, &tune.loss_weights, &target.into_dyn(), &cancel)?;
    let (mapping, w_avg) = (model.bundle.mapping()?, model.bundle.w_avg()?.to_vec());
    let problem = Problem {
        runtime,
        loss,
        target: &features,
        mapping: mapping.as_ref(),
        w_avg: &w_avg,
        cancel: &cancel,
    };
    let mut latent = ws.into_raw_vec_and_offset().0;
    refine(&problem, &tune.loss_weights.pixel_and_lpips(), &mut latent, refinement, |_, _| {})?;

    let (mut seconds, mut lpips) = (Vec::new(), Vec::new());
    let record = |_, losses: &StepLosses, _: &_| {
        seconds.push(started.elapsed().as_secs_f64());
        let value = losses.reconstruction.get(1).copied().unwrap_or(f32::NAN); // terms: pixel, lpips, …
        lpips.push(value);
        // An error ends the tuning loop; this one is not reported.
        if value <= arguments.until { Err(Error::Cancelled) } else { Ok(()) }
    };
    let result = match options.method {
        Method::Gani => gani(&problem, &latent, tune, 0, record),
        _ => direct_tuning(&problem, &latent, tune, 0, record),
    };
    match result {
        Ok(_) | Err(Error::Cancelled) => {
            let latent_steps = refinement.steps_w + refinement.steps_w_plus;
            Ok(json!({ "seconds": seconds, "lpips": lpips, "latent_steps": latent_steps }))
        }
        Err(e) => Err(e.into()),
    }
}

/// The encoder's w for every style layer, `[n,512]`, and the crop at the generator's resolution, `[1,3,R,R]`.
fn encode(model: &Model, photo: &Path, cancel: &Cancel) -> Result<(Array2<f32>, Array4<f32>)> {
    let photo = Photo::open(photo)?;
    let faces = model.faces(&photo, cancel)?;
    let face = faces.first().ok_or("no face was found in the photo")?;
    let crop = face.alignment.crop(&photo, model.crop_resolution()?)?;
    let [height, width] = model.bundle.image_shape();
    Ok((model.encode(crop.view(), cancel)?, resize(crop.view(), height, width)))
}
