//! The state of an import: the bundle that is being built.

use super::options::ImportOptions;
use crate::Result;
use crate::bundle::manifest::{Manifest, Source};
use crate::bundle::sha256;
use crate::bundle::statistics::Samples;
use crate::runtime::{Cancel, Runtime};
use ndarray::Array1;
use std::path::Path;

/// The callback before a file is read: its role and path.
pub(super) type OnFile<'f> = &'f mut dyn FnMut(&str, &Path);

/// The bundle that is being built.
pub(super) struct Importer<'a> {
    pub options: &'a ImportOptions,
    /// Temporary folder of the new bundle.
    pub folder: &'a Path,
    pub runtime: &'a Runtime,
    pub cancel: &'a Cancel,
    pub manifest: Manifest,
    pub recognized: Vec<[String; 3]>,
    pub missing: Vec<[String; 2]>,
}

/// The latent space of the generator, which the other parts of the bundle must match.
pub(super) struct LatentSpace {
    /// Number of style layers, and length of w.
    pub shape: [usize; 2],
    /// Mean of w.
    pub mean: Array1<f32>,
    /// Samples of w, if it can be sampled.
    pub samples: Option<Samples>,
}

impl Importer<'_> {
    /// Records that `path` was read for `role`; `text` describes its content.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn record_source(&mut self, role: &str, path: &Path, text: &str) -> Result<()> {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.recognized.push([role.into(), file.clone(), text.into()]);
        self.manifest.sources.push(Source { role: role.into(), file, sha256: sha256(path)? });
        self.cancel.check()
    }

    /// Records that the bundle has no `what`, and the consequence.
    pub fn record_missing(&mut self, what: &str, consequence: &str) {
        self.missing.push([what.into(), consequence.into()]);
    }
}
