//! Ranger (v20.4.11): RAdam with Lookahead and gradient centralization. pSp, e4e and HyperStyle use it too.
//!
//! Source: lessw2020/Ranger-Deep-Learning-Optimizer `ranger.py`, as bundled with these projects.

use ndarray::{ArrayD, Axis};

/// Hyperparameters. The defaults are those of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RangerOptions {
    /// Learning rate.
    pub learning_rate: f64,
    /// Lookahead: interpolation factor of the slow weights, 0…1.
    pub alpha: f64,
    /// Lookahead: fast steps per slow step.
    pub k: u32,
    /// β₁: decay of the first moment.
    pub beta1: f64,
    /// β₂: decay of the second moment.
    pub beta2: f64,
    /// ε: added to the root of the second moment.
    pub epsilon: f64,
    /// ρₜ up to which RAdam uses momentum steps without the second moment.
    pub sma_threshold: f64,
}

impl Default for RangerOptions {
    fn default() -> Self {
        RangerOptions {
            learning_rate: 1e-3,
            alpha: 0.5,
            k: 6,
            beta1: 0.95,
            beta2: 0.999,
            epsilon: 1e-5,
            sma_threshold: 5.0,
        }
    }
}

/// The optimizer's state for a list of parameters.
#[derive(Debug)]
pub struct Ranger {
    options: RangerOptions,
    step: u32,
    state: Vec<Moments>,
}

#[derive(Debug)]
struct Moments {
    m: ArrayD<f32>,
    v: ArrayD<f32>,
    slow: ArrayD<f32>,
}

impl Ranger {
    /// The initial state. `parameters` are also the initial slow weights.
    pub fn new(parameters: &[ArrayD<f32>], options: RangerOptions) -> Ranger {
        let moments = |p: &ArrayD<f32>| {
            let zero = ArrayD::zeros(p.raw_dim());
            Moments { m: zero.clone(), v: zero, slow: p.clone() }
        };
        Ranger { options, step: 0, state: parameters.iter().map(moments).collect() }
    }

    /// Changes the learning rate from the next step on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.options.learning_rate = learning_rate;
    }

    /// Updates all parameters. `gradients` have the order and shapes of `parameters`.
    pub fn step(&mut self, parameters: &mut [ArrayD<f32>], gradients: Vec<ArrayD<f32>>) {
        self.step += 1;
        let o = self.options;
        let (scale, rectified) = self.scale();
        let (b1, b2, eps) = (o.beta1 as f32, o.beta2 as f32, o.epsilon as f32);
        let rate = (o.learning_rate * scale) as f32;
        for ((p, mut g), Moments { m, v, slow }) in parameters.iter_mut().zip(gradients).zip(&mut self.state)
        {
            centralize(&mut g);
            v.zip_mut_with(&g, |v, &g| *v = b2 * *v + (1.0 - b2) * g * g);
            m.zip_mut_with(&g, |m, &g| *m = b1 * *m + (1.0 - b1) * g);
            if rectified {
                ndarray::Zip::from(&mut *p)
                    .and(&*m)
                    .and(&*v)
                    .for_each(|p, &m, &v| *p -= rate * m / (v.sqrt() + eps));
            } else {
                p.zip_mut_with(m, |p, &m| *p -= rate * m);
            }
            if self.step.is_multiple_of(o.k) {
                slow.zip_mut_with(p, |slow, &p| *slow += o.alpha as f32 * (p - *slow));
                p.assign(slow);
            }
        }
    }

    /// RAdam's factor of the learning rate at this step, and whether the step divides by the root of the second moment.
    fn scale(&self) -> (f64, bool) {
        let RangerOptions { beta1, beta2, sma_threshold, .. } = self.options;
        let t = f64::from(self.step);
        let correction1 = 1.0 - beta1.powf(t);
        let beta2_t = beta2.powf(t);
        // ρ∞ = 2/(1 − β₂) − 1;  ρₜ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ)
        let rho_inf = 2.0 / (1.0 - beta2) - 1.0;
        let rho = rho_inf - 2.0 * t * beta2_t / (1.0 - beta2_t);
        if rho > sma_threshold {
            let r = (rho - 4.0) * (rho - 2.0) * rho_inf / ((rho_inf - 4.0) * (rho_inf - 2.0) * rho);
            (((1.0 - beta2_t) * r).sqrt() / correction1, true)
        } else {
            (1.0 / correction1, false)
        }
    }
}

/// Gradient centralization: g ← g − mean(g) over all axes but the first. Gradients with one axis do not change.
fn centralize(g: &mut ArrayD<f32>) {
    if g.ndim() < 2 {
        return;
    }
    for mut row in g.axis_iter_mut(Axis(0)) {
        let mean = row.mean().unwrap_or(0.0);
        row.mapv_inplace(|x| x - mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    /// Reference values of the published code: steps 1 to 5 are momentum steps, s(6) = .0075, s(100) = .0668, s(300) = .191.
    #[test]
    fn the_rectification_factor_matches_the_published_code() {
        let mut ranger = Ranger::new(&[], RangerOptions::default());
        for (step, expected) in
            [(6, 0.0075), (10, 0.0122), (50, 0.0354), (100, 0.0668), (300, 0.191), (800, 0.436)]
        {
            ranger.step = step;
            let (s, rectified) = ranger.scale();
            assert!(
                rectified && (s - expected).abs() < 6e-3 * expected + 6e-5,
                "s({step}) = {s}, not {expected}"
            );
        }
        ranger.step = 5;
        assert!(!ranger.scale().1, "step 5 is a momentum step");
    }

    /// With a constant gradient, 300 steps at a learning rate of 1e-3 move a parameter by at most .074.
    #[test]
    fn three_hundred_steps_move_at_most_0_074() {
        let mut p = vec![arr1(&[0.0f32]).into_dyn()];
        let mut ranger = Ranger::new(&p, RangerOptions { k: 1000, ..Default::default() });
        for _ in 0..300 {
            ranger.step(&mut p, vec![arr1(&[-1.0f32]).into_dyn()]);
        }
        assert!((0.03..0.08).contains(&p[0][0]), "moved by {}", p[0][0]);
    }
}
