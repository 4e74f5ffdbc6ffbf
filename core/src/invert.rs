//! Inversion: from an aligned crop to a latent and weight changes that reproduce it.
//!
//! [`invert`] runs one inversion from start to end; `methods.rs` implements each method. [`tuning`] is Algorithm 1, [`gani`] the
//! modules of the paper.

pub mod direct;
mod eta;
mod fingerprint;
pub mod gani;
mod methods;
mod options;
mod pipeline;
pub mod pivotal_tuning;
mod progress;
pub mod projector;
pub mod refine;
pub mod restyle;
pub mod tuning;
pub mod weight_optimizer;

pub use fingerprint::fingerprint;
pub use options::InvertOptions;
pub use pipeline::{InversionResult, invert};
pub use progress::{Progress, Stage};
