//! StyleGAN2's projector: latent optimization from the mean latent, in W or W+ (Karras et al. 2020, App. D; W+ as in
//! Image2StyleGAN, Abdal et al. 2019). Constants and names as in the `projector.py` of its PyTorch release.
//!
//! The noise maps are optimized too, so that the latent need not explain single pixels, and regularized, so that they hold no
//! signal. They are discarded afterwards, as in PTI: an inversion consists of a latent and weights.

use super::refine::sum_layer_grads;
use crate::loss::total::{loss_gradient, read_terms, term_names};
use crate::loss::{Problem, StepLosses, Wrt};
use crate::optim::adam::Adam;
use crate::runtime::{Binding, Cancel};
use crate::settings::{LossWeights, ProjectorSettings, Space};
use crate::util::random::{normal, seeded};
use crate::{Error, Result};
use gani_onnx::{Builder, Expr, Graph};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::PI;

/// Fractions of the steps in which the learning rate rises and falls.
const LR_RAMPUP_LENGTH: f32 = 0.05;
const LR_RAMPDOWN_LENGTH: f32 = 0.25;
/// Fraction of the steps in which noise is added to w.
const NOISE_RAMP_LENGTH: f32 = 0.75;
/// Samples for the standard deviation of W.
const W_STD_SAMPLES: usize = 1000;
/// Noise maps are regularized at their own resolution and at each half of it, down to this one.
const MIN_RESOLUTION: usize = 8;

/// The result of a projection.
pub struct Projection {
    /// The latent, `[n·512]`.
    pub ws: Vec<f32>,
    /// Names of the terms in `history`.
    pub terms: Vec<String>,
    /// Losses of each step. The noise regularization is part of `total` only.
    pub history: Vec<StepLosses>,
}

/// Finds the latent of the photo, starting at the mean latent. Calls `on_step` with the step, from 1, and its loss.
///
/// # Errors
/// [`Error::Runtime`] if a run fails or the loss is not finite; [`Error::Cancelled`].
pub fn project(
    problem: &Problem<'_>,
    weights: &LossWeights,
    settings: &ProjectorSettings,
    seed: u64,
    mut on_step: impl FnMut(usize, f32),
) -> Result<Projection> {
    let Problem { runtime, loss, target, w_avg, cancel, .. } = *problem;
    let mut rng = seeded(seed, 0);
    let layers: usize = loss.generator.input_shape("ws")?.iter().rev().skip(1).product();
    let mut ws = w_avg.repeat(layers);
    let initial_noise = settings.initial_noise_factor * w_std(problem, &mut rng)?;
    let mut gradient = loss_gradient(runtime, loss, weights, Wrt::LatentAndNoise)?.bind()?;
    gradient.alias_inputs(target, "target.")?;
    let terms = term_names(&gradient);
    gradient.set("lambda", &weights.lambdas(&terms))?;
    let mut noise_maps = NoiseMaps::new(problem)?;
    let mut adam = Adam::new(ws.len());
    let mut history = Vec::with_capacity(settings.steps);
    for step in 0..settings.steps {
        let t = step as f32 / settings.steps as f32;
        let learning_rate = settings.learning_rate * lr_ramp(t);
        let w_noise_scale = initial_noise * (1.0 - t / NOISE_RAMP_LENGTH).max(0.0).powi(2);
        let w_noise = normal(&mut rng, if settings.space == Space::W { w_avg.len() } else { ws.len() });
        let noisy = ws.iter().zip(w_noise.iter().cycle()).map(|(w, n)| w + w_noise_scale * n);
        gradient.set("ws", &noisy.collect::<Vec<f32>>())?;
        noise_maps.set_inputs(&mut gradient)?;
        gradient.run(cancel)?;
        let mut total = gradient.with_data("loss", |l| l[0])?;
        let mut g = gradient.with_data("d.ws", <[f32]>::to_vec)?;
        if settings.space == Space::W {
            sum_layer_grads(&mut g, w_avg.len());
        }
        adam.step(&mut ws, &g, learning_rate);
        total += noise_maps.step(&gradient, settings.regularize_noise_weight, learning_rate, cancel)?;
        if !total.is_finite() {
            return Err(Error::Runtime(format!(
                "the loss is not finite at step {} of the projection; use a smaller learning rate",
                step + 1
            )));
        }
        let reconstruction = read_terms(&gradient, &terms)?;
        history.push(StepLosses { reconstruction, localization: vec![], total });
        on_step(step + 1, total);
    }
    Ok(Projection { ws, terms, history })
}

/// The learning rate's factor at the fraction `t` of the steps: a linear rise, then a cosine fall.
fn lr_ramp(t: f32) -> f32 {
    let down = ((1.0 - t) / LR_RAMPDOWN_LENGTH).min(1.0);
    (0.5 - 0.5 * (PI * down).cos()) * (t / LR_RAMPUP_LENGTH).min(1.0)
}

/// √(E‖w − w̄‖²), the projector's standard deviation of W; 0 if the bundle cannot sample latents.
fn w_std(problem: &Problem<'_>, rng: &mut ChaCha8Rng) -> Result<f32> {
    let Some(mapping) = problem.mapping else { return Ok(0.0) };
    let mut mapping = problem.runtime.compile("mapping", mapping)?.bind()?;
    let mut sum = 0.0f64;
    for _ in 0..W_STD_SAMPLES {
        let z = normal(rng, mapping.input_len("z")?);
        mapping.set("z", &z)?;
        mapping.run(problem.cancel)?;
        let square = |(w, m): (&f32, &f32)| f64::from(w - m).powi(2);
        sum += mapping.with_data("w", |w| w.iter().zip(problem.w_avg).map(square).sum::<f64>())?;
    }
    Ok((sum / W_STD_SAMPLES as f64).sqrt() as f32)
}

