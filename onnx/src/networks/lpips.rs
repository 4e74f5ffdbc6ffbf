//! LPIPS features: image → five maps whose squared distance is the perceptual distance.
//!
//! Let f_l be the ReLU outputs of the AlexNet backbone, f̂_l the same normalized to unit length over the
//! channels, and lin_l ≥ 0 the learned weights. Then d(a, b) = Σ_l mean_hw Σ_c lin_lc (f̂_l(a) − f̂_l(b))².
//! With φ_l = √lin_l ⊙ f̂_l the distance is Σ_l mean_hw Σ_c (φ_l(a) − φ_l(b))², so that φ of a target is
//! computed once.

mod alexnet;
mod features;
mod shift_tolerant;

pub use alexnet::official;
pub use shift_tolerant::shift_tolerant;
