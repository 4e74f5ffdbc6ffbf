//! Latent optimisation from the mean latent, in W or in W+: StyleGAN2's projector (Karras et al. 2020, App. D), with the
//! constants of its PyTorch release, and Image2StyleGAN's W+ (Abdal et al. 2019).
//!
//! The noise maps take part, so that the latent need not explain single pixels; a regularisation keeps signal out of
//! them. They are dropped afterwards, as pivotal tuning drops them: an inversion is a latent and weights.

use crate::adam::Adam;
use crate::objective::{Weights, Wrt};
use crate::refine::tie;
use crate::terms::{Problem, StepLosses, lambdas, loss_gradient, read, term_names};
use crate::{Error, Result};
use gani_onnx::{Builder, Expr, Graph};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// Which latents are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// One w for all style layers.
    W,
    /// A w for each.
    WPlus,
}

/// How a latent is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProjectSettings {
    /// Which latents.
    pub space: Space,
    /// Steps.
    pub steps: usize,
    /// Adam's step size between ramps.
    pub learning_rate: f32,
    /// Noise added to w at first, in standard deviations of W; it falls to 0 in three quarters of the steps.
    pub exploration: f32,
    /// Weight of the noise maps' regularisation.
    pub noise_regularisation: f32,
}

impl ProjectSettings {
    /// StyleGAN2's projector: 1,000 steps of 0.1.
    pub fn stylegan2(space: Space) -> ProjectSettings {
        ProjectSettings {
            space,
            steps: 1000,
            learning_rate: 0.1,
            exploration: 0.05,
            noise_regularisation: 1e5,
        }
    }

    /// The pivot of pivotal tuning: 450 steps of 0.01 in W.
    pub fn pivot() -> ProjectSettings {
        ProjectSettings { steps: 450, learning_rate: 0.01, ..ProjectSettings::stylegan2(Space::W) }
    }
}

impl Default for ProjectSettings {
    fn default() -> ProjectSettings {
        ProjectSettings::stylegan2(Space::W)
    }
}

/// Fractions of the steps in which the step size rises and falls.
const RAMP_UP: f32 = 0.05;
const RAMP_DOWN: f32 = 0.25;
/// Fraction of the steps in which w is shaken.
const EXPLORING: f32 = 0.75;
/// Samples of W for its standard deviation.
const SAMPLES: usize = 1000;
/// Noise maps are regularised at their own size and at halves of it, down to this edge.
const SMALLEST: usize = 8;

/// The outcome of a projection.
pub struct Projected {
    /// The latent, `[n·512]`.
    pub ws: Vec<f32>,
    /// Names of the terms of `history`.
    pub terms: Vec<String>,
    /// Losses of every step; the noise maps' regularisation is in `total` alone.
    pub history: Vec<StepLosses>,
}

/// A noise map that is optimised: its name in the generator, unit-variance values, and what they are scaled by there.
struct Noise {
    name: String,
    values: Vec<f32>,
    scale: f32,
    adam: Adam,
}

/// Finds the latent `[n·512]` of the photo, from the mean latent on; tells `watch` of each step and its loss.
pub fn project(
    problem: &Problem<'_>,
    weights: &Weights,
    settings: &ProjectSettings,
    seed: u64,
    mut watch: impl FnMut(usize, f32),
) -> Result<Projected> {
    let Problem { runtime, objective, target, w_avg, cancel, .. } = *problem;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let layers: usize = objective.generator.input_shape("ws")?.iter().rev().skip(1).product();
    let mut ws = w_avg.repeat(layers);
    let shake = settings.exploration * deviation(problem, &mut rng)?;
    let mut loss = loss_gradient(runtime, objective, weights, Wrt::LatentAndNoise)?.bind()?;
    loss.share_all(target, "target.")?;
    let terms = term_names(&loss);
    loss.set("lambda", &lambdas(&terms, weights))?;
    let mut noise: Vec<Noise> = objective.noise_maps().into_iter().filter_map(unit_variance).collect();
    let maps: Vec<(&str, usize)> = noise.iter().map(|n| (n.name.as_str(), n.values.len().isqrt())).collect();
    let mut regularisation = regularisation(&maps)?
        .map(|graph| runtime.compile("noise regularisation", &graph)?.bind())
        .transpose()?;
    let mut adam = Adam::new(ws.len());
    let mut history = Vec::with_capacity(settings.steps);
    for step in 0..settings.steps {
        let t = step as f32 / settings.steps as f32;
        let rate = settings.learning_rate * ramp(t);
        let shake = shake * (1.0 - t / EXPLORING).max(0.0).powi(2);
        let shift = normal(&mut rng, if settings.space == Space::W { w_avg.len() } else { ws.len() });
        let shaken: Vec<f32> = ws.iter().zip(shift.iter().cycle()).map(|(w, n)| w + shake * n).collect();
        loss.set("ws", &shaken)?;
        for n in &noise {
            let scaled: Vec<f32> = n.values.iter().map(|v| v * n.scale).collect();
            loss.set(&format!("noise.{}", n.name), &scaled)?;
            if let Some(regularisation) = &mut regularisation {
                regularisation.set(&n.name, &n.values)?;
            }
        }
        loss.run(cancel)?;
        let mut total = loss.with("loss", |l| l[0])?;
        let mut g = loss.with("d.ws", <[f32]>::to_vec)?;
        if settings.space == Space::W {
            tie(&mut g, w_avg.len());
        }
        adam.step(&mut ws, &g, rate);
        if let Some(regularisation) = &mut regularisation {
            regularisation.run(cancel)?;
            total += settings.noise_regularisation * regularisation.with("value", |r| r[0])?;
            for n in &mut noise {
                let of_loss = loss.with(&format!("d.noise.{}", n.name), <[f32]>::to_vec)?;
                let of_map = regularisation.with(&format!("d.{}", n.name), <[f32]>::to_vec)?;
                let both = of_loss.iter().zip(&of_map);
                let g: Vec<f32> =
                    both.map(|(l, r)| n.scale * l + settings.noise_regularisation * r).collect();
                n.adam.step(&mut n.values, &g, rate);
                normalise(&mut n.values);
            }
        }
        if !total.is_finite() {
            return Err(Error::Runtime(format!(
                "the loss is no longer finite at step {} of the projection; use fewer steps",
                step + 1
            )));
        }
        history.push(StepLosses { edit: read(&loss, &terms)?, local: vec![], total });
        watch(step + 1, total);
    }
    Ok(Projected { ws, terms, history })
}

