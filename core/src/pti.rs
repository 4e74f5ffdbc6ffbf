//! Pivotal tuning (Roich et al. 2022): the generator's weights themselves follow the gradient, by Adam, with the latent
//! held at the pivot. With the constants of its release, on the same weights and the same loss graph as GANI; there it
//! tunes every parameter of the generator, and LPIPS sees 1024 px.

use crate::Result;
use crate::direct::Tuned;
use crate::follow::{Followed, StepRule};
use crate::objective::{Pixel, Weights};
use crate::terms::{Problem, StepLosses, Terms};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// How weights are tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PtiSettings {
    /// Steps at most.
    pub iterations: usize,
    /// Adam's step size.
    pub learning_rate: f32,
    /// Tuning ends where LPIPS has come down to this; 0: never.
    pub stop_at_lpips: f32,
    /// Weights of the pixel term and of LPIPS.
    pub weights: Weights,
    /// Weight of the locality term's pixel and LPIPS terms; 0, as published: the generator may change elsewhere.
    pub lambda_local: f32,
}

impl Default for PtiSettings {
    fn default() -> PtiSettings {
        PtiSettings {
            iterations: 350,
            learning_rate: 3e-4,
            stop_at_lpips: 0.06,
            weights: Weights {
                pixel: Pixel::L2,
                full_resolution: true,
                edges: 0.0,
                lambda_pixel: 1.0,
                lambda_lpips: 1.0,
                lambda_identity: 0.0,
                lambda_parsing: 0.0,
            },
            lambda_local: 0.0,
        }
    }
}

/// Distance of the locality term's latents from the pivot, over all style layers together.
const ALPHA: f32 = 30.0;
/// Truncation ψ of the latents that give its direction.
const TRUNCATION: f32 = 0.5;

/// Tunes θ at the pivot `ws` `[n·512]`; tells `watch` of each step and its loss.
pub fn pivotal_tuning(
    problem: &Problem<'_>,
    ws: &[f32],
    settings: &PtiSettings,
    seed: u64,
    mut watch: impl FnMut(usize, f32),
) -> Result<Tuned> {
    let mut terms = Terms::new(problem, ws, &settings.weights, &settings.weights)?;
    let mut weights = Followed::new(problem, &mut terms, StepRule::default(), std::iter::empty())?;
    let lpips = terms.names().iter().position(|n| n == "lpips");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut history = Vec::new();
    for step in 1..=settings.iterations {
        let edit = terms.run_edit(1.0)?; // L(I, G(w_p, θ*))                                      Eq. 2 of the paper
        let reached = lpips.is_some_and(|i| edit[i] <= settings.stop_at_lpips);
        let mut local = Vec::new();
        if settings.lambda_local != 0.0 {
            let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(terms.z_len()?).collect();
            let w_z = terms.map(&z)?;
            local = terms.run_local(settings.lambda_local, &near(ws, &w_z, problem.w_avg))?; // L(G(w_r, θ), G(w_r, θ*))  Eq. 5
        }
        let total = terms.total(step)?;
        history.push(StepLosses { edit, local, total });
        watch(step, total);
        if reached {
            break;
        }
        weights.step(settings.learning_rate)?;
    }
    let names = terms.names().to_vec();
    drop(terms); // the changes need memory of their own
    Ok(Tuned { changes: weights.changes()?, terms: names, history })
}

/// w_r = w_p + α (w_z − w_p)/‖w_z − w_p‖, with w_z pulled towards the mean   (Eq. 4). All are `[n·512]`.
fn near(pivot: &[f32], w_z: &[f32], w_avg: &[f32]) -> Vec<f32> {
    let w_z: Vec<f32> = w_z.iter().zip(w_avg).map(|(w, m)| m + TRUNCATION * (w - m)).collect();
    let way: Vec<f32> = w_z.iter().cycle().zip(pivot).map(|(z, p)| z - p).collect();
    let length = way.iter().map(|d| d * d).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    pivot.iter().zip(way).map(|(p, d)| p + ALPHA * d / length).collect()
}
