//! Direct tuning: Algorithm 1 with the generator's weights themselves as parameters, updated by Adam. Latent, loss, localization
//! and schedule are those of GANI; the parametrization is that of PTI (Roich et al. 2022). Steps avoid weights that other images
//! depend on ([`super::weight_optimizer`]). docs/results.md compares the methods.

use super::tuning::{Schedule, TuningResult, tune};
use super::weight_optimizer::{AdamOptions, FusedAdam};
use crate::Result;
use crate::loss::{Problem, StepLosses, TotalLoss};
use crate::settings::TuneSettings;
use crate::util::random::{latents, seeded};

/// Number of sampled latents from which the importance of each weight is estimated.
pub(crate) const FISHER_SAMPLES: usize = 16;

/// Tunes θ at the photo's latent `ws` `[n·512]`. Samples come from `seed`.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails or the loss is not finite; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn direct_tuning(
    problem: &Problem<'_>,
    ws: &[f32],
    settings: &TuneSettings,
    seed: u64,
    on_step: impl FnMut(usize, &StepLosses, &TotalLoss) -> Result<()>,
) -> Result<TuningResult> {
    let mut loss = TotalLoss::new(problem, ws, &settings.loss_weights, &settings.localization_weights())?;
    let z_dim = loss.z_dim()?;
    let mut samples = latents(seeded(seed, 1), z_dim);
    let options =
        AdamOptions { relative: true, fisher_power: if z_dim > 0 { settings.fisher_power } else { 0.0 } };
    let learning_rate = |step| settings.learning_rate_at(step) as f32;
    let fisher_samples = samples.by_ref().take(FISHER_SAMPLES);
    let mut weights = FusedAdam::new(problem, &mut loss, options, fisher_samples, &learning_rate)?;
    let lambdas = |step| settings.lambdas_at(step);
    let schedule = Schedule::new(settings.iterations, &lambdas);
    let history = tune(&mut loss, &mut weights, &schedule, samples, on_step)?;
    let terms = loss.terms().to_vec();
    drop(loss); // frees memory for the weight changes
    weights.into_result(terms, history)
}
