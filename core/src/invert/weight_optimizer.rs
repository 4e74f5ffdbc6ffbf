//! Adam (Kingma and Ba 2015) on the generator's weights as one graph, so that θ', its moments and its gradient stay on the device.
//! Steps may be preconditioned to avoid weights that other images depend on.

use super::tuning::{Parametrization, TuningResult};
use crate::loss::{Problem, SimilarityLoss, StepLosses, TotalLoss};
use crate::optim::adam::{BETA1, BETA2, EPSILON};
use crate::runtime::{Binding, Cancel};
use crate::{Error, Result};
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor};
use ndarray::ArrayD;

/// ε₁ and ε₂ in [`precondition`]. Both are added to quantities with mean 1, so that no weight moves without bounds.
const EPSILONS: [f32; 2] = [1e-4, 0.03];

/// Options of [`FusedAdam`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AdamOptions {
    /// The step size of each weight is α · rms(θ), so that one α suits generators with other weight magnitudes (Adafactor,
    /// Shazeer and Stern 2018, §8). Otherwise it is α.
    pub relative: bool,
    /// Exponent p of the preconditioning by importance, 0 to 1; 0: plain Adam.
    pub fisher_power: f32,
}

/// Adam on θ', the weights that the graphs of a [`TotalLoss`] read.
pub struct FusedAdam<'p> {
    loss: &'p SimilarityLoss,
    cancel: Cancel,
    update: Binding,
    /// Learning rate α of a step, from 0.
    learning_rate: &'p dyn Fn(usize) -> f32,
    steps: i32,
}

impl<'p> FusedAdam<'p> {
    /// Starts at the original weights. `latents` are the samples z from which the importance of each weight to other images is
    /// estimated, with `options.fisher_power` above 0.
    pub fn new(
        problem: &Problem<'p>,
        total: &mut TotalLoss,
        options: AdamOptions,
        latents: impl Iterator<Item = Vec<f32>>,
        learning_rate: &'p dyn Fn(usize) -> f32,
    ) -> Result<FusedAdam<'p>> {
        let Problem { runtime, loss, cancel, .. } = *problem;
        let mut update = runtime.compile("weight update", &graph(&weights(loss)?, options)?)?.bind()?;
        for (name, theta) in weights(loss)? {
            let (input, gradient) = (format!("theta.{name}"), format!("d.{name}"));
            update.set(&input, values(theta)?)?;
            total.reconstruction.alias_input(&input, &update, &input)?;
            total.localization.alias_input(&input, &update, &input)?;
            update.alias_input(&gradient, &total.reconstruction, &gradient)?;
            for moment in ["m", "v"] {
                update.set(&format!("{moment}.{name}"), &vec![0.0; theta.len()])?;
            }
            for state in ["theta", "m", "v"] {
                update.alias_output(&format!("next.{state}.{name}"), &format!("{state}.{name}"))?;
            }
        }
        if options.fisher_power > 0.0 {
            for (name, fisher) in loss.tunable.iter().zip(fisher(loss, total, latents)?) {
                update
                    .set(&format!("importance.{name}"), &importance_scale(&fisher, options.fisher_power))?;
            }
        }
        Ok(FusedAdam { loss, cancel: cancel.clone(), update, learning_rate, steps: 0 })
    }

    /// θ' − θ by weight name, in the generator's order.
    pub fn weight_changes(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        let change = |(name, theta): (&str, &Tensor)| {
            let mut tuned = self.update.get(&format!("theta.{name}"))?;
            tuned.iter_mut().zip(values(theta)?).for_each(|(tuned, theta)| *tuned -= theta);
            Ok((name.to_owned(), tuned))
        };
        weights(self.loss)?.into_iter().map(change).collect()
    }

    /// The result of tuning, with the losses of its steps.
    pub(super) fn into_result(self, terms: Vec<String>, history: Vec<StepLosses>) -> Result<TuningResult> {
        let weight_changes = self.weight_changes()?;
        let parameters = weight_changes.iter().map(|(_, change)| change.len()).sum();
        Ok(TuningResult { weight_changes, parameters, terms, history })
    }
}

impl Parametrization for FusedAdam<'_> {
    fn apply(&mut self) -> Result<()> {
        Ok(()) // θ' is what is trained
    }

    fn update(&mut self, step: usize) -> Result<()> {
        self.steps += 1;
        self.update.set("alpha", &[(self.learning_rate)(step)])?;
        let bias_correction = [1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps)];
        self.update.set("bias_correction", &bias_correction)?;
        self.update.run(&self.cancel)
    }
}

