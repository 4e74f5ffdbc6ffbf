//! What the plug-in offers: its procedures, their arguments, how a call of one ends.

use crate::host::Host;
use crate::host::handles::{Config, Drawable, Image, Layer, Procedure as Handle};
use crate::{edit_face, variations};
use std::ffi::CStr;

/// All procedures.
pub const PROCEDURES: [Procedure; 2] = [edit_face::PROCEDURE, variations::PROCEDURE];

/// A procedure, as GIMP lists it.
pub struct Procedure {
    /// Its name for scripts.
    pub name: &'static CStr,
    /// Its entry in Filters ▸ Portrait.
    pub menu_label: &'static CStr,
    /// What it does, in a line.
    pub summary: &'static CStr,
    /// What it does, at length.
    pub help: &'static CStr,
    /// Its arguments, in groups.
    pub arguments: &'static [&'static [Argument]],
    /// Does it.
    pub run: fn(&Call) -> Result<Done, Stop>,
}

/// An argument, which is a row of the dialog too.
pub struct Argument {
    /// Its name for scripts.
    pub name: &'static CStr,
    /// Its label, with a mnemonic.
    pub label: &'static CStr,
    /// Its tooltip.
    pub help: &'static CStr,
    /// What it takes.
    pub kind: Kind,
}

/// What an argument takes.
pub enum Kind {
    /// A slider.
    Number {
        /// Least value.
        from: f64,
        /// Greatest value.
        to: f64,
        /// Value where none is given.
        default: f64,
    },
    /// A whole number.
    Whole {
        /// Least value.
        from: i32,
        /// Greatest value.
        to: i32,
        /// Value where none is given.
        default: i32,
    },
    /// Text, empty where none is given.
    Text,
    /// One of several, each with its label; the first where none is given.
    Choice(&'static [(&'static CStr, &'static CStr)]),
}

/// A call of a procedure, good while it runs.
pub struct Call {
    /// GIMP.
    pub host: Host,
    /// The procedure, for its dialog.
    pub procedure: Handle,
    /// Whether a dialog is to be shown.
    pub interactive: bool,
    /// The image.
    pub image: Image,
    /// The layer.
    pub drawable: Drawable,
    /// The arguments.
    pub config: Config,
}

/// How a call ended well.
pub struct Done {
    /// The layer or group that was made.
    pub layer: Option<Layer>,
    /// Whether the inversion had been made before.
    pub from_cache: bool,
}

/// Why a call did not; the picture is as it was.
#[derive(Debug)]
pub enum Stop {
    /// The user did not want it any more.
    Cancelled,
    /// It cannot be done: cause and fix.
    Failed(String),
}

impl From<gani_core::Error> for Stop {
    fn from(error: gani_core::Error) -> Stop {
        match error {
            gani_core::Error::Cancelled => Stop::Cancelled,
            other => Stop::Failed(sentence(&other.to_string())),
        }
    }
}

/// A message as GIMP shows it: with a capital letter and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
