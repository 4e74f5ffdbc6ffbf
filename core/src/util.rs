//! Small helpers: whole-or-nothing files, installation paths, random latents.

pub mod files;
pub mod paths;
pub(crate) mod random;
pub(crate) mod tensor;
