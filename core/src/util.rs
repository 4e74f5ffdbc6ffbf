//! Helpers: atomic writes of files and of groups of files, installation paths, random latents, tensor shapes.

pub mod files;
pub mod paths;
pub(crate) mod random;
pub(crate) mod tensor;
pub mod work_folder;
