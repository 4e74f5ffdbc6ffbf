//! gani-core: put a photograph inside a StyleGAN2-family generator and edit it there.

pub mod bundle;
pub mod domain;
pub mod edit;
pub mod editor;
pub mod error;
pub mod figure;
pub mod files;
pub mod inversion;
pub mod invert;
pub mod metrics;
pub mod model;
pub mod modules;
pub mod objective;
pub mod photo;
pub mod preset;
pub mod ranger;
pub mod refine;
pub mod runtime;
pub mod sefa;
pub mod tune;

pub use error::{Error, Result};
