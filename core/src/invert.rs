//! Inverting one aligned crop, top to bottom: encode, refine, tune, measure.

use crate::Result;
use crate::editor::Editor;
use crate::inversion::{self, Info, Inversion};
use crate::metrics::{self, Metrics};
use crate::model::Model;
use crate::photo::Alignment;
use crate::preset::{Preset, Settings};
use crate::refine::refine;
use crate::runtime::Cancel;
use crate::tune::{Problem, Tuner, observe, tune};
use ndarray::{Array4, ArrayView4};
use std::time::{Duration, Instant};

/// What the work is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Improving the latent.
    Refine,
    /// Training the modules.
    Tune,
}

/// News for whoever watches.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
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
    },
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

/// How to invert.
#[derive(Clone, Debug)]
pub struct InvertOptions {
    /// Name of the preset that `settings` come from.
    pub preset: Preset,
    /// The settings.
    pub settings: Settings,
    /// Seed of ψ and of the sampled latents.
    pub seed: u64,
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
    mut watch: impl FnMut(Progress),
) -> Result<Inverted> {
    let started = Instant::now();
    let settings = &options.settings;
    let objective = model.objective()?;
    let [height, width] = model.bundle.image_size();
    let target = metrics::resize(crop, height, width);

    // w = E(I)
    let mut ws = model.encode(crop, cancel)?;
    let encoder_image = Editor::untuned(model)?.image(ws.view(), cancel)?;

    // The latent, refined by gradient.
    let weights = &settings.tune.weights;
    let features = observe(&model.runtime, objective, weights, &target.clone().into_dyn(), cancel)?;
    let problem = Problem { runtime: &model.runtime, objective, target: &features, cancel };
    let steps = settings.refine.steps_w + settings.refine.steps_w_plus;
    let latent = ws.as_slice_mut().unwrap_or_default();
    let mut clock = Clock::new(settings);
    refine(&problem, &weights.cheap(), latent, &settings.refine, |step, loss| {
        clock.tick(Stage::Refine).into_iter().for_each(&mut watch);
        watch(Progress::Step { stage: Stage::Refine, step, steps, loss });
    })?;

    // θ' = θ ⊙ (1 + M_ψ(∂L/∂θ)): Algorithm 1.
    let latent = ws.as_slice().unwrap_or_default();
    let mapping = model.bundle.mapping()?;
    let mut tuner = Tuner::new(&problem, mapping.as_ref(), latent, &settings.tune, options.seed)?;
    let tuning = Instant::now();
    let steps = settings.tune.iterations;
    let history = tune(&mut tuner, options.seed, |step, losses| {
        clock.tick(Stage::Tune).into_iter().for_each(&mut watch);
        watch(Progress::Step { stage: Stage::Tune, step, steps, loss: losses.total });
    })?;
    let seconds_per_step = tuning.elapsed().as_secs_f64() / steps.max(1) as f64;
    let changes = inversion::rounded(tuner.weight_changes()?);
    let (parameters, terms) = (tuner.modules().parameter_count(), tuner.term_names().to_vec());
    drop(tuner); // its sessions hold gigabytes that measuring can do without

    let mut inversion = Inversion {
        ws,
        changes,
        info: Info {
            format: inversion::format(),
            made_by: env!("CARGO_PKG_VERSION").into(),
            bundle: model.bundle.name().into(),
            generator_sha256: model.bundle.generator_sha256().into(),
            photo: origin.photo,
            photo_size: origin.size,
            alignment: origin.alignment,
            method: "gani".into(),
            preset: options.preset.name().into(),
            settings: settings.clone(),
            seed: options.seed,
            parameters,
            terms,
            history,
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
        seconds_per_step,
    })
}

/// Tells the expected time once, from the second gradient step: the first one also takes memory.
struct Clock<'s> {
    settings: &'s Settings,
    ticks: usize,
    last: Instant,
}

impl<'s> Clock<'s> {
    fn new(settings: &'s Settings) -> Clock<'s> {
        Clock { settings, ticks: 0, last: Instant::now() }
    }

    fn tick(&mut self, stage: Stage) -> Option<Progress> {
        let step = self.last.elapsed();
        self.last = Instant::now();
        self.ticks += 1;
        let (refine, tune) = (&self.settings.refine, &self.settings.tune);
        // A tuning step with localisation costs about two and a half latent steps.
        let steps = match stage {
            Stage::Refine => {
                let tuning = tune.iterations as f64 * (1.0 + 1.5 / tune.local_every.max(1) as f64);
                (refine.steps_w + refine.steps_w_plus) as f64 + tuning
            }
            Stage::Tune => tune.iterations as f64,
        };
        (self.ticks == 2).then(|| Progress::Expected(step.mul_f64(steps)))
    }
}
