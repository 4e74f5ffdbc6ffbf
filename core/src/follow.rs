//! Weights that follow their gradient: Adam (Kingma and Ba 2015) on every tuned weight, as one graph, so that θ, moments and
//! gradients stay where the losses are computed. Steps may spare what other faces depend on.

use crate::adam::{BETA1, BETA2, EPSILON};
use crate::objective::Objective;
use crate::runtime::{Binding, Cancel};
use crate::terms::{Problem, Terms};
use crate::{Error, Result};
use gani_onnx::{Attrs, Builder, Expr, Graph, Tensor};
use ndarray::ArrayD;

/// Added to the two sides of the ratio in `turn`, which have mean 1: no weight moves without bounds.
const FLOORS: [f32; 2] = [1e-4, 0.03];

/// How steps of the weights are made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepRule {
    /// Step sizes are α · rms(θ), by weight: the same α serves generators whose weights are of other sizes (Adafactor, Shazeer
    /// and Stern 2018, §8). Else they are α.
    pub relative: bool,
    /// p of `turn`; 0: no weight is spared.
    pub spare: f32,
}

/// θ*, the weights of [`Terms`], and the graph that moves them.
pub(crate) struct Followed<'p> {
    objective: &'p Objective,
    cancel: Cancel,
    update: Binding,
    steps: i32,
}

impl<'p> Followed<'p> {
    /// The weights of `terms`, from where they are; `faces` are latents z of the others whom a sparing rule spares.
    pub fn new(
        problem: &Problem<'p>,
        terms: &mut Terms,
        rule: StepRule,
        faces: impl Iterator<Item = Vec<f32>>,
    ) -> Result<Followed<'p>> {
        let Problem { runtime, objective, cancel, .. } = *problem;
        let mut update = runtime.compile("weights' step", &graph(&weights(objective)?, rule)?)?.bind()?;
        for (name, theta) in weights(objective)? {
            let port = format!("theta.{name}");
            update.set(&port, values(theta)?)?;
            terms.edit.share(&port, &update, &port)?;
            terms.local.share(&port, &update, &port)?;
            update.share(&format!("d.{name}"), &terms.edit, &format!("d.{name}"))?;
            for moment in ["m", "v"] {
                update.set(&format!("{moment}.{name}"), &vec![0.0; theta.len()])?;
            }
            for port in ["theta", "m", "v"] {
                update.in_place(&format!("next.{port}.{name}"), &format!("{port}.{name}"))?;
            }
        }
        if rule.spare > 0.0 {
            for (name, fisher) in objective.tunable.iter().zip(fisher(objective, terms, faces)?) {
                update.set(&format!("spared.{name}"), &spared(&fisher, rule.spare))?;
            }
        }
        Ok(Followed { objective, cancel: cancel.clone(), update, steps: 0 })
    }

    /// One step of size α against ∂L/∂θ* of the last runs of the terms.
    pub fn step(&mut self, alpha: f32) -> Result<()> {
        self.steps += 1;
        self.update.set("alpha", &[alpha])?;
        self.update.set("warm", &[1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps)])?;
        self.update.run(&self.cancel)
    }

    /// θ* − θ, by weight, in the generator's order.
    pub fn changes(self) -> Result<Vec<(String, ArrayD<f32>)>> {
        let change = |(name, theta): (&str, &Tensor)| {
            let mut tuned = self.update.get(&format!("theta.{name}"))?;
            tuned.iter_mut().zip(values(theta)?).for_each(|(tuned, theta)| *tuned -= theta);
            Ok((name.to_owned(), tuned))
        };
        weights(self.objective)?.into_iter().map(change).collect()
    }
}

/// The tuned weights, by name.
pub fn weights(objective: &Objective) -> Result<Vec<(&str, &Tensor)>> {
    Ok(objective.tunable.iter().map(String::as_str).zip(objective.weights()?).collect())
}

/// For each weight NAME: `theta.NAME`, its moments `m.NAME` and `v.NAME`, `d.NAME` (∂L/∂θ of Eq. 5), and
/// `spared.NAME` where the rule spares; for all: `alpha` and `warm` `[2]` (1 − β₁ᵗ, 1 − β₂ᵗ)
/// → `next.theta.NAME`, `next.m.NAME`, `next.v.NAME`.
///
/// These may be written over their inputs, as `Followed` does: each input's last reader is the op that writes its next
/// value, or one that this waits for.
pub fn graph(weights: &[(&str, &Tensor)], rule: StepRule) -> Result<Graph> {
    let b = Builder::new();
    let warm = b.input("warm", &[2]);
    let [warm1, warm2] = [0, 1].map(|i| warm.slice(&[0], &[i], &[i + 1], &[1]).reshape(&[]));
    let alpha = b.input("alpha", &[]);
    for (name, weight) in weights {
        let input = |what: &str| b.input(&format!("{what}.{name}"), weight.shape());
        let (theta, g, m, v) = (input("theta"), input("d"), input("m"), input("v"));
        let m = m * BETA1 + g * (1.0 - BETA1);
        let v = v * BETA2 + g.square() * (1.0 - BETA2);
        // α · m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ): what is one number for all goes into the rate.
        let mut u = m / (v.sqrt() + warm2.sqrt() * EPSILON);
        let mut rate = alpha * warm2.sqrt() / warm1;
        if rule.relative {
            rate = rate * root_mean_square(values(weight)?);
        }
        if rule.spare > 0.0 {
            let turned = turn(u, v, input("spared"), rule.spare);
            rate = rate * (u.square().mean_all() / at_least(turned.square().mean_all())).sqrt(); // κ
            u = turned;
        }
        b.output(&format!("next.theta.{name}"), theta - u * rate);
        b.output(&format!("next.m.{name}"), m);
        b.output(&format!("next.v.{name}"), v);
    }
    Ok(b.finish()?)
}

