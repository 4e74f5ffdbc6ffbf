//! The normalized, weighted features φ that both variants of LPIPS output.

use crate::networks::layers::named_weight;
use crate::{Builder, Expr, Result, Tensor};

/// Added to the squared norm of a feature vector. The original adds 1e-10 to the norm, after a square root
/// whose gradient is NaN where all features vanish (PerceptualSimilarity#69).
const EPSILON: f32 = 1e-12;

/// φ = √lin ⊙ f / √(Σ_c f² + ε)
pub(super) fn phi<'g>(b: &'g Builder, l: usize, f: Expr<'g>, lin: &Tensor) -> Result<Expr<'g>> {
    let root: Vec<f32> = lin.to_f64().iter().map(|v| v.max(0.0).sqrt() as f32).collect();
    let root = named_weight(b, &format!("sqrt_lin{l}"), &[1, f.dim(1), 1, 1], root);
    let norm = (f.square().sum(&[1], true) + EPSILON).sqrt();
    Ok(f / norm * root)
}
