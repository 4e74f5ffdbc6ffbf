//! How long a photo takes to come near: LPIPS at 256 px against time, from the encoder's w, loading of the graphs included.

use crate::Result;
use gani_core::invert::InvertOptions;
use gani_core::model::Model;
use gani_core::photo::Photo;
use gani_core::settings::Preset;
use gani_core::invert::refine::refine;
use gani_core::runtime::{Cancel, Runtime};
use gani_core::loss::total::{Problem, StepLosses, observe};
use gani_core::invert::gani::tuner::{Tuner, tune};
use gani_core::{direct, metrics};
use ndarray::{Array2, Array4};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(clap::Args)]
pub struct Arguments {
    /// A photograph with one face
    photo: PathBuf,
    /// The model
    #[arg(long)]
    model: String,
    /// fast, best, or paper
    #[arg(long)]
    preset: Preset,
    /// Ends where LPIPS has come down to this
    #[arg(long)]
    until: f32,
    /// Writes what a peer starts from, ws.npy and target.npy, and runs nothing
    #[arg(long)]
    dump: Option<PathBuf>,
}

/// Inverts, watching LPIPS.
pub fn run(runtime: Runtime, arguments: &Arguments) -> Result<serde_json::Value> {
    let model = Model::open(&arguments.model, runtime)?;
    let cancel = Cancel::new();
    let (ws, target) = start(&model, &arguments.photo, &cancel)?;
    if let Some(folder) = &arguments.dump {
        ndarray_npy::write_npy(folder.join("ws.npy"), &ws)?;
        ndarray_npy::write_npy(folder.join("target.npy"), &target)?;
        return Ok(serde_json::json!({ "written": folder }));
    }
    let started = Instant::now();
    let options = InvertOptions::new(&model, arguments.preset)?;
    let (s, objective) = (&options.settings, model.similarity_loss()?);
    let features = observe(&model.runtime, objective, &s.tune.weights, &target.into_dyn(), &cancel)?;
    let (mapping, w_avg) = (model.bundle.mapping()?, model.bundle.w_avg()?.to_vec());
    let problem = Problem {
        runtime: &model.runtime,
        objective,
        target: &features,
        mapping: mapping.as_ref(),
        w_avg: &w_avg,
        cancel: &cancel,
    };
    let mut latent = ws.into_raw_vec_and_offset().0;
    refine(&problem, &s.tune.weights.pixel_and_lpips(), &mut latent, &s.refine, |_, _| {})?;

    let (mut seconds, mut lpips) = (Vec::new(), Vec::new());
    let mut seen = |losses: &StepLosses| {
        seconds.push(started.elapsed().as_secs_f64());
        let now = losses.edit.get(1).copied().unwrap_or(f32::NAN); // pixel, lpips, …
        lpips.push(now);
        // The end is no failure, but ends the loop as one.
        if now <= arguments.until { Err(gani_core::Error::Cancelled) } else { Ok(()) }
    };
    let ended = match arguments.preset {
        Preset::Paper => {
            let mut tuner = Tuner::new(&problem, &latent, &s.tune, 0)?;
            tune(&mut tuner, 0, |_, losses, _| seen(losses)).map(drop)
        }
        _ => direct::direct_tuning(&problem, &latent, &s.tune, 0, |_, losses, _| seen(losses)).map(drop),
    };
    match ended {
        Ok(()) | Err(gani_core::Error::Cancelled) => Ok(
            serde_json::json!({ "seconds": seconds, "lpips": lpips, "latent_steps": s.refine.steps_w + s.refine.steps_w_plus }),
        ),
        Err(e) => Err(e.into()),
    }
}

/// The encoder's w in all style layers, `[n,512]`, and the crop at the generator's size, `[1,3,R,R]`.
fn start(model: &Model, photo: &Path, cancel: &Cancel) -> Result<(Array2<f32>, Array4<f32>)> {
    let photo = Photo::open(photo)?;
    let faces = model.faces(&photo, cancel)?;
    let face = faces.first().ok_or("the photo has no face")?;
    let crop = face.alignment.crop(&photo, model.crop_resolution())?;
    let [height, width] = model.bundle.image_shape();
    Ok((model.encode(crop.view(), cancel)?, metrics::resize(crop.view(), height, width)))
}