/// u ⊙ ((v/⟨v⟩ + ε₁) / (F/⟨F⟩ + ε₂))^p: Adam's direction turned towards numbers that matter to the photo, v = mean g², more than
/// to other faces; `spared` is [`spared`] of F. A factor κ gives it its length back.
fn turn<'g>(u: Expr<'g>, v: Expr<'g>, spared: Expr<'g>, p: f32) -> Expr<'g> {
    let ratio = v / at_least(v.mean_all()) + FLOORS[0];
    u * (ratio.unary("Log") * p).exp() * spared // on a processor in half of Pow's time
}

/// x, but no 0 to divide by.
fn at_least(x: Expr<'_>) -> Expr<'_> {
    let tiny = x.builder().scalar(f32::MIN_POSITIVE);
    x.builder().op("Max", &[Some(x), Some(tiny)], Attrs::new())[0]
}

/// (F/⟨F⟩ + ε₂)^−p
fn spared(fisher: &[f32], p: f32) -> Vec<f32> {
    let mean = (fisher.iter().sum::<f32>() / fisher.len().max(1) as f32).max(f32::MIN_POSITIVE);
    fisher.iter().map(|f| (f / mean + FLOORS[1]).powf(-p)).collect()
}

/// F = mean_z (∂L(I, G(f(z), θ))/∂θ)², but for a factor, by weight: how much other faces depend on each number. The diagonal of
/// a Fisher matrix, by which elastic weight consolidation tells the weights that an earlier task needs (Kirkpatrick et al.
/// 2017, §2).
fn fisher(
    objective: &Objective,
    terms: &mut Terms,
    faces: impl Iterator<Item = Vec<f32>>,
) -> Result<Vec<Vec<f32>>> {
    let mut fisher: Vec<Vec<f32>> = objective.weights()?.iter().map(|t| vec![0.0; t.len()]).collect();
    for z in faces {
        let w = terms.map(&z)?;
        terms.run_edit_at(&w)?;
        for (name, fisher) in objective.tunable.iter().zip(&mut fisher) {
            let squares = |g: &[f32]| fisher.iter_mut().zip(g).for_each(|(f, g)| *f += g * g);
            terms.edit.with(&format!("d.{name}"), squares)?;
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
    use crate::adam::Adam;
    use crate::runtime::{DeviceChoice, Runtime, RuntimeOptions};

    const THETA: [f32; 4] = [1.0, -2.0, 0.5, 0.0];
    const STEPS: [[f32; 4]; 3] = [[0.5, -3.0, 1.0, 0.0], [-0.25, 0.0, 2.0, 0.0], [1.0, 1.0, -1.0, 0.0]];

    /// How `steps` of the size 0.1 change θ, written in place.
    fn change(rule: StepRule, spared: [f32; 4], steps: usize) -> [f32; 4] {
        let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
        let theta = Tensor::f32(&[2, 2], THETA.to_vec()).unwrap();
        let graph = graph(&[("x", &theta)], rule).unwrap();
        let mut update = Runtime::load(&options).unwrap().compile("step", &graph).unwrap().bind().unwrap();
        for (port, values) in [("theta.x", THETA), ("m.x", [0.0; 4]), ("v.x", [0.0; 4])] {
            update.set(port, &values).unwrap();
            update.in_place(&format!("next.{port}"), port).unwrap();
        }
        if rule.spare > 0.0 {
            update.set("spared.x", &spared).unwrap();
        }
        update.set("alpha", &[0.1]).unwrap();
        for (t, g) in (1..).zip(STEPS).take(steps) {
            update.set("d.x", &g).unwrap();
            update.set("warm", &[1.0 - BETA1.powi(t), 1.0 - BETA2.powi(t)]).unwrap();
            update.run(&Cancel::new()).unwrap();
        }
        update.with("theta.x", |theta| [0, 1, 2, 3].map(|i| theta[i] - THETA[i])).unwrap()
    }

    fn close(a: [f32; 4], b: [f32; 4]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn steps_are_those_of_adam() {
        let (mut adam, mut theta) = (Adam::new(4), THETA);
        STEPS.iter().for_each(|g| adam.step(&mut theta, g, 0.1));
        let expected = [0, 1, 2, 3].map(|i| theta[i] - THETA[i]);
        let plain = change(StepRule::default(), [0.0; 4], 3);
        assert!(close(plain, expected), "{plain:?} for {expected:?}");
        let relative = change(StepRule { relative: true, spare: 0.0 }, [0.0; 4], 3);
        assert!(close(relative, plain.map(|p| p * root_mean_square(&THETA))), "{relative:?} for {plain:?}");
    }

    #[test]
    fn steps_spare_what_other_faces_depend_on_and_keep_their_length() {
        let powers = spared(&[0.0, 1.0, 1.0, 6.0], 0.75);
        assert!((powers[1] / powers[3] - (3.03f32 / 0.53).powf(0.75)).abs() < 1e-3, "{powers:?}");

        let powers = [0, 1, 2, 3].map(|i| powers[i]);
        let rule = StepRule { relative: false, spare: 0.75 };
        let [even, turned] = [[1.0; 4], powers].map(|spared| change(rule, spared, 1));
        let lengths = [change(StepRule::default(), powers, 1), even, turned].map(|c| root_mean_square(&c));
        assert!(lengths.iter().all(|l| (l - lengths[0]).abs() < 1e-6), "{lengths:?}");
        let factors = [0, 1, 2].map(|i| turned[i] / even[i] / powers[i]); // the last number has no gradient
        assert!(factors.iter().all(|f| (f - factors[0]).abs() < 1e-3 * factors[0]), "{factors:?}");
    }
}