/// The generator's noise maps, as optimized by the projector, and the graph of their regularization.
struct NoiseMaps {
    maps: Vec<NoiseMap>,
    /// `None` if the generator has no noise maps.
    regularization: Option<Binding>,
}

/// A noise map: its name in the generator, its values with unit variance, and the generator's scale for them.
struct NoiseMap {
    name: String,
    values: Vec<f32>,
    scale: f32,
    adam: Adam,
}

impl NoiseMaps {
    fn new(problem: &Problem<'_>) -> Result<NoiseMaps> {
        let maps: Vec<NoiseMap> =
            problem.loss.noise_maps().into_iter().filter_map(NoiseMap::with_unit_variance).collect();
        let sizes: Vec<(&str, usize)> =
            maps.iter().map(|n| (n.name.as_str(), n.values.len().isqrt())).collect();
        let compile = |graph| problem.runtime.compile("noise regularization", &graph)?.bind();
        let regularization = regularization(&sizes)?.map(compile).transpose()?;
        Ok(NoiseMaps { maps, regularization })
    }

    /// Sets the noise inputs of the loss graph.
    fn set_inputs(&self, gradient: &mut Binding) -> Result<()> {
        self.maps.iter().try_for_each(|n| {
            let scaled: Vec<f32> = n.values.iter().map(|v| v * n.scale).collect();
            gradient.set(&format!("noise.{}", n.name), &scaled)
        })
    }

    /// One Adam step of each map with the gradient of the loss and of the regularization, then normalization to zero mean and unit
    /// variance. Returns the weighted regularization.
    fn step(&mut self, gradient: &Binding, weight: f32, learning_rate: f32, cancel: &Cancel) -> Result<f32> {
        let Some(regularization) = &mut self.regularization else { return Ok(0.0) };
        self.maps.iter().try_for_each(|n| regularization.set(&n.name, &n.values))?;
        regularization.run(cancel)?;
        for n in &mut self.maps {
            let of_loss = gradient.with_data(&format!("d.noise.{}", n.name), <[f32]>::to_vec)?;
            let of_map = regularization.with_data(&format!("d.{}", n.name), <[f32]>::to_vec)?;
            let g: Vec<f32> = of_loss.iter().zip(&of_map).map(|(l, r)| n.scale * l + weight * r).collect();
            n.adam.step(&mut n.values, &g, learning_rate);
            normalize(&mut n.values);
        }
        Ok(weight * regularization.with_data("value", |r| r[0])?)
    }
}

impl NoiseMap {
    /// `None` for a map without variance.
    fn with_unit_variance((name, map): (&str, &gani_onnx::Tensor)) -> Option<NoiseMap> {
        let mut values = map.as_f32()?.to_vec();
        let scale = normalize(&mut values);
        (scale > 0.0).then(|| NoiseMap { name: name.into(), adam: Adam::new(values.len()), values, scale })
    }
}

/// n ← (n − mean n) / √mean n². Returns that root.
fn normalize(values: &mut [f32]) -> f32 {
    let len = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / len;
    values.iter_mut().for_each(|v| *v -= mean);
    let root = (values.iter().map(|v| v * v).sum::<f32>() / len).sqrt();
    if root > 0.0 {
        values.iter_mut().for_each(|v| *v /= root);
    }
    root
}

/// Noise maps by name and resolution → `value` = Σ over maps and resolutions of (mean n·n→)² + (mean n·n↓)², and `d.NAME`.
///
/// Penalizes correlation between neighboring pixels: independent noise has none, an image does. `None` without maps.
pub(crate) fn regularization(noise: &[(&str, usize)]) -> Result<Option<Graph>> {
    if noise.is_empty() {
        return Ok(None);
    }
    let b = Builder::new();
    let maps: Vec<_> = noise.iter().map(|&(name, edge)| b.input(name, &[1, 1, edge, edge])).collect();
    let mut value = b.scalar(0.0);
    for &map in &maps {
        let sizes = std::iter::successors(Some(map), |m| (m.dim(2) > MIN_RESOLUTION).then(|| halve(*m)));
        value = sizes.map(neighbor_correlation).fold(value, |sum, v| sum + v);
    }
    b.output("value", value.reshape(&[1]));
    for ((name, _), grad) in noise.iter().zip(b.gradient(value, &maps)?) {
        b.output(&format!("d.{name}"), grad);
    }
    Ok(Some(b.finish()?))
}

/// (mean n·n→)² + (mean n·n↓)², with wrap-around at the edges.
fn neighbor_correlation(n: Expr<'_>) -> Expr<'_> {
    let rolled = |axis: usize| {
        let size = n.dim(axis) as i64;
        let (last, rest) =
            (n.slice(&[axis], &[size - 1], &[size], &[1]), n.slice(&[axis], &[0], &[size - 1], &[1]));
        n.builder().concat(&[last, rest], axis)
    };
    (n * rolled(3)).mean_all().square() + (n * rolled(2)).mean_all().square()
}

/// Averages of 2×2 pixels, not rescaled to unit variance, as in `projector.py`.
fn halve(n: Expr<'_>) -> Expr<'_> {
    let half = n.dim(2) / 2;
    n.reshape(&[half, 2, half, 2]).mean(&[1, 3], false).reshape(&[1, 1, half, half])
}
