//! A benchmark of this machine: times of the generator, the loss gradient and single steps, and from these the time of whole
//! inversions. Takes about a minute.

use super::evaluation::peak_memory_mb;
use crate::edit::Generator;
use crate::inversion::CropSource;
use crate::invert::{InvertOptions, Progress, Stage, invert};
use crate::loss::{Problem, TotalLoss, target_features};
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::settings::{Preset, Settings};
use crate::{Error, Result};
use ndarray::{Array2, Array4};
use serde::Serialize;
use std::time::Instant;

/// Measured runs of a graph, after one warm-up run.
const RUNS: usize = 5;
/// Latent steps of a trial run.
const LATENT_STEPS: usize = 4;
/// Tuning cycles of a trial run. A cycle is the steps from one localization to the next.
const CYCLES: usize = 3;

/// Measurements of a model on this machine. Times are medians in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Name of the model.
    pub model: String,
    /// Device: `cpu`, `cuda:0`.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Version of ONNX Runtime.
    pub onnx_runtime: String,
    /// One image of the generator, including the copy to host memory.
    pub generator_seconds: f64,
    /// Eq. 1 of a photo and its gradient ∂L/∂θ.
    pub loss_gradient_seconds: f64,
    /// Estimates for the presets.
    pub inversions: Vec<PresetEstimate>,
    /// Peak memory of the process.
    pub peak_memory_mb: Option<u64>,
}

/// Estimated time of an inversion with a preset.
#[derive(Clone, Debug, Serialize)]
pub struct PresetEstimate {
    /// The preset.
    pub preset: String,
    /// Its method.
    pub method: String,
    /// Latent refinement steps.
    pub latent_steps: usize,
    /// Time of a latent step.
    pub seconds_per_latent_step: f64,
    /// Tuning steps.
    pub steps: usize,
    /// Mean time of a tuning step, some of which have a localization term.
    pub seconds_per_step: f64,
    /// Total time: loading, steps, measuring the result.
    pub seconds: f64,
}

/// Times of a short inversion.
struct TrialRun {
    latent_step: f64,
    step: f64,
    /// Everything except the steps.
    rest: f64,
}

/// Measures the generator, the loss gradient, and short inversions with the presets `fast` and `best`, on a face sampled from
/// `seed`. Calls `on_stage` with the name of each part before it runs.
pub fn bench(model: &Model, seed: u64, cancel: &Cancel, mut on_stage: impl FnMut(&str)) -> Result<Figures> {
    on_stage("generator");
    let mean = model.broadcast(&model.bundle.w_avg()?.into_dyn())?;
    let ws = match model.sample(seed, 0.7, cancel) {
        Err(Error::Unsupported(_)) => mean.clone(), // without a mapping network
        sampled => sampled?,
    };
    let generator = Generator::untuned(model)?;
    let image = generator.image(ws.view(), cancel)?;
    let generator_seconds = median_of(|| generator.image(ws.view(), cancel).map(drop))?;
    drop(generator);
    let [height, width] = model.crop_shape()?;
    let crop = resize(image.view(), height, width);

    on_stage("loss gradient");
    let options = [Preset::Fast, Preset::Best].map(|preset| InvertOptions::new(model, preset));
    let [fast, best] = options;
    let (fast, best) = (fast?, best?);
    let loss_gradient_seconds = loss_gradient(model, &image, &mean, &best, cancel)?;

    on_stage("inversion");
    let trial = TrialRun::run(model, &crop, &best, cancel)?;
    let fast_trial =
        if same_steps(&fast, &best) { None } else { Some(TrialRun::run(model, &crop, &fast, cancel)?) };
    Ok(Figures {
        model: model.bundle.name().into(),
        device: model.runtime.device().to_string(),
        threads: model.runtime.threads(),
        onnx_runtime: model.runtime.version().into(),
        generator_seconds,
        loss_gradient_seconds,
        inversions: vec![fast_trial.as_ref().unwrap_or(&trial).estimate(&fast), trial.estimate(&best)],
        peak_memory_mb: peak_memory_mb(),
    })
}