/// The tuned weights by name.
pub fn weights(loss: &SimilarityLoss) -> Result<Vec<(&str, &Tensor)>> {
    Ok(loss.tunable.iter().map(String::as_str).zip(loss.weights()?).collect())
}

/// One Adam step for all weights. For each weight NAME: `theta.NAME`, its moments `m.NAME` and `v.NAME`, its gradient `d.NAME`,
/// and `importance.NAME` with `fisher_power` above 0; for all: `alpha` and `bias_correction` `[2]` (1 − β₁ᵗ, 1 − β₂ᵗ)
/// → `next.theta.NAME`, `next.m.NAME`, `next.v.NAME`.
///
/// An output may alias its input, as in [`FusedAdam`]: the last reader of each input is the op that writes its next value, or an op
/// that precedes that one.
pub fn graph(weights: &[(&str, &Tensor)], options: AdamOptions) -> Result<Graph> {
    let b = Builder::new();
    let bias_correction = b.input("bias_correction", &[2]);
    let [correction1, correction2] =
        [0, 1].map(|i| bias_correction.slice(&[0], &[i], &[i + 1], &[1]).reshape(&[]));
    let alpha = b.input("alpha", &[]);
    for (name, weight) in weights {
        let input = |what: &str| b.input(&format!("{what}.{name}"), weight.shape());
        let (theta, g, m, v) = (input("theta"), input("d"), input("m"), input("v"));
        let m = m * BETA1 + g * (1.0 - BETA1);
        let v = v * BETA2 + g.square() * (1.0 - BETA2);
        // α · m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ). Scalar factors go into the rate.
        let mut u = m / (v.sqrt() + correction2.sqrt() * EPSILON);
        let mut rate = alpha * correction2.sqrt() / correction1;
        if options.relative {
            rate = rate * root_mean_square(values(weight)?);
        }
        if options.fisher_power > 0.0 {
            let preconditioned = precondition(u, v, input("importance"), options.fisher_power);
            rate = rate * (u.square().mean_all() / at_least_tiny(preconditioned.square().mean_all())).sqrt(); // κ
            u = preconditioned;
        }
        b.output(&format!("next.theta.{name}"), theta - u * rate);
        b.output(&format!("next.m.{name}"), m);
        b.output(&format!("next.v.{name}"), v);
    }
    Ok(b.finish()?)
}

/// u ⊙ ((v/⟨v⟩ + ε₁) / (F/⟨F⟩ + ε₂))^p: rescales Adam's direction u toward weights that matter more to the photo (v = mean g²) than
/// to other images (F). `importance` is [`importance_scale`] of F. The factor κ in [`graph`] restores the length of u.
fn precondition<'g>(u: Expr<'g>, v: Expr<'g>, importance: Expr<'g>, p: f32) -> Expr<'g> {
    let ratio = v / at_least_tiny(v.mean_all()) + EPSILONS[0];
    u * (ratio.unary("Log") * p).exp() * importance // exp(p ln x) takes half the time of Pow on a CPU
}

