//! Adam (Kingma and Ba 2015, Algorithm 1) for one tensor: a latent or a noise map.

/// Adam's state for one tensor.
#[derive(Debug)]
pub struct Adam {
    step: i32,
    m: Vec<f32>,
    v: Vec<f32>,
}

/// β₁: decay of the first moment.
pub(crate) const BETA1: f32 = 0.9;
/// β₂: decay of the second moment.
pub(crate) const BETA2: f32 = 0.999;
/// ε: added to √v̂.
pub(crate) const EPSILON: f32 = 1e-8;

impl Adam {
    /// The initial state for a tensor of `len` numbers.
    pub fn new(len: usize) -> Adam {
        Adam { step: 0, m: vec![0.0; len], v: vec![0.0; len] }
    }

    /// Updates `p` by its gradient `g`. Both have the length given to [`Adam::new`].
    pub fn step(&mut self, p: &mut [f32], g: &[f32], learning_rate: f32) {
        self.step += 1;
        let (c1, c2) = (1.0 - BETA1.powi(self.step), 1.0 - BETA2.powi(self.step));
        for (((p, m), v), &g) in p.iter_mut().zip(&mut self.m).zip(&mut self.v).zip(g) {
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *p -= learning_rate * (*m / c1) / ((*v / c2).sqrt() + EPSILON); // p ← p − α · m̂ / (√v̂ + ε)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.optim.Adam(lr=0.1)` on p = [1, −2] with gradients [0.5, −3], then [−0.25, 0].
    #[test]
    fn two_steps_match_pytorch() {
        let (mut adam, mut p) = (Adam::new(2), [1.0f32, -2.0]);
        adam.step(&mut p, &[0.5, -3.0], 0.1);
        assert!((p[0] - 0.9).abs() < 1e-6 && (p[1] + 1.9).abs() < 1e-6, "{p:?}");
        adam.step(&mut p, &[-0.25, 0.0], 0.1);
        assert!((p[0] - 0.873_367).abs() < 1e-5 && (p[1] + 1.832_994).abs() < 1e-5, "{p:?}");
    }
}
