//! Helpers: atomic file writes, installation paths, random latents, tensor shapes.

pub mod files;
pub mod paths;
pub(crate) mod random;
pub(crate) mod tensor;
