//! Direct tuning: the generator's weights themselves follow the loss of Eq. 5, by Adam. Pivotal tuning's parametrisation
//! (Roich et al. 2022) with all else as in GANI: latent, loss, localisation, schedule. It may spare weights that other faces
//! depend on. docs/results.md compares them all.

use crate::Result;
use crate::adam::Adam;
use crate::terms::{Problem, StepLosses, Terms};
use crate::tune::{TuneSettings, cooling, samples};
use ndarray::ArrayD;

/// Sampled faces that tell which weights others depend on.
pub(crate) const FACES: usize = 16;
/// Added to the two sides of the ratio in [`spare`], which have mean 1: no weight moves without bounds.
const FLOORS: [f32; 2] = [1e-4, 0.03];

/// The tuned weights θ*, each with an Adam of its own.
pub(crate) struct Followed<'p> {
    names: &'p [String],
    theta: Vec<ArrayD<f32>>,
    tuned: Vec<ArrayD<f32>>,
    adams: Vec<Adam>,
    /// What the step size is multiplied with, by weight.
    scales: Vec<f32>,
    /// F, by weight: how much other faces depend on each of its numbers; empty where that was not asked.
    fisher: Vec<Vec<f32>>,
    /// p of [`spare`].
    spare: f32,
}

impl<'p> Followed<'p> {
    /// θ* = θ; steps of the same length for all weights.
    pub fn new(problem: &Problem<'p>, terms: &Terms) -> Result<Followed<'p>> {
        let names = &problem.objective.tunable;
        let theta: Vec<ArrayD<f32>> =
            names.iter().map(|n| terms.edit.get(&format!("theta.{n}"))).collect::<Result<_>>()?;
        let adams = theta.iter().map(|t| Adam::new(t.len())).collect();
        let scales = vec![1.0; theta.len()];
        Ok(Followed { names, tuned: theta.clone(), theta, adams, scales, fisher: vec![], spare: 0.0 })
    }

    /// With step sizes α · rms(θ), by weight: the same setting serves generators whose weights are of other sizes
    /// (Adafactor, Shazeer and Stern 2018, §8).
    pub fn relative(mut self) -> Followed<'p> {
        self.scales = self.theta.iter().map(|t| root_mean_square(t.iter())).collect();
        self
    }

    /// With smaller steps for what other faces depend on: F = mean_z (∂L(I, G(f(z), θ))/∂θ)², the diagonal of a Fisher matrix,
    /// by which elastic weight consolidation tells the weights that an earlier task needs (Kirkpatrick et al. 2017, §2).
    pub fn sparing(
        mut self,
        terms: &mut Terms,
        faces: impl Iterator<Item = Vec<f32>>,
        p: f32,
    ) -> Result<Followed<'p>> {
        self.spare = p;
        self.fisher = self.theta.iter().map(|t| vec![0.0; t.len()]).collect();
        for z in faces {
            let w = terms.map(&z)?;
            terms.run_edit_at(&w)?;
            for (name, fisher) in self.names.iter().zip(&mut self.fisher) {
                let squares = |g: &[f32]| fisher.iter_mut().zip(g).for_each(|(f, g)| *f += g * g);
                terms.edit.with(&format!("d.{name}"), squares)?;
            }
        }
        Ok(self)
    }

    /// One step against λe·∂Le/∂θ* + λl·∂Ll/∂θ*, of the last runs of `terms`.
    pub fn step(&mut self, terms: &mut Terms, lambda: [f32; 2], learning_rate: f32) -> Result<()> {
        let weights = self.names.iter().zip(&mut self.tuned).zip(&mut self.adams).zip(&self.scales);
        for (i, (((name, tuned), adam), scale)) in weights.enumerate() {
            let mut g = terms.edit.get(&format!("d.{name}"))? * lambda[0];
            if lambda[1] != 0.0 {
                g.scaled_add(lambda[1], &terms.local.get(&format!("d.{name}"))?);
            }
            let (Some(values), Some(g)) = (tuned.as_slice_mut(), g.as_slice()) else { continue };
            match self.fisher.get(i) {
                None => adam.step(values, g, learning_rate * scale),
                Some(fisher) => {
                    let mut u: Vec<f32> = adam.direction(g).collect();
                    spare(&mut u, adam.second_moment(), fisher, self.spare);
                    values.iter_mut().zip(u).for_each(|(value, u)| *value -= learning_rate * scale * u);
                }
            }
            terms.edit.set(&format!("theta.{name}"), values)?;
        }
        Ok(())
    }

    /// θ* − θ, by weight, in the generator's order.
    pub fn changes(self) -> Vec<(String, ArrayD<f32>)> {
        let changes = self.tuned.into_iter().zip(self.theta).map(|(tuned, theta)| tuned - theta);
        self.names.iter().cloned().zip(changes).collect()
    }
}

