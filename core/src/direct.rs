//! Direct tuning: the generator's weights themselves follow the loss of Eq. 5, by Adam. Pivotal tuning's parametrisation
//! (Roich et al. 2022) with all else as in GANI: latent, loss, localisation, schedule. Steps spare weights that other faces
//! depend on ([`crate::follow`]). docs/results.md compares them all.

use crate::Result;
use crate::follow::{Followed, StepRule};
use crate::terms::{Problem, StepLosses, Terms};
use crate::tune::{TuneSettings, cooling, samples};
use ndarray::ArrayD;

/// Sampled faces that tell which weights others depend on.
pub(crate) const FACES: usize = 16;

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
    let rule = StepRule { relative: true, spare: if terms.z_len()? > 0 { s.spare } else { 0.0 } };
    let mut weights = Followed::new(problem, &mut terms, rule, samples.by_ref().take(FACES))?;
    let mut history = Vec::with_capacity(s.iterations);
    for step in 0..s.iterations {
        let [lambda_edit, lambda_local] = s.lambda_at(step);
        let edit = terms.run_edit(lambda_edit)?; // L(I, G(w, θ*))
        let z = samples.next().unwrap_or_default();
        let mut local = Vec::new();
        if lambda_local != 0.0 {
            let w = terms.map(&z)?;
            local = terms.run_local(lambda_local, &w)?; // L(G(f(z), θ), G(f(z), θ*))
        }
        let total = terms.total(step + 1)?;
        weights.step((s.learning_rate * cooling(step, s)) as f32)?;
        let losses = StepLosses { edit, local, total };
        watch(step + 1, &losses, &terms)?;
        history.push(losses);
    }
    let names = terms.names().to_vec();
    drop(terms); // the changes need memory of their own
    Ok(Tuned { changes: weights.changes()?, terms: names, history })
}
