//! PTI, pivotal tuning (Roich et al. 2022): Adam on the generator's weights, with the latent fixed at the pivot. It has the
//! constants of the published release and uses GANI's loss graph and tuned weights. The release tunes every parameter of the
//! generator, and computes LPIPS at 1024 px.

use super::tuning::{Schedule, TuningResult, tune};
use super::weight_optimizer::{AdamOptions, FusedAdam};
use crate::Result;
use crate::loss::{Problem, StepLosses, TotalLoss};
use crate::settings::PtiSettings;
use crate::util::random::{latents, seeded};

/// α of PTI's Eq. 4: distance from the pivot of the latents for locality regularization, over all style layers together.
const ALPHA: f32 = 30.0;
/// Truncation ψ of the sampled latents w_z that set the direction.
const TRUNCATION_PSI: f32 = 0.5;

/// Tunes θ at the pivot `ws` `[n·512]`. Samples come from `seed`.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails or the loss is not finite; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn pivotal_tuning(
    problem: &Problem<'_>,
    ws: &[f32],
    settings: &PtiSettings,
    seed: u64,
    on_step: impl FnMut(usize, &StepLosses, &TotalLoss) -> Result<()>,
) -> Result<TuningResult> {
    let mut loss = TotalLoss::new(problem, ws, &settings.loss_weights, &settings.loss_weights)?;
    let learning_rate = |_| settings.learning_rate;
    let mut weights =
        FusedAdam::new(problem, &mut loss, AdamOptions::default(), std::iter::empty(), &learning_rate)?;
    let lambdas = |_| [1.0, settings.lambda_localization];
    let schedule = Schedule {
        localization_latent: &|w_z| near_pivot(ws, &w_z, problem.w_avg),
        stop_at_lpips: Some(settings.stop_at_lpips),
        ..Schedule::new(settings.iterations, &lambdas)
    };
    let samples = latents(seeded(seed, 0), loss.z_dim()?);
    let history = tune(&mut loss, &mut weights, &schedule, samples, on_step)?;
    let terms = loss.terms().to_vec();
    drop(loss); // frees memory for the weight changes
    weights.into_result(terms, history)
}

/// w_r = w_p + α (w_z − w_p)/‖w_z − w_p‖ with the truncated w_z   (Eq. 4 of PTI). Returns `[n·512]`.
fn near_pivot(pivot: &[f32], w_z: &[f32], w_avg: &[f32]) -> Vec<f32> {
    let w_z: Vec<f32> = w_z.iter().zip(w_avg).map(|(w, m)| m + TRUNCATION_PSI * (w - m)).collect();
    let difference: Vec<f32> = w_z.iter().cycle().zip(pivot).map(|(z, p)| z - p).collect();
    let length = difference.iter().map(|d| d * d).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    pivot.iter().zip(difference).map(|(p, d)| p + ALPHA * d / length).collect()
}
