//! Refinement of the encoder's latent by gradient descent: first one w for all style layers, then w+ (one w for each layer).
//!
//! Adam on the latent against Eq. 1, after StyleGAN2's projector (Karras et al. 2020, §5) without noise maps. In W+ the layers are
//! regularized toward their mean, because latents close to W stay editable (e4e, Tov et al. 2021, Eq. 3).

use crate::Result;
use crate::loss::total::{loss_gradient, term_names};
use crate::loss::{Problem, Wrt};
use crate::optim::adam::Adam;
use crate::settings::{LossWeights, RefineSettings};

/// Minimizes Eq. 1 over the latent `ws` `[n·512]`. Returns the loss of each step.
///
/// # Errors
/// [`Error::Runtime`](crate::Error::Runtime) if a run fails; [`Error::Cancelled`](crate::Error::Cancelled).
pub fn refine(
    problem: &Problem<'_>,
    weights: &LossWeights,
    ws: &mut [f32],
    settings: &RefineSettings,
    mut on_step: impl FnMut(usize, f32),
) -> Result<Vec<f32>> {
    let Problem { runtime, loss, target, cancel, .. } = *problem;
    let steps = settings.steps_w + settings.steps_w_plus;
    let mut history = Vec::with_capacity(steps);
    if steps == 0 {
        return Ok(history);
    }
    let mut gradient = loss_gradient(runtime, loss, weights, Wrt::Latent)?.bind()?;
    gradient.alias_inputs(target, "target.")?;
    gradient.set("lambda", &weights.lambdas(&term_names(&gradient)))?;
    let dims = loss.generator.input_shape("ws")?.last().copied().unwrap_or(1);
    let mut adam = Adam::new(ws.len());
    let (mut best, mut best_loss) = (ws.to_vec(), f32::INFINITY);
    for step in 1..=steps {
        gradient.set("ws", ws)?;
        gradient.run(cancel)?;
        let value = gradient.with_data("loss", |l| l[0])?;
        if value < best_loss {
            (best_loss, best) = (value, ws.to_vec());
        }
        let mut g = gradient.with_data("d.ws", <[f32]>::to_vec)?;
        let in_w = step <= settings.steps_w;
        if in_w {
            sum_layer_grads(&mut g, dims);
        } else {
            add_delta_grad(&mut g, ws, dims, settings.delta_regularization);
        }
        let t = step as f32 / steps as f32;
        let rate = settings.learning_rate * (0.1 + 0.9 * 0.5 * (1.0 + (std::f32::consts::PI * t).cos()));
        adam.step(ws, &g, rate);
        history.push(value);
        on_step(step, value);
    }
    // The loss after the last update is not known yet. Use that latent only if it is not worse than the best one.
    gradient.set("ws", ws)?;
    gradient.run(cancel)?;
    if gradient.with_data("loss", |l| l[0])? > best_loss {
        ws.copy_from_slice(&best);
    }
    Ok(history)
}

/// In W: replaces each layer's gradient by the sum over all layers.
pub(crate) fn sum_layer_grads(g: &mut [f32], dims: usize) {
    for i in 0..dims {
        let sum: f32 = g.iter().skip(i).step_by(dims).sum();
        g.iter_mut().skip(i).step_by(dims).for_each(|v| *v = sum);
    }
}

/// In W+: adds the gradient of `weight` · mean (w_l − mean_l w)².
fn add_delta_grad(g: &mut [f32], ws: &[f32], dims: usize, weight: f32) {
    let layers = (ws.len() / dims.max(1)) as f32;
    let scale = 2.0 * weight / ws.len() as f32;
    for i in 0..dims {
        let mean = ws.iter().skip(i).step_by(dims).sum::<f32>() / layers;
        let column = g.iter_mut().skip(i).step_by(dims).zip(ws.iter().skip(i).step_by(dims));
        column.for_each(|(g, w)| *g += scale * (w - mean));
    }
}