/// u ← κ · u ⊙ ((v/⟨v⟩ + ε₁) / (F/⟨F⟩ + ε₂))^p: Adam's direction turned towards numbers that matter to the photo, v = mean g²,
/// more than to other faces; as long as before, by κ.
fn spare(u: &mut [f32], v: &[f32], fisher: &[f32], p: f32) {
    let mean = |x: &[f32]| (x.iter().sum::<f32>() / x.len().max(1) as f32).max(f32::MIN_POSITIVE);
    let (length, mean_v, mean_f) = (root_mean_square(u.iter()), mean(v), mean(fisher));
    for ((u, v), f) in u.iter_mut().zip(v).zip(fisher) {
        *u *= ((v / mean_v + FLOORS[0]) / (f / mean_f + FLOORS[1])).powf(p);
    }
    let kappa = length / root_mean_square(u.iter()).max(f32::MIN_POSITIVE);
    u.iter_mut().for_each(|u| *u *= kappa);
}

fn root_mean_square<'a>(values: impl ExactSizeIterator<Item = &'a f32>) -> f32 {
    let count = values.len().max(1) as f32;
    (values.map(|v| v * v).sum::<f32>() / count).sqrt()
}

/// The outcome of tuning.
pub struct Tuned {
    /// θ* − θ, by weight, in the generator's order.
    pub changes: Vec<(String, ArrayD<f32>)>,
    /// Names of the terms of `history`.
    pub terms: Vec<String>,
    /// Losses of every step.
    pub history: Vec<StepLosses>,
}

/// Tunes θ at the latent `ws` `[n·512]`; tells `watch` of each step and its loss.
pub fn direct_tuning(
    problem: &Problem<'_>,
    ws: &[f32],
    settings: &TuneSettings,
    seed: u64,
    mut watch: impl FnMut(usize, &StepLosses, &Terms) -> Result<()>,
) -> Result<Tuned> {
    let s = settings;
    let mut terms = Terms::new(problem, ws, &s.weights, &s.local_weights())?;
    let mut samples = samples(seed, terms.z_len()?);
    let mut weights = Followed::new(problem, &terms)?.relative();
    if s.spare > 0.0 && terms.z_len()? > 0 {
        weights = weights.sparing(&mut terms, samples.by_ref().take(FACES), s.spare)?;
    }
    let mut history = Vec::with_capacity(s.iterations);
    for step in 0..s.iterations {
        let edit = terms.run_edit()?; // L(I, G(w, θ*))
        let lambda = s.lambda_at(step);
        let z = samples.next().unwrap_or_default();
        let mut local = Vec::new();
        if lambda[1] != 0.0 {
            let w = terms.map(&z)?;
            local = terms.run_local(&w)?; // L(G(f(z), θ), G(f(z), θ*))
        }
        let total = terms.total(lambda, step + 1)?;
        weights.step(&mut terms, lambda, (s.learning_rate * cooling(step, s)) as f32)?;
        let losses = StepLosses { edit, local, total };
        watch(step + 1, &losses, &terms)?;
        history.push(losses);
    }
    Ok(Tuned { changes: weights.changes(), terms: terms.names().to_vec(), history })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_spare_what_other_faces_depend_on_and_keep_their_length() {
        let mut u = vec![1.0, -1.0, 1.0, -1.0];
        let (v, fisher) = ([2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 1.0, 6.0]);
        spare(&mut u, &v, &fisher, 0.75);
        assert!((root_mean_square(u.iter()) - 1.0).abs() < 1e-5, "{u:?}");
        // (1/2 + 0.03)^−0.75 against (3 + 0.03)^−0.75
        assert!((u[1] / u[3] - (3.03f32 / 0.53).powf(0.75)).abs() < 1e-3 && u[1] == -u[2], "{u:?}");
        assert!(u[0] > u[2] && u[3] < 0.0, "{u:?}");
    }
}
