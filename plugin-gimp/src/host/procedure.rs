//! What describes a procedure to GIMP, and a call of it.

use super::handles::{Config, Drawable, Image, Layer, Procedure};
use super::libgimp::LibGimp;
use crate::error::Result;
use std::ffi::CStr;

/// A procedure of the plug-in's.
pub struct ProcedureSpec {
    /// Its name in the procedural database.
    pub name: &'static CStr,
    /// Its entry in Filters ▸ Portrait, with a mnemonic.
    pub menu_label: &'static CStr,
    /// What it does, in one line.
    pub summary: &'static CStr,
    /// What it does, in detail.
    pub help: &'static CStr,
    /// Its arguments.
    pub arguments: fn() -> Vec<ArgumentSpec>,
    /// Runs it.
    pub run: fn(&Call) -> Result<Outcome>,
}

/// An argument of a procedure; also a row of its dialog.
pub struct ArgumentSpec {
    /// Its name in the procedural database.
    pub name: String,
    /// Its label, with a mnemonic.
    pub label: String,
    /// Its tooltip.
    pub help: &'static str,
    /// Its type, range and default.
    pub kind: ArgumentKind,
}

/// The type of an argument, with its range and default.
pub enum ArgumentKind {
    /// A double, shown as a slider.
    Double {
        /// Minimum.
        min: f64,
        /// Maximum.
        max: f64,
        /// Default.
        default: f64,
    },
    /// An integer.
    Int {
        /// Minimum.
        min: i32,
        /// Maximum.
        max: i32,
        /// Default.
        default: i32,
    },
    /// A string, empty by default.
    String,
    /// A choice of values, each with its label. The first value is the default.
    Choice(Vec<(String, &'static str)>),
}

/// A call of a procedure. The handles are valid while it runs.
#[derive(Clone, Copy)]
pub struct Call {
    /// libgimp.
    pub gimp: LibGimp,
    /// The procedure, which its dialog refers to.
    pub procedure: Procedure,
    /// Whether to show a dialog.
    pub interactive: bool,
    /// The image.
    pub image: Image,
    /// The selected layer.
    pub drawable: Drawable,
    /// The values of the arguments.
    pub config: Config,
}

/// The return values of a procedure.
pub struct Outcome {
    /// The new layer or layer group; none if the selected layer was changed.
    pub layer: Option<Layer>,
    /// Whether the inversion came from the cache.
    pub from_cache: bool,
}