/// The step size's factor at the fraction `t` of the steps: up along a line, down along a cosine.
fn ramp(t: f32) -> f32 {
    let down = ((1.0 - t) / RAMP_DOWN).min(1.0);
    (0.5 - 0.5 * (PI * down).cos()) * (t / RAMP_UP).min(1.0)
}

/// √(E‖w − w̄‖²): the standard deviation of W as the projector takes it; 0 where the bundle cannot sample latents.
fn deviation(problem: &Problem<'_>, rng: &mut ChaCha8Rng) -> Result<f32> {
    let Some(mapping) = problem.mapping else { return Ok(0.0) };
    let mut mapping = problem.runtime.compile("mapping", mapping)?.bind()?;
    let mut sum = 0.0f64;
    for _ in 0..SAMPLES {
        let z = normal(rng, mapping.input_len("z")?);
        mapping.set("z", &z)?;
        mapping.run(problem.cancel)?;
        let square = |(w, m): (&f32, &f32)| f64::from(w - m).powi(2);
        sum += mapping.with("w", |w| w.iter().zip(problem.w_avg).map(square).sum::<f64>())?;
    }
    Ok((sum / SAMPLES as f64).sqrt() as f32)
}

fn normal(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
    StandardNormal.sample_iter(rng).take(len).collect()
}

/// A stored map as unit-variance noise; none where it has no variance.
fn unit_variance((name, map): (&str, &gani_onnx::Tensor)) -> Option<Noise> {
    let mut values = map.as_f32()?.to_vec();
    let scale = normalise(&mut values);
    (scale > 0.0).then(|| Noise { name: name.into(), adam: Adam::new(values.len()), values, scale })
}

/// n ← (n − mean n) / √mean n², and returns that root.
fn normalise(values: &mut [f32]) -> f32 {
    let len = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / len;
    values.iter_mut().for_each(|v| *v -= mean);
    let root = (values.iter().map(|v| v * v).sum::<f32>() / len).sqrt();
    if root > 0.0 {
        values.iter_mut().for_each(|v| *v /= root);
    }
    root
}

/// Maps by name and edge → `value` = Σ over maps and sizes of (mean n·n→)² + (mean n·n↓)², and `d.NAME`: neighbours of noise
/// do not go together, those of a signal do. None without maps.
pub(crate) fn regularisation(noise: &[(&str, usize)]) -> Result<Option<Graph>> {
    if noise.is_empty() {
        return Ok(None);
    }
    let b = Builder::new();
    let maps: Vec<_> = noise.iter().map(|&(name, edge)| b.input(name, &[1, 1, edge, edge])).collect();
    let mut value = b.scalar(0.0);
    for &map in &maps {
        let sizes = std::iter::successors(Some(map), |m| (m.dim(2) > SMALLEST).then(|| halved(*m)));
        value = sizes.map(neighbours).fold(value, |sum, v| sum + v);
    }
    b.output("value", value.reshape(&[1]));
    for ((name, _), grad) in noise.iter().zip(b.gradient(value, &maps)?) {
        b.output(&format!("d.{name}"), grad);
    }
    Ok(Some(b.finish()?))
}

/// (mean n·n→)² + (mean n·n↓)², the last pixel's neighbour being the first.
fn neighbours(n: Expr<'_>) -> Expr<'_> {
    let rolled = |axis: usize| {
        let size = n.dim(axis) as i64;
        let (last, rest) =
            (n.slice(&[axis], &[size - 1], &[size], &[1]), n.slice(&[axis], &[0], &[size - 1], &[1]));
        n.builder().concat(&[last, rest], axis)
    };
    (n * rolled(3)).mean_all().square() + (n * rolled(2)).mean_all().square()
}

/// Averages of 2×2 pixels. (The projector does not rescale them to unit variance.)
fn halved(n: Expr<'_>) -> Expr<'_> {
    let half = n.dim(2) / 2;
    n.reshape(&[half, 2, half, 2]).mean(&[1, 3], false).reshape(&[1, 1, half, half])
}
