//! Values of command-line options, parsed from text.

use gani_core::edit::Edit;
use gani_core::settings::Method;
use gani_core::settings::Preset;
use gani_core::{Error, Result};
use std::path::PathBuf;
use std::str::FromStr;

/// `PATH=VALUE`: a setting that replaces the preset's.
#[derive(Clone, Debug)]
pub struct Override {
    /// Path of the setting in the inversion file, `tune.learning_rate`.
    pub path: String,
    /// The value, as JSON or as a word.
    pub value: String,
}

impl FromStr for Override {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((path, value)) => Ok(Override { path: path.into(), value: value.into() }),
            None => Err(Error::Input(format!(
                "`{text}` is not a setting; write PATH=VALUE, for example tune.learning_rate=1e-3"
            ))),
        }
    }
}

/// `METHOD[:PRESET][@PATH=VALUE…]`: a method to compare with others.
#[derive(Clone, Debug)]
pub struct MethodSpec {
    /// The text on the command line: `gani:fast`, `gani:paper@tune.module.blocks=2`.
    pub label: String,
    /// The method.
    pub method: Method,
    /// Its preset.
    pub preset: Preset,
    /// Settings that replace the preset's.
    pub overrides: Vec<Override>,
}

impl FromStr for MethodSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('@');
        let name = parts.next().unwrap_or_default();
        let (method, preset) = name.split_once(':').unwrap_or((name, Preset::Best.name()));
        let overrides = parts.map(str::parse).collect::<Result<_>>()?;
        Ok(MethodSpec { label: text.into(), method: method.parse()?, preset: preset.parse()?, overrides })
    }
}

/// `NAME=FILE`: an editing direction to import.
#[derive(Clone)]
pub struct NamedFile {
    /// The name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

impl FromStr for NamedFile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, file)) if is_direction_name(name) && !file.is_empty() => {
                Ok(NamedFile { name: name.into(), file: file.into() })
            }
            _ => Err(Error::Input(format!(
                "`{text}` is not a named direction; write NAME=FILE, for example smile=smile.pt; a name consists of letters, \
                 digits, _ and -"
            ))),
        }
    }
}

/// Whether `gani edit --set NAME=SIGMA` can select a direction with this name. A dot is reserved for `pca.K` and `sefa.K`.
fn is_direction_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `NAME` or `NAME=SIGMA`: a direction of an edit.
#[derive(Clone)]
pub struct SetArg {
    /// The direction.
    pub name: String,
    /// The strength in σ, if given.
    pub strength: Option<f32>,
}

impl FromStr for SetArg {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if !text.is_empty() && !text.contains('=') {
            return Ok(SetArg { name: text.into(), strength: None });
        }
        let edit: Edit = text.parse()?;
        Ok(SetArg { name: edit.direction, strength: Some(edit.strength) })
    }
}

/// `A..B`: a range of edit strengths in σ.
#[derive(Clone, Copy)]
pub struct Strengths(pub f32, pub f32);

impl FromStr for Strengths {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let ends = text.split_once("..").map(|(a, b)| (a.trim().parse::<f32>(), b.trim().parse::<f32>()));
        match ends {
            Some((Ok(a), Ok(b))) if a < b && a.is_finite() && b.is_finite() => Ok(Strengths(a, b)),
            _ => Err(Error::Input(format!(
                "`{text}` is not a range; write A..B with A < B, for example -3..3"
            ))),
        }
    }
}
