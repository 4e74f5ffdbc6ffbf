//! gani-core: put a photograph inside a StyleGAN2-family generator and edit it there.

pub mod error;
pub mod runtime;

pub use error::{Error, Result};
