//! Direct tuning: the generator's weights themselves follow the loss of Eq. 5, by Adam. Pivotal tuning's parametrisation
//! (Roich et al. 2022) with all else as in GANI: latent, loss, localisation, schedule. A comparison of the two shows what the
//! modules add; docs/results.md has it.

use crate::Result;
use crate::adam::Adam;
use crate::terms::{Problem, StepLosses, Terms};
use crate::tune::{TuneSettings, cooling, samples};
use ndarray::ArrayD;

/// The tuned weights θ*, each with an Adam of its own.
pub(crate) struct Followed<'p> {
    names: &'p [String],
    theta: Vec<ArrayD<f32>>,
    tuned: Vec<ArrayD<f32>>,
    adams: Vec<Adam>,
    /// What the step size is multiplied with, by weight.
    scales: Vec<f32>,
}

impl<'p> Followed<'p> {
    /// θ* = θ; steps of the same length for all weights.
    pub fn new(problem: &Problem<'p>, terms: &Terms) -> Result<Followed<'p>> {
        let names = &problem.objective.tunable;
        let theta: Vec<ArrayD<f32>> =
            names.iter().map(|n| terms.edit.get(&format!("theta.{n}"))).collect::<Result<_>>()?;
        let adams = theta.iter().map(|t| Adam::new(t.len())).collect();
        let scales = vec![1.0; theta.len()];
        Ok(Followed { names, tuned: theta.clone(), theta, adams, scales })
    }

    /// With step sizes α · rms(θ), by weight: the same setting serves generators whose weights are of other sizes
    /// (Adafactor, Shazeer and Stern 2018, §8).
    pub fn relative(mut self) -> Followed<'p> {
        let rms = |t: &ArrayD<f32>| (t.iter().map(|v| v * v).sum::<f32>() / t.len().max(1) as f32).sqrt();
        self.scales = self.theta.iter().map(rms).collect();
        self
    }

    /// One step against λe·∂Le/∂θ* + λl·∂Ll/∂θ*, of the last runs of `terms`.
    pub fn step(&mut self, terms: &mut Terms, lambda: [f32; 2], learning_rate: f32) -> Result<()> {
        let weights = self.names.iter().zip(&mut self.tuned).zip(&mut self.adams).zip(&self.scales);
        for (((name, tuned), adam), scale) in weights {
            let mut g = terms.edit.get(&format!("d.{name}"))? * lambda[0];
            if lambda[1] != 0.0 {
                g.scaled_add(lambda[1], &terms.local.get(&format!("d.{name}"))?);
            }
            let (Some(values), Some(g)) = (tuned.as_slice_mut(), g.as_slice()) else { continue };
            adam.step(values, g, learning_rate * scale);
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
    let mut weights = Followed::new(problem, &terms)?.relative();
    let mut samples = samples(seed, terms.z_len()?);
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
