//! libgani: the C ABI on top of gani-core. `cargo xtask regenerate` generates `include/gani.h` from this crate.
//!
//! - [`boundary`] wraps every function that can fail: it catches panics and stores the thread's last error.
//! - [`handles`] maps handles to Rust objects. A handle is a number in a table, never an address.
//! - [`extensible`] reads and writes structs that may gain fields in a later version.
//!
//! This crate only converts between C and Rust; all work is done by gani-core.

// The names are those of the C header.
#![allow(non_camel_case_types)]
// A C ABI passes raw pointers. Each use states why it is sound.
#![allow(unsafe_code)]
// The obligations of callers are the same for all functions and are stated once, at the top of the header.
#![allow(clippy::missing_safety_doc)]

mod boundary;
mod extensible;
mod handles;
mod progress;

// cbindgen writes the header in the order of these modules.
mod types;

mod library;

mod model;

mod labels;

mod looks;

mod image;

mod invert;

mod face_session;

pub use face_session::*;
pub use image::*;
pub use invert::*;
pub use labels::*;
pub use library::*;
pub use looks::*;
pub use model::*;
pub use types::*;
