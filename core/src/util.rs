//! Helpers: atomic writes of files and of groups of files, NumPy files, installation paths, random latents, tensor shapes.

pub mod files;
pub mod npy;
pub mod paths;
pub mod printable;
pub(crate) mod random;
pub(crate) mod tensor;
pub mod work_folder;
