//! What each method does to a photo: how it finds the latent, and the weights.

use super::clock::Clock;
use super::{InvertOptions, Progress, Stage};
use crate::Result;
use crate::direct::{FACES, Tuned, direct_tuning};
use crate::method::Method;
use crate::preset::Settings;
use crate::project::{Space, project};
use crate::pti::pivotal_tuning;
use crate::refine::refine;
use crate::terms::{Problem, StepLosses, Terms};
use crate::tune::{Tuner, tune};
use ndarray::{Array2, ArrayD};

/// What a method found.
pub(super) struct Fit {
    pub ws: Array2<f32>,
    pub changes: Vec<(String, ArrayD<f32>)>,
    pub parameters: usize,
    pub terms: Vec<String>,
    pub history: Vec<StepLosses>,
    pub seconds_per_step: f64,
}

impl Fit {
    /// The latent, and the generator as it is.
    pub(super) fn untuned(ws: Array2<f32>) -> Fit {
        let (changes, terms, history) = (vec![], vec![], vec![]);
        Fit { ws, changes, parameters: 0, terms, history, seconds_per_step: 0.0 }
    }

    /// The latent, and weights that were tuned without modules.
    fn direct(ws: Array2<f32>, tuned: Tuned, seconds_per_step: f64) -> Fit {
        let Tuned { changes, terms, history } = tuned;
        let parameters = changes.iter().map(|(_, c)| c.len()).sum();
        Fit { ws, changes, parameters, terms, history, seconds_per_step }
    }
}

/// A refined latent, then the weights: θ' = θ ⊙ (1 + M_ψ(∂L/∂θ)), Algorithm 1, or each of them directly.
pub(super) fn refined_and_tuned(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    watch: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { refine: r, tune: t, .. } = &options.settings;
    // A tuning step with localisation costs about two and a half latent steps; before the first, other faces are looked at.
    let faces = if options.method == Method::Direct && t.spare > 0.0 { FACES } else { 0 };
    let cost = 1.0 + 1.5 / t.local_every.max(1) as f64 + faces as f64 / t.iterations.max(1) as f64;
    let parts = [(Stage::Refine, r.steps_w + r.steps_w_plus, 1.0), (Stage::Tune, t.iterations, cost)];
    let mut clock = Clock::new(&parts);
    let latent = ws.as_slice_mut().unwrap_or_default();
    clock.begin(Stage::Refine, watch);
    refine(problem, &t.weights.cheap(), latent, r, |step, loss| clock.tick(step, loss, watch))?;

    clock.begin(Stage::Tune, watch);
    let mut told = |step: usize, losses: &StepLosses, terms: &Terms| {
        clock.tick(step, losses.total, watch);
        if options.preview_every > 0 && step.is_multiple_of(options.preview_every) {
            watch(Progress::Preview(terms.image()?.view()));
        }
        Ok(())
    };
    if options.method == Method::Direct {
        let tuned = direct_tuning(problem, latent, t, options.seed, told)?;
        return Ok(Fit::direct(ws, tuned, clock.seconds_per_step()));
    }
    let mut tuner = Tuner::new(problem, latent, t, options.seed)?;
    let history = tune(&mut tuner, options.seed, |step, losses, tuner| told(step, losses, tuner.terms()))?;
    Ok(Fit {
        changes: tuner.weight_changes()?,
        parameters: tuner.modules().parameter_count(),
        terms: tuner.terms().names().to_vec(),
        history,
        seconds_per_step: clock.seconds_per_step(),
        ws,
    })
}

/// A projection to W, then Adam on the weights themselves: pivotal tuning.
pub(super) fn pti(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    watch: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { project: p, pti: t, .. } = &options.settings;
    let cost = if t.lambda_local == 0.0 { 1.0 } else { 2.5 };
    let parts = [(Stage::Refine, p.steps, 1.0), (Stage::Tune, t.iterations, cost)];
    let mut clock = Clock::new(&parts);
    let latent = ws.as_slice_mut().unwrap_or_default();
    if p.steps > 0 {
        clock.begin(Stage::Refine, watch);
        let pivot =
            project(problem, &t.weights, p, options.seed, |step, loss| clock.tick(step, loss, watch))?;
        latent.copy_from_slice(&pivot.ws);
    }
    clock.begin(Stage::Tune, watch);
    let tuned = pivotal_tuning(problem, latent, t, options.seed, |step, loss| clock.tick(step, loss, watch))?;
    Ok(Fit::direct(ws, tuned, clock.seconds_per_step()))
}

/// A projection to W or W+.
pub(super) fn latent(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    watch: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { project: p, tune, .. } = &options.settings;
    let parts = [(Stage::Refine, p.steps, 1.0)];
    let mut clock = Clock::new(&parts);
    clock.begin(Stage::Refine, watch);
    let found =
        project(problem, &tune.weights.cheap(), p, options.seed, |step, loss| clock.tick(step, loss, watch))?;
    ws.as_slice_mut().unwrap_or_default().copy_from_slice(&found.ws);
    let parameters = match p.space {
        Space::W => problem.w_avg.len(),
        Space::WPlus => found.ws.len(),
    };
    let (terms, history) = (found.terms, found.history);
    Ok(Fit { parameters, terms, history, seconds_per_step: clock.seconds_per_step(), ..Fit::untuned(ws) })
}
