//! What each method does to a photo: how it finds the latent and the weights.

use super::InvertOptions;
use super::direct::{FISHER_SAMPLES, direct_tuning};
use super::eta::{EtaEstimator, StageCost};
use super::gani::tuner::gani;
use super::pivotal_tuning::pivotal_tuning;
use super::progress::{Progress, Stage};
use super::projector::project;
use super::refine::refine;
use super::tuning::TuningResult;
use crate::Result;
use crate::loss::{Problem, StepLosses, TotalLoss};
use crate::settings::{Method, Settings, Space};
use ndarray::{Array2, ArrayD};

/// Cost of a tuning step with localization, in latent steps: two gradients and a reference image instead of one gradient.
const LOCALIZED_STEP_COST: f64 = 2.5;

/// The result of a method.
pub(super) struct Fit {
    /// w+, `[n,512]`.
    pub ws: Array2<f32>,
    /// θ' − θ by weight name.
    pub weight_changes: Vec<(String, ArrayD<f32>)>,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Names of the terms in `history`.
    pub terms: Vec<String>,
    /// Losses of each step.
    pub history: Vec<StepLosses>,
    /// Mean time of a step of the last stage.
    pub seconds_per_step: f64,
}

impl Fit {
    /// A latent with the original weights.
    pub(super) fn untuned(ws: Array2<f32>) -> Fit {
        let (weight_changes, terms, history) = (vec![], vec![], vec![]);
        Fit { ws, weight_changes, parameters: 0, terms, history, seconds_per_step: 0.0 }
    }

    fn tuned(ws: Array2<f32>, result: TuningResult, seconds_per_step: f64) -> Fit {
        let TuningResult { weight_changes, parameters, terms, history } = result;
        Fit { ws, weight_changes, parameters, terms, history, seconds_per_step }
    }
}

/// `gani` and `direct`: latent refinement, then Algorithm 1 on the modules or on the weights themselves.
pub(super) fn refine_and_tune(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    on_progress: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { refine: r, tune: t, .. } = &options.settings;
    let fisher = options.method == Method::Direct && t.fisher_power > 0.0;
    let cost = 1.0
        + (LOCALIZED_STEP_COST - 1.0) / t.localization_interval.max(1) as f64
        + if fisher { FISHER_SAMPLES as f64 / t.iterations.max(1) as f64 } else { 0.0 };
    let stages = [
        StageCost { stage: Stage::Refine, steps: r.steps_w + r.steps_w_plus, cost: 1.0 },
        StageCost { stage: Stage::Tune, steps: t.iterations, cost },
    ];
    let mut eta = EtaEstimator::new(&stages);
    let latent = ws.as_slice_mut().unwrap_or_default();
    eta.begin(Stage::Refine, on_progress);
    refine(problem, &t.loss_weights.pixel_and_lpips(), latent, r, |step, loss| {
        eta.step_done(step, loss, on_progress);
    })?;

    eta.begin(Stage::Tune, on_progress);
    let on_step = |step: usize, losses: &StepLosses, loss: &TotalLoss| {
        eta.step_done(step, losses.total, on_progress);
        if options.preview_interval > 0 && step.is_multiple_of(options.preview_interval) {
            on_progress(Progress::Preview(loss.image()?.view()));
        }
        Ok(())
    };
    let result = match options.method {
        Method::Direct => direct_tuning(problem, latent, t, options.seed, on_step)?,
        _ => gani(problem, latent, t, options.seed, on_step)?,
    };
    Ok(Fit::tuned(ws, result, eta.seconds_per_step()))
}

/// `pti`: a projection to W, then Adam on the weights.
pub(super) fn pti(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    on_progress: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { projector: p, pti: t, .. } = &options.settings;
    let cost = if t.lambda_localization == 0.0 { 1.0 } else { LOCALIZED_STEP_COST };
    let stages = [
        StageCost { stage: Stage::Refine, steps: p.steps, cost: 1.0 },
        StageCost { stage: Stage::Tune, steps: t.iterations, cost },
    ];
    let mut eta = EtaEstimator::new(&stages);
    let latent = ws.as_slice_mut().unwrap_or_default();
    if p.steps > 0 {
        eta.begin(Stage::Refine, on_progress);
        let pivot = project(problem, &t.loss_weights, p, options.seed, |step, loss| {
            eta.step_done(step, loss, on_progress);
        })?;
        latent.copy_from_slice(&pivot.ws);
    }
    eta.begin(Stage::Tune, on_progress);
    let result = pivotal_tuning(problem, latent, t, options.seed, |step, losses, _| {
        eta.step_done(step, losses.total, on_progress);
        Ok(())
    })?;
    Ok(Fit::tuned(ws, result, eta.seconds_per_step()))
}

/// `w` and `w+`: a projection.
pub(super) fn projection(
    problem: &Problem<'_>,
    mut ws: Array2<f32>,
    options: &InvertOptions,
    on_progress: &mut impl FnMut(Progress<'_>),
) -> Result<Fit> {
    let Settings { projector: p, tune, .. } = &options.settings;
    let stages = [StageCost { stage: Stage::Refine, steps: p.steps, cost: 1.0 }];
    let mut eta = EtaEstimator::new(&stages);
    eta.begin(Stage::Refine, on_progress);
    let weights = tune.loss_weights.pixel_and_lpips();
    let projection = project(problem, &weights, p, options.seed, |step, loss| {
        eta.step_done(step, loss, on_progress);
    })?;
    ws.as_slice_mut().unwrap_or_default().copy_from_slice(&projection.ws);
    let parameters = match p.space {
        Space::W => problem.w_avg.len(),
        Space::WPlus => projection.ws.len(),
    };
    let (terms, history) = (projection.terms, projection.history);
    Ok(Fit { parameters, terms, history, seconds_per_step: eta.seconds_per_step(), ..Fit::untuned(ws) })
}
