//! Editing in latent space: edits along directions, looks, and the generator that renders the edited latents.

mod direction;
mod generator;
pub mod looks;
pub mod measure;
pub mod sefa;
pub mod sliders;

pub use crate::bundle::{Direction, DirectionInfo, Gain, Unit};
pub use direction::{Edit, StyleRange, apply};
pub use generator::Generator;
