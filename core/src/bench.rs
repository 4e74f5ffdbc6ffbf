//! What the parts of an inversion take on this machine, and from that, how long whole inversions will: measured in a minute.

use crate::editor::Editor;
use crate::evaluate::peak_memory_mb;
use crate::invert::{InvertOptions, Origin, Progress, Stage, invert};
use crate::metrics;
use crate::model::Model;
use crate::preset::{Preset, Settings};
use crate::runtime::Cancel;
use crate::terms::{Problem, Terms, observe};
use crate::{Error, Result};
use ndarray::{Array2, Array4};
use serde::Serialize;
use std::time::Instant;

/// Runs of one graph that count; one more goes before.
const RUNS: usize = 5;
/// Latent steps, and cycles of tuning steps from one localisation to the next, of a trial inversion.
const LATENT_STEPS: usize = 4;
const CYCLES: usize = 3;

/// A model's figures on this machine. Times are medians in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The model.
    pub model: String,
    /// Where it ran: `cpu`, `cuda:0`.
    pub device: String,
    /// Threads of the processor.
    pub threads: usize,
    /// The version of ONNX Runtime.
    pub onnx_runtime: String,
    /// An image of the generator, with copying it out.
    pub generator_seconds: f64,
    /// Eq. 1 of a photo with ∂L/∂θ.
    pub loss_gradient_seconds: f64,
    /// The presets.
    pub inversions: Vec<Expected>,
    /// The most memory that the process held.
    pub peak_memory_mb: Option<u64>,
}

/// What an inversion with a preset is expected to take.
#[derive(Clone, Debug, Serialize)]
pub struct Expected {
    /// The preset.
    pub preset: String,
    /// Its method.
    pub method: String,
    /// Steps that refine the latent.
    pub latent_steps: usize,
    /// One of them.
    pub seconds_per_latent_step: f64,
    /// Tuning steps.
    pub steps: usize,
    /// One of them, localisation included as often as it comes.
    pub seconds_per_step: f64,
    /// All of it: loading, steps, measuring the result.
    pub seconds: f64,
}

/// What a trial inversion took.
struct Trial {
    latent_step: f64,
    step: f64,
    /// All but the steps.
    rest: f64,
}

/// Measures generator, loss gradient and short inversions with the presets `fast` and `best`, on a face that is sampled from
/// `seed`; tells `watch` what it is at.
pub fn bench(model: &Model, seed: u64, cancel: &Cancel, mut watch: impl FnMut(&str)) -> Result<Figures> {
    watch("generator");
    let mean = model.broadcast(&model.bundle.w_avg()?.into_dyn())?;
    let ws = match model.sample(seed, 0.7, cancel) {
        Err(Error::Unsupported(_)) => mean.clone(), // the bundle knows no other latent
        sampled => sampled?,
    };
    let generator = Editor::untuned(model)?;
    let image = generator.image(ws.view(), cancel)?;
    let generator_seconds = median_of(|| generator.image(ws.view(), cancel).map(drop))?;
    drop(generator);
    let [height, width] = model.crop_shape();
    let crop = metrics::resize(image.view(), height, width);

    watch("loss gradient");
    let options = [Preset::Fast, Preset::Best].map(|preset| InvertOptions::new(model, preset));
    let [fast, best] = options;
    let (fast, best) = (fast?, best?);
    let loss_gradient_seconds = loss_gradient(model, &image, &mean, &best, cancel)?;

    watch("inversion");
    let trial = Trial::run(model, &crop, &best, cancel)?;
    let of_fast = if same_work(&fast, &best) { None } else { Some(Trial::run(model, &crop, &fast, cancel)?) };
    Ok(Figures {
        model: model.bundle.name().into(),
        device: model.runtime.device().to_string(),
        threads: model.runtime.threads(),
        onnx_runtime: model.runtime.version().into(),
        generator_seconds,
        loss_gradient_seconds,
        inversions: vec![of_fast.as_ref().unwrap_or(&trial).expected(&fast), trial.expected(&best)],
        peak_memory_mb: peak_memory_mb(),
    })
}

/// Time of Eq. 1 and ∂L/∂θ of the photo `image` at the latent `ws`.
fn loss_gradient(
    model: &Model,
    image: &Array4<f32>,
    ws: &Array2<f32>,
    options: &InvertOptions,
    cancel: &Cancel,
) -> Result<f64> {
    let (runtime, objective, weights) = (&model.runtime, model.objective()?, &options.settings.tune.weights);
    let features = observe(runtime, objective, weights, &image.clone().into_dyn(), cancel)?;
    let w_avg = model.bundle.w_avg()?.to_vec();
    let problem = Problem { runtime, objective, target: &features, mapping: None, w_avg: &w_avg, cancel };
    let mut terms = Terms::new(&problem, ws.as_slice().unwrap_or_default(), weights, weights)?;
    median_of(|| terms.run_edit(1.0).map(drop))
}

impl Trial {
    /// Inverts in few steps.
    fn run(model: &Model, crop: &Array4<f32>, options: &InvertOptions, cancel: &Cancel) -> Result<Trial> {
        let mut short = options.clone();
        let cycle = short.settings.tune.local_every.max(1);
        if latent_steps(&short.settings) > 0 {
            short.settings.refine.set_steps(LATENT_STEPS);
        }
        // The first step, which also takes memory, ends no interval.
        short.settings.tune.iterations = CYCLES * cycle + 1;
        let (mut latent, mut tune, mut last) = (Vec::new(), Vec::new(), None);
        let done = invert(model, crop.view(), Origin::default(), &short, cancel, |news| match news {
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
                "the method {} makes no steps to measure",
                short.method.name()
            )));
        }
        let cycles = tune.chunks(cycle).map(|steps| steps.iter().sum::<f64>() / steps.len() as f64);
        let (latent_step, step) = (median(latent), median(cycles.collect()));
        let steps =
            latent_steps(&short.settings) as f64 * latent_step + short.settings.tune.iterations as f64 * step;
        Ok(Trial { latent_step, step, rest: (done.seconds - steps).max(0.0) })
    }

    /// What the whole inversion will take.
    fn expected(&self, options: &InvertOptions) -> Expected {
        let (latent_steps, steps) = (latent_steps(&options.settings), options.settings.tune.iterations);
        Expected {
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

/// Whether two inversions differ in the number and length of their steps only.
fn same_work(a: &InvertOptions, b: &InvertOptions) -> bool {
    let work = |o: &InvertOptions| {
        let mut s = o.settings.clone();
        s.refine.set_steps(latent_steps(&s).min(1));
        (s.tune.iterations, s.tune.learning_rate, s.tune.cool_down) = (0, 0.0, 0.0);
        (o.method, s)
    };
    work(a) == work(b)
}

/// The median time of a few runs, after one that does not count.
fn median_of(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let timed = |_| {
        let started = Instant::now();
        run().map(|()| started.elapsed().as_secs_f64())
    };
    Ok(median((0..RUNS).map(timed).collect::<Result<_>>()?))
}

/// The middle of the times; 0 of none.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
