//! Algorithm 1: the tuning loop that the methods `gani`, `direct` and `pti` share. They differ in how θ' is parametrized and
//! updated ([`Parametrization`]) and in the schedule of the two terms ([`Schedule`]).

use crate::Result;
use crate::loss::{StepLosses, TotalLoss};
use ndarray::ArrayD;

/// How θ' depends on what is trained, and how that is updated. `gani` trains ψ with Ranger
/// ([`ModuleParametrization`](super::gani::tuner::ModuleParametrization)); `direct` and `pti` train θ' itself with Adam
/// ([`FusedAdam`](super::weight_optimizer::FusedAdam)).
pub trait Parametrization {
    /// Computes θ' on the device. The graphs of [`TotalLoss`] read it there.
    fn apply(&mut self) -> Result<()>;

    /// Updates the trained parameters with ∂L_total/∂θ' of the last step. `step` counts from 0.
    fn update(&mut self, step: usize) -> Result<()>;
}

/// The terms of Eq. 5 in each step, and when to stop.
pub struct Schedule<'s> {
    /// Maximum number of steps.
    pub iterations: usize,
    /// λe and λl of a step, from 0. λl = 0: the step has no localization term.
    pub lambdas: &'s dyn Fn(usize) -> [f32; 2],
    /// The latent at which localization compares the generators, given f(z): `[512]` or `[n·512]`.
    pub localization_latent: &'s dyn Fn(Vec<f32>) -> Vec<f32>,
    /// Stops when LPIPS is at most this.
    pub stop_at_lpips: Option<f32>,
}

impl<'s> Schedule<'s> {
    /// Localization at f(z), and no early stop.
    pub fn new(iterations: usize, lambdas: &'s dyn Fn(usize) -> [f32; 2]) -> Schedule<'s> {
        Schedule { iterations, lambdas, localization_latent: &|w| w, stop_at_lpips: None }
    }
}

/// One iteration of Algorithm 1 with the sample `z` `[512]`: θ', both terms of Eq. 5 with their gradient, the update.
///
/// Returns the losses, and whether they meet [`Schedule::stop_at_lpips`], in which case nothing was updated.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails or the loss is not finite; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn tuning_step(
    loss: &mut TotalLoss,
    parametrization: &mut impl Parametrization,
    schedule: &Schedule<'_>,
    step: usize,
    z: &[f32],
) -> Result<(StepLosses, bool)> {
    let [lambda_e, lambda_l] = (schedule.lambdas)(step);
    parametrization.apply()?; // θ' from the trained parameters; GANI: θ' = θ ⊙ (1 + M_ψ(∂L/∂θ))   Eq. 2
    let reconstruction = loss.run_reconstruction(lambda_e)?; // λe·L(I, G(w, θ'))                 Eq. 5, first term
    let mut localization = Vec::new();
    if lambda_l != 0.0 {
        let w = (schedule.localization_latent)(loss.mapping(z)?); // f(z), z ~ N(0, 1)
        localization = loss.run_localization(lambda_l, &w)?; // λl·L(G(f(z), θ), G(f(z), θ'))     Eq. 5, second term
    }
    let losses = StepLosses { total: loss.total(step + 1)?, reconstruction, localization };
    let stop = schedule.stop_at_lpips.is_some_and(|limit| lpips(loss, &losses).is_some_and(|v| v <= limit));
    if !stop {
        parametrization.update(step)?; // GANI: ψ ← Ranger(ψ, ∂L_total/∂ψ); direct, PTI: θ' ← Adam(θ', ∂L_total/∂θ')
    }
    Ok((losses, stop))
}

/// Runs Algorithm 1 with the samples z, one for each step. Calls `on_step` with the step, from 1, and its losses; an error that it
/// returns ends the loop.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails or the loss is not finite; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn tune(
    loss: &mut TotalLoss,
    parametrization: &mut impl Parametrization,
    schedule: &Schedule<'_>,
    samples: impl Iterator<Item = Vec<f32>>,
    mut on_step: impl FnMut(usize, &StepLosses, &TotalLoss) -> Result<()>,
) -> Result<Vec<StepLosses>> {
    let mut history = Vec::with_capacity(schedule.iterations);
    for (step, z) in (0..schedule.iterations).zip(samples) {
        let (losses, stop) = tuning_step(loss, parametrization, schedule, step, &z)?;
        on_step(step + 1, &losses, loss)?;
        history.push(losses);
        if stop {
            break;
        }
    }
    Ok(history)
}

/// The result of a tuning method.
pub struct TuningResult {
    /// θ' − θ by weight name, in the generator's order.
    pub weight_changes: Vec<(String, ArrayD<f32>)>,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Names of the terms in `history`.
    pub terms: Vec<String>,
    /// Losses of each step.
    pub history: Vec<StepLosses>,
}

fn lpips(loss: &TotalLoss, losses: &StepLosses) -> Option<f32> {
    let index = loss.terms().iter().position(|term| term == "lpips")?;
    losses.reconstruction.get(index).copied()
}
