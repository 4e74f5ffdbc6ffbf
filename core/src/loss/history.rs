//! Loss values of the steps of an inversion, as its file stores them.

use serde::{Deserialize, Serialize};

/// The terms of Eq. 1 that one step computed, for the photo and for the sampled latent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepLosses {
    /// Terms of L(I, G(w, θ')), unweighted, in the order of the inversion file's `terms`.
    #[serde(alias = "edit")]
    pub reconstruction: Vec<f32>,
    /// Terms of L(G(f(z), θ), G(f(z), θ')), unweighted. Empty in steps without localization.
    #[serde(alias = "local")]
    pub localization: Vec<f32>,
    /// λe·L(I, G(w, θ')) + λl·L(G(f(z), θ), G(f(z), θ'))   (Eq. 5).
    pub total: f32,
}
