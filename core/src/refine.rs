//! Refining the encoder's latent by gradient: first one w for all style layers, then w+ (a w per layer).
//!
//! Adam on the latent against Eq. 1, after StyleGAN2's projector (Karras et al. 2020, §5) without noise inputs. In
//! w+ the layers are held near their mean: latents that stay together stay editable (e4e, Tov et al. 2021, Eq. 3).

use crate::Result;
use crate::adam::Adam;
use crate::objective::{Weights, Wrt};
use crate::terms::{Problem, lambdas, loss_gradient, term_names};
use serde::{Deserialize, Serialize};

/// How the latent is refined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefineSettings {
    /// Steps in W.
    pub steps_w: usize,
    /// Steps in W+, after those.
    pub steps_w_plus: usize,
    /// Adam's step size at the start; it falls along a cosine to a tenth.
    pub learning_rate: f32,
    /// Weight of the mean square distance of the layers from their mean, in W+.
    pub spread_penalty: f32,
}

impl RefineSettings {
    /// So many steps in all: one half in W, the other in W+.
    pub fn set_steps(&mut self, steps: usize) {
        self.steps_w = steps / 2;
        self.steps_w_plus = steps - steps / 2;
    }

    /// For a bundle without an encoder: enough steps to find the latent from the mean of W.
    pub fn from_the_mean(&self) -> RefineSettings {
        RefineSettings {
            steps_w: self.steps_w.max(STEPS_FROM_THE_MEAN[0]),
            steps_w_plus: self.steps_w_plus.max(STEPS_FROM_THE_MEAN[1]),
            ..self.clone()
        }
    }
}

/// Steps in W and in W+ that bring the mean latent about as near to a photo as an encoder and its refinement do (FACTS §12: 80
/// and 60 took the loss of one photo from .71 to .15 and .07).
const STEPS_FROM_THE_MEAN: [usize; 2] = [100, 80];

/// Improves `ws` `[n·512]` towards the photo; returns the loss of each step.
pub fn refine(
    problem: &Problem<'_>,
    weights: &Weights,
    ws: &mut [f32],
    settings: &RefineSettings,
    mut watch: impl FnMut(usize, f32),
) -> Result<Vec<f32>> {
    let Problem { runtime, objective, target, cancel, .. } = *problem;
    let steps = settings.steps_w + settings.steps_w_plus;
    let mut history = Vec::with_capacity(steps);
    if steps == 0 {
        return Ok(history);
    }
    let mut loss = loss_gradient(runtime, objective, weights, Wrt::Latent)?.bind()?;
    loss.share_all(target, "target.")?;
    loss.set("lambda", &lambdas(&term_names(&loss), weights))?;
    let dims = objective.generator.input_shape("ws")?.last().copied().unwrap_or(1);
    let mut adam = Adam::new(ws.len());
    let (mut best, mut best_loss) = (ws.to_vec(), f32::INFINITY);
    for step in 1..=steps {
        loss.set("ws", ws)?;
        loss.run(cancel)?;
        let value = loss.with("loss", |l| l[0])?;
        if value < best_loss {
            (best_loss, best) = (value, ws.to_vec());
        }
        let mut g = loss.with("d.ws", <[f32]>::to_vec)?;
        let in_w = step <= settings.steps_w;
        if in_w {
            tie(&mut g, dims);
        } else {
            pull_together(&mut g, ws, dims, settings.spread_penalty);
        }
        let t = step as f32 / steps as f32;
        let rate = settings.learning_rate * (0.1 + 0.9 * 0.5 * (1.0 + (std::f32::consts::PI * t).cos()));
        adam.step(ws, &g, rate);
        history.push(value);
        watch(step, value);
    }
    // The last update was not measured: keep it only where it is no worse than the best.
    loss.set("ws", ws)?;
    loss.run(cancel)?;
    if loss.with("loss", |l| l[0])? > best_loss {
        ws.copy_from_slice(&best);
    }
    Ok(history)
}

/// W: every layer moves by the sum of the layers' gradients.
pub(crate) fn tie(g: &mut [f32], dims: usize) {
    for i in 0..dims {
        let sum: f32 = g.iter().skip(i).step_by(dims).sum();
        g.iter_mut().skip(i).step_by(dims).for_each(|v| *v = sum);
    }
}

/// W+: adds the gradient of `penalty` · mean (w_l − mean_l w)².
fn pull_together(g: &mut [f32], ws: &[f32], dims: usize, penalty: f32) {
    let layers = (ws.len() / dims.max(1)) as f32;
    let scale = 2.0 * penalty / ws.len() as f32;
    for i in 0..dims {
        let mean = ws.iter().skip(i).step_by(dims).sum::<f32>() / layers;
        let column = g.iter_mut().skip(i).step_by(dims).zip(ws.iter().skip(i).step_by(dims));
        column.for_each(|(g, w)| *g += scale * (w - mean));
    }
}
