//! Options of an inversion.

use crate::Result;
use crate::model::Model;
use crate::settings::{Method, Preset, Settings};

/// How to invert a photo.
#[derive(Clone, Debug)]
pub struct InvertOptions {
    /// The inversion method.
    pub method: Method,
    /// Name of the preset from which `settings` were made.
    pub preset: Preset,
    /// All settings.
    pub settings: Settings,
    /// Seed of all random numbers: ψ, sampled latents, the projector's noise.
    pub seed: u64,
    /// Tuning steps from one [`Progress::Preview`](super::Progress::Preview) to the next; 0: none. Does not affect the result.
    pub preview_interval: usize,
}

impl InvertOptions {
    /// A preset with its default method, for the bundle's domain. Seed 0, no previews.
    ///
    /// # Errors
    /// [`Error::Input`](crate::Error::Input) if the bundle names an unknown domain.
    pub fn new(model: &Model, preset: Preset) -> Result<InvertOptions> {
        InvertOptions::with_method(model, preset.method(), preset)
    }

    /// A preset with another method; otherwise as [`InvertOptions::new`].
    pub fn with_method(model: &Model, method: Method, preset: Preset) -> Result<InvertOptions> {
        let settings = model.settings(method, preset, None)?;
        Ok(InvertOptions { method, preset, settings, seed: 0, preview_interval: 0 })
    }
}
