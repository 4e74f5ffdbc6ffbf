//! Invert a photograph into a StyleGAN2-family generator, so that the generator reproduces it, and edit it there.
//!
//! ```no_run
//! use gani_core::{Edit, Model, Photo, Preset};
//!
//! let model = Model::open("ffhq-1024")?;
//! let mut photo = Photo::open("portrait.jpg")?;
//! let face = model.inverter().preset(Preset::Fast).invert(&photo)?;
//! face.paste(&[Edit::new("age", 2.0)], &mut photo)?;
//! photo.save("older.jpg")?;
//! # Ok::<(), gani_core::Error>(())
//! ```
//!
//! The method is GANI (Sheffi, Rotman, Wolf: *Gradient Adjusting Networks for Domain Inversion*). Gradient modification modules map
//! the loss gradient of each convolution weight to a relative change of that weight; only the modules are trained. The default
//! presets minimize the same loss over the weights directly; [`Preset::Paper`] is GANI as published.
//!
//! # Modules, from top to bottom
//! - [`face_session`]: one face in a program or host. [`report`]: evaluation, benchmark, inspection, plots.
//! - [`invert`]: the inversion. Algorithm 1 is [`invert::tuning`], Eq. 2–4 are [`invert::gani::modules`].
//! - [`edit`]: directions and the generator that renders edited latents. [`inversion`]: the file and the cache.
//! - [`model`]: a bundle ready to run. [`bundle`]: networks on disk, and their import. [`metrics`]: MSE, LPIPS, MS-SSIM, ID.
//! - [`loss`]: Eq. 1 is [`loss::similarity`], Eq. 5 with the localization term is [`loss::total`].
//! - [`face`]: detection, alignment, pasting. [`photo`]: picture files and a host's pixels.
//! - [`settings`]: presets, methods and Table 1 as data. [`optim`]: Adam and Ranger.
//! - [`runtime`]: ONNX Runtime. [`util`]: files and paths. [`error`]: the error type.
//!
//! A module uses only modules below it.
//!
//! # Conventions
//! Images are `[1,3,H,W]`, RGB in `[-1,1]`. A latent w is `[512]`; w+ is `[n,512]`, one w for each of the generator's n style
//! layers. This crate never prints, never opens a network connection, and never panics because of the content of a file.

pub mod bundle;
pub mod edit;
pub mod error;
pub mod face;
pub mod face_session;
pub mod inversion;
pub mod invert;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod photo;
pub mod report;
pub mod runtime;
pub mod settings;
pub mod util;

pub use edit::Edit;
pub use error::{Error, Result};
pub use face_session::{FaceSession, Inverter};
pub use invert::Progress;
pub use model::Model;
pub use photo::Photo;
pub use runtime::Cancel;
pub use settings::Preset;

/// Compiles the README's Rust example.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
