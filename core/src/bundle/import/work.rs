//! The bundle under construction.

use super::options::ImportOptions;
use crate::Result;
use crate::bundle::manifest::{Manifest, Source};
use crate::bundle::sha256;
use crate::bundle::statistics::Samples;
use crate::runtime::{Cancel, Runtime};
use ndarray::Array1;
use std::path::Path;

/// The bundle under construction.
pub(super) struct Work<'a> {
    pub options: &'a ImportOptions,
    pub folder: &'a Path,
    pub runtime: &'a Runtime,
    pub cancel: &'a Cancel,
    pub manifest: Manifest,
    pub recognised: Vec<[String; 3]>,
    pub missing: Vec<[String; 2]>,
}

/// What the other parts of the bundle need to know of w.
pub(super) struct Latents {
    /// Style layers and width of w.
    pub shape: [usize; 2],
    /// Mean of w.
    pub mean: Array1<f32>,
    /// Samples, where w can be sampled.
    pub samples: Option<Samples>,
}

impl Work<'_> {
    /// Notes that `path` was read for `role` and found to be `text`.
    pub fn read(&mut self, role: &str, path: &Path, text: &str) -> Result<()> {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.recognised.push([role.into(), file.clone(), text.into()]);
        self.manifest.sources.push(Source { role: role.into(), file, sha256: sha256(path)? });
        self.cancel.check()
    }

    pub fn missing(&mut self, what: &str, consequence: &str) {
        self.missing.push([what.into(), consequence.into()]);
    }
}
