//! Put a photograph inside a StyleGAN2-family generator, so exactly that the generator reproduces it, and edit it there.
//!
//! The method is GANI (Sheffi, Rotman, Wolf: *Gradient Adjusting Networks for Domain Inversion*): small modules map the
//! loss gradient of each convolution weight to a relative change of it, and only the modules are trained.
//!
//! ```no_run
//! use gani_core::editor::Editor;
//! use gani_core::invert::{InvertOptions, Origin, invert};
//! use gani_core::model::Model;
//! use gani_core::photo::Photo;
//! use gani_core::preset::Preset;
//! use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
//!
//! let model = Model::open("ffhq-1024", Runtime::load(&RuntimeOptions::default())?)?;
//! let options = InvertOptions::new(&model, Preset::Fast)?;
//! let crop = Photo::load("face.png".as_ref())?.as_aligned_crop(model.crop_size())?;
//! let cancel = Cancel::new();
//! let result = invert(&model, crop.view(), Origin::default(), &options, &cancel, |_| {})?;
//! let editor = Editor::tuned(&model, &result.inversion)?;
//! let older = editor.moved(&result.inversion.ws, &["age=2".parse()?], None)?;
//! let image = editor.image(older.view(), &cancel)?; // [1,3,1024,1024] in [-1,1]
//! # Ok::<(), gani_core::Error>(())
//! ```
//!
//! # Where what is
//! - The story of one inversion: [`invert`]. Algorithm 1: [`tune`]. Eq. 2–4: [`modules`]. Eq. 1: [`objective`]. Eq. 5: [`terms`].
//! - Other methods, to compare: [`method`], [`pti`], [`project`], [`restyle`]; what is measured of them: [`evaluate`], [`metrics`].
//! - Photos and faces: [`photo`]. Editing: [`edit`], [`editor`], [`sefa`]. The file: [`inversion`].
//! - In editors: [`retouch`] (the story of one face in a host), [`pixels`] (its images), [`cache`] (inversions made before).
//! - Networks: [`bundle`], [`model`]. All graphs of a bundle: [`graphs`]. ONNX Runtime: [`runtime`].
//!
//! Images are `[1,3,H,W]` RGB in `[-1,1]`; a latent w is `[512]`, w+ is `[n,512]`, one w for each of the generator's n style layers.
//! Nothing here prints, opens a network, or panics on what a file says.

pub mod adam;
pub mod bench;
pub mod bundle;
pub mod cache;
pub mod direct;
pub mod domain;
pub mod edit;
pub mod editor;
pub mod error;
pub mod evaluate;
pub mod figure;
pub mod files;
pub mod follow;
pub mod graphs;
pub mod inspect;
pub mod inversion;
pub mod invert;
pub mod labels;
pub mod method;
pub mod metrics;
pub mod model;
pub mod modules;
pub mod objective;
pub mod photo;
pub mod pixels;
pub mod place;
pub mod preset;
pub mod project;
pub mod pti;
pub mod ranger;
pub mod refine;
pub mod restyle;
pub mod retouch;
pub mod runtime;
pub mod sefa;
pub mod terms;
pub mod tune;

pub use error::{Error, Result};