/// Time of Eq. 1 and ∂L/∂θ for the photo `image` at the latent `ws`.
fn loss_gradient(
    model: &Model,
    image: &Array4<f32>,
    ws: &Array2<f32>,
    options: &InvertOptions,
    cancel: &Cancel,
) -> Result<f64> {
    let (runtime, loss) = (&model.runtime, model.similarity_loss()?);
    let weights = &options.settings.tune.loss_weights;
    let features = target_features(runtime, loss, weights, &image.clone().into_dyn(), cancel)?;
    let w_avg = model.bundle.w_avg()?.to_vec();
    let problem = Problem { runtime, loss, target: &features, mapping: None, w_avg: &w_avg, cancel };
    let mut total = TotalLoss::new(&problem, ws.as_slice().unwrap_or_default(), weights, weights)?;
    median_of(|| total.run_reconstruction(1.0).map(drop))
}

impl TrialRun {
    /// Runs a short inversion.
    fn run(model: &Model, crop: &Array4<f32>, options: &InvertOptions, cancel: &Cancel) -> Result<TrialRun> {
        let mut short = options.clone();
        let cycle = short.settings.tune.localization_interval.max(1);
        if latent_steps(&short.settings) > 0 {
            short.settings.refine.set_steps(LATENT_STEPS);
        }
        // One more step: the first also allocates memory and is not measured.
        short.settings.tune.iterations = CYCLES * cycle + 1;
        let (mut latent, mut tune, mut last) = (Vec::new(), Vec::new(), None);
        let result =
            invert(model, crop.view(), CropSource::default(), &short, cancel, |event| match event {
                Progress::Step { stage, .. } => {
                    let now = Instant::now();
                    let since = last.replace(now).map(|last| (now - last).as_secs_f64());
                    if stage == Stage::Tune { &mut tune } else { &mut latent }.extend(since);
                }
                Progress::Begin(_) => last = None,
                _ => {}
            })?;
        if tune.is_empty() {
            return Err(Error::Unsupported(format!(
                "the method {} has no steps to measure",
                short.method.name()
            )));
        }
        let cycles = tune.chunks(cycle).map(|steps| steps.iter().sum::<f64>() / steps.len() as f64);
        let (latent_step, step) = (median(latent), median(cycles.collect()));
        let steps =
            latent_steps(&short.settings) as f64 * latent_step + short.settings.tune.iterations as f64 * step;
        Ok(TrialRun { latent_step, step, rest: (result.seconds - steps).max(0.0) })
    }

    /// Time of the whole inversion.
    fn estimate(&self, options: &InvertOptions) -> PresetEstimate {
        let (latent_steps, steps) = (latent_steps(&options.settings), options.settings.tune.iterations);
        PresetEstimate {
            preset: options.preset.name().into(),
            method: options.method.name().into(),
            latent_steps,
            seconds_per_latent_step: self.latent_step,
            steps,
            seconds_per_step: self.step,
            seconds: self.rest + latent_steps as f64 * self.latent_step + steps as f64 * self.step,
        }
    }
}

fn latent_steps(settings: &Settings) -> usize {
    settings.refine.steps_w + settings.refine.steps_w_plus
}

/// Whether the steps of two inversions cost the same: they differ in number and learning rate only.
fn same_steps(a: &InvertOptions, b: &InvertOptions) -> bool {
    let cost = |o: &InvertOptions| {
        let mut s = o.settings.clone();
        s.refine.set_steps(latent_steps(&s).min(1));
        (s.tune.iterations, s.tune.learning_rate, s.tune.lr_rampdown) = (0, 0.0, 0.0);
        (o.method, s)
    };
    cost(a) == cost(b)
}

/// Median time of [`RUNS`] runs, after a warm-up run.
fn median_of(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let timed = |_| {
        let started = Instant::now();
        run().map(|()| started.elapsed().as_secs_f64())
    };
    Ok(median((0..RUNS).map(timed).collect::<Result<_>>()?))
}

/// The median; 0 for an empty list.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