/// max(x, smallest positive f32): a safe divisor.
fn at_least_tiny(x: Expr<'_>) -> Expr<'_> {
    let tiny = x.builder().scalar(f32::MIN_POSITIVE);
    x.builder().op("Max", &[Some(x), Some(tiny)], Attrs::new())[0]
}

/// (F/⟨F⟩ + ε₂)^−p
fn importance_scale(fisher: &[f32], p: f32) -> Vec<f32> {
    let mean = (fisher.iter().sum::<f32>() / fisher.len().max(1) as f32).max(f32::MIN_POSITIVE);
    fisher.iter().map(|f| (f / mean + EPSILONS[1]).powf(-p)).collect()
}

/// F ∝ mean_z (∂L(I, G(f(z), θ))/∂θ)² by weight, where G(f(z), θ) are sampled images and I is the photo: how strongly the loss of
/// other images depends on each weight. A heuristic after elastic weight consolidation, which protects the weights of an earlier
/// task by the diagonal of a Fisher matrix (Kirkpatrick et al. 2017, §2).
fn fisher(
    loss: &SimilarityLoss,
    total: &mut TotalLoss,
    latents: impl Iterator<Item = Vec<f32>>,
) -> Result<Vec<Vec<f32>>> {
    let mut fisher: Vec<Vec<f32>> = loss.weights()?.iter().map(|t| vec![0.0; t.len()]).collect();
    for z in latents {
        let w = total.mapping(&z)?;
        total.run_reconstruction_at(&w)?;
        for (name, fisher) in loss.tunable.iter().zip(&mut fisher) {
            let add_squares = |g: &[f32]| fisher.iter_mut().zip(g).for_each(|(f, g)| *f += g * g);
            total.reconstruction.with_data(&format!("d.{name}"), add_squares)?;
        }
    }
    Ok(fisher)
}

fn values(weight: &Tensor) -> Result<&[f32]> {
    weight.as_f32().ok_or_else(|| Error::Model("a tuned weight is not f32".into()))
}

fn root_mean_square(values: &[f32]) -> f32 {
    (values.iter().map(|v| v * v).sum::<f32>() / values.len().max(1) as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::adam::Adam;
    use crate::runtime::{DeviceChoice, Runtime, RuntimeOptions};

    const THETA: [f32; 4] = [1.0, -2.0, 0.5, 0.0];
    const STEPS: [[f32; 4]; 3] = [[0.5, -3.0, 1.0, 0.0], [-0.25, 0.0, 2.0, 0.0], [1.0, 1.0, -1.0, 0.0]];

    /// θ' − θ after `steps` steps of size 0.1, with outputs that alias their inputs.
    fn change(adam: AdamOptions, importance: [f32; 4], steps: usize) -> [f32; 4] {
        let cpu = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
        let theta = Tensor::f32(&[2, 2], THETA.to_vec()).unwrap();
        let graph = graph(&[("x", &theta)], adam).unwrap();
        let mut update = Runtime::load(&cpu).unwrap().compile("step", &graph).unwrap().bind().unwrap();
        for (port, values) in [("theta.x", THETA), ("m.x", [0.0; 4]), ("v.x", [0.0; 4])] {
            update.set(port, &values).unwrap();
            update.alias_output(&format!("next.{port}"), port).unwrap();
        }
        if adam.fisher_power > 0.0 {
            update.set("importance.x", &importance).unwrap();
        }
        update.set("alpha", &[0.1]).unwrap();
        for (t, g) in (1..).zip(STEPS).take(steps) {
            update.set("d.x", &g).unwrap();
            update.set("bias_correction", &[1.0 - BETA1.powi(t), 1.0 - BETA2.powi(t)]).unwrap();
            update.run(&Cancel::new()).unwrap();
        }
        update.with_data("theta.x", |theta| [0, 1, 2, 3].map(|i| theta[i] - THETA[i])).unwrap()
    }

    fn close(a: [f32; 4], b: [f32; 4]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn steps_are_those_of_adam() {
        let (mut adam, mut theta) = (Adam::new(4), THETA);
        STEPS.iter().for_each(|g| adam.step(&mut theta, g, 0.1));
        let expected = [0, 1, 2, 3].map(|i| theta[i] - THETA[i]);
        let plain = change(AdamOptions::default(), [0.0; 4], 3);
        assert!(close(plain, expected), "{plain:?} for {expected:?}");
        let relative = change(AdamOptions { relative: true, fisher_power: 0.0 }, [0.0; 4], 3);
        assert!(close(relative, plain.map(|p| p * root_mean_square(&THETA))), "{relative:?} for {plain:?}");
    }

    #[test]
    fn preconditioned_steps_avoid_important_weights_and_keep_their_length() {
        let powers = importance_scale(&[0.0, 1.0, 1.0, 6.0], 0.75);
        assert!((powers[1] / powers[3] - (3.03f32 / 0.53).powf(0.75)).abs() < 1e-3, "{powers:?}");

        let powers = [0, 1, 2, 3].map(|i| powers[i]);
        let options = AdamOptions { relative: false, fisher_power: 0.75 };
        let [even, turned] = [[1.0; 4], powers].map(|importance| change(options, importance, 1));
        let lengths = [change(AdamOptions::default(), powers, 1), even, turned].map(|c| root_mean_square(&c));
        assert!(lengths.iter().all(|l| (l - lengths[0]).abs() < 1e-6), "{lengths:?}");
        let factors = [0, 1, 2].map(|i| turned[i] / even[i] / powers[i]); // the last number has no gradient
        assert!(factors.iter().all(|f| (f - factors[0]).abs() < 1e-3 * factors[0]), "{factors:?}");
    }
}
