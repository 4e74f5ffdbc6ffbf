//! libgani: the C ABI over gani-core's public API. `include/gani.h` is made from this crate by `cargo xtask regenerate`.
//!
//! Every function that can fail goes through [`boundary::entry`] (panics, last error); handles are numbers looked up in
//! [`handles`], never addresses; structs of options grow by [`sized`]. What happens is gani-core's business.

// Names are those that C sees.
#![allow(non_camel_case_types)]
// A C ABI is pointers. Each use says why it is sound.
#![allow(unsafe_code)]
// What callers must guarantee is the same everywhere and stands at the top of the header.
#![allow(clippy::missing_safety_doc)]

mod boundary;
mod handles;
mod sized;

// The header's order.
mod types;

mod library;

mod model;

mod image;

mod retouch;

mod inversion;

pub use image::*;
pub use inversion::*;
pub use library::*;
pub use model::*;
pub use retouch::*;
pub use types::*;
