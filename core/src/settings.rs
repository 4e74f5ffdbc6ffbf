//! Settings as pure data: presets, methods, domains (Table 1), loss weights, and one struct for each stage of an inversion.
//!
//! Nothing here runs. The algorithms that read these structs are in [`crate::invert`] and [`crate::loss`].

mod domain;
mod loss_weights;
mod method;
mod preset;
mod stages;

pub use domain::{Domain, NAMES as DOMAINS, domain};
pub use loss_weights::{LocalizationLoss, LossWeights, PixelLoss};
pub use method::Method;
pub use preset::{Preset, Settings};
pub use stages::{
    Init, ModuleSettings, Norm, ProjectorSettings, PtiSettings, RefineSettings, Space, TuneSettings,
};
