//! Inverting one aligned crop, top to bottom: encode, fit the latent and the weights by one of the methods, measure.

mod clock;
mod fit;

use crate::Result;
use crate::cache::Cache;
use crate::editor::Editor;
use crate::inversion::{self, Info, Inversion};
use crate::method::Method;
use crate::metrics::{self, Metrics};
use crate::model::Model;
use crate::photo::{Alignment, Photo};
use crate::preset::{Preset, Settings};
use crate::restyle::restyle;
use crate::runtime::Cancel;
use crate::terms::{Problem, observe};
use fit::Fit;
use ndarray::{Array4, ArrayView4};
use std::time::{Duration, Instant};

/// What the work is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding the face.
    Find,
    /// Loading the networks; the encoder's first estimate.
    Prepare,
    /// Improving the latent.
    Refine,
    /// Training the modules.
    Tune,
    /// Measuring the result.
    Finish,
}

/// News for whoever watches.
#[derive(Clone, Debug)]
pub enum Progress<'i> {
    /// A part of the work begins.
    Begin(Stage),
    /// How long it will take, said before the long part begins.
    Expected(Duration),
    /// A step was done.
    Step {
        /// Which part.
        stage: Stage,
        /// This step, from 1.
        step: usize,
        /// Of so many.
        steps: usize,
        /// Its loss.
        loss: f32,
        /// Time until the last step of the last part; known from a part's second step on.
        left: Option<Duration>,
    },
    /// How far the image has come, `[1,3,R,R]` in `[-1,1]`: the encoder's estimate, then as often as
    /// [`InvertOptions::preview_every`] says.
    Preview(ArrayView4<'i, f32>),
}

/// Where a crop comes from, for the inversion file.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// File name of the photo.
    pub photo: String,
    /// Its width and height.
    pub size: [u32; 2],
    /// Where the face lies in it.
    pub alignment: Option<Alignment>,
}

impl Origin {
    /// `photo`, and the face's place in it unless it is a crop that came aligned.
    pub fn of(photo: &Photo, alignment: Option<Alignment>) -> Origin {
        let name = photo.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Origin { photo: name, size: [photo.width(), photo.height()], alignment }
    }
}

/// How to invert.
#[derive(Clone, Debug)]
pub struct InvertOptions {
    /// How the photo comes into the generator.
    pub method: Method,
    /// Name of the preset that `settings` come from.
    pub preset: Preset,
    /// The settings.
    pub settings: Settings,
    /// Seed of ψ and of the sampled latents.
    pub seed: u64,
    /// Tuning steps between two [`Progress::Preview`]s; 0: none. Changes nothing of the result.
    pub preview_every: usize,
}

impl InvertOptions {
    /// A preset and its method, for the bundle's domain and what it has; seed 0, no previews.
    pub fn new(model: &Model, preset: Preset) -> Result<InvertOptions> {
        InvertOptions::of(model, preset.method(), preset)
    }

    /// The same with another method than the preset's.
    pub fn of(model: &Model, method: Method, preset: Preset) -> Result<InvertOptions> {
        let settings = model.settings(method, preset, None)?;
        Ok(InvertOptions { method, preset, settings, seed: 0, preview_every: 0 })
    }
}

/// A finished inversion.
#[derive(Debug)]
pub struct Inverted {
    /// What is saved.
    pub inversion: Inversion,
    /// The tuned generator's image, `[1,3,R,R]`.
    pub image: Array4<f32>,
    /// The untuned generator's image of the encoder's latent, `[1,3,R,R]`.
    pub encoder_image: Array4<f32>,
    /// Time for all of it.
    pub seconds: f64,
    /// Mean time of a tuning step.
    pub seconds_per_step: f64,
}

/// Inverts `crop` `[1,3,h,w]`, aligned, in `[-1,1]`, of [`Model::crop_shape`].
pub fn invert(
    model: &Model,
    crop: ArrayView4<'_, f32>,
    origin: Origin,
    options: &InvertOptions,
    cancel: &Cancel,
    mut watch: impl FnMut(Progress<'_>),
) -> Result<Inverted> {
    let started = Instant::now();
    let settings = &options.settings;
    settings.check()?;
    watch(Progress::Begin(Stage::Prepare));
    let objective = model.objective()?;
    let [height, width] = model.bundle.image_size();
    let target = metrics::resize(crop, height, width);

    // w = E(I)
    let ws = match options.method {
        Method::Restyle => restyle(model, crop, cancel)?,
        _ => model.encode(crop, cancel)?,
    };
    let encoder_image = Editor::untuned(model)?.image(ws.view(), cancel)?;
    if options.preview_every > 0 {
        watch(Progress::Preview(encoder_image.view()));
    }

    // The latent and the weights that reproduce the photo.
    let weights = match options.method {
        Method::Pti => &settings.pti.weights,
        _ => &settings.tune.weights,
    };
    let features = observe(&model.runtime, objective, weights, &target.clone().into_dyn(), cancel)?;
    let (mapping, w_avg) = (model.bundle.mapping()?, model.bundle.w_avg()?.to_vec());
    let (runtime, mapping) = (&model.runtime, mapping.as_ref());
    let problem = Problem { runtime, objective, target: &features, mapping, w_avg: &w_avg, cancel };
    let fit = match options.method {
        Method::Gani | Method::Direct => fit::refined_and_tuned(&problem, ws, options, &mut watch)?,
        Method::Pti => fit::pti(&problem, ws, options, &mut watch)?,
        Method::W | Method::WPlus => fit::latent(&problem, ws, options, &mut watch)?,
        Method::Encoder | Method::Restyle => Fit::untuned(ws),
    };
    watch(Progress::Begin(Stage::Finish));

    let mut inversion = Inversion {
        ws: fit.ws,
        changes: inversion::rounded(fit.changes),
        info: Info {
            format: inversion::format(),
            made_by: env!("CARGO_PKG_VERSION").into(),
            bundle: model.bundle.name().into(),
            generator_sha256: model.bundle.generator_sha256().into(),
            photo: origin.photo,
            photo_size: origin.size,
            alignment: origin.alignment,
            method: options.method.name().into(),
            preset: options.preset.name().into(),
            settings: settings.clone(),
            seed: options.seed,
            key: Cache::key(model, crop, options)?,
            parameters: fit.parameters,
            terms: fit.terms,
            history: fit.history,
            metrics: Metrics::default(),
            metrics_encoder: Metrics::default(),
        },
    };
    let image = Editor::tuned(model, &inversion)?.image(inversion.ws.view(), cancel)?;
    inversion.info.metrics = model.measure(image.view(), target.view(), cancel)?;
    inversion.info.metrics_encoder = model.measure(encoder_image.view(), target.view(), cancel)?;
    Ok(Inverted {
        inversion,
        image,
        encoder_image,
        seconds: started.elapsed().as_secs_f64(),
        seconds_per_step: fit.seconds_per_step,
    })
}
