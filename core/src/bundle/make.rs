//! Writes the files of a bundle: networks, arrays, the manifest.

use super::manifest::{FileEntry, MANIFEST_FILE, Manifest};
use super::{Bundle, sha256};
use crate::util::files::write_whole;
use crate::{Error, Result};
use gani_onnx::Graph;
use gani_onnx::write::{WriteOptions, to_file};
use ndarray::Array1;
use ndarray_npy::WriteNpyExt;
use std::path::Path;

/// Precision of a stored network's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPrecision {
    /// The graph's own.
    Full,
    /// f16: half the size, for networks whose results stay within tolerance.
    Half,
}

impl WeightPrecision {
    /// Writes `graph` to `path`, completely or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn write(self, graph: &Graph, path: &Path) -> Result<()> {
        let half = self == WeightPrecision::Half;
        Ok(to_file(graph, path, &WriteOptions { half, ..WriteOptions::default() })?)
    }
}

/// Writes `manifest` to `bundle.toml` in `folder`, with the size and hash of every file that it names. All other files of the
/// bundle must exist already. Returns the opened bundle.
///
/// # Errors
/// [`Error::Io`] if a file is missing or the manifest cannot be written.
pub fn write_manifest(folder: &Path, mut manifest: Manifest) -> Result<Bundle> {
    let entry = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
        Ok(FileEntry { path: name.into(), bytes, sha256: sha256(&path)? })
    };
    manifest.files = manifest.named_files().into_iter().map(entry).collect::<Result<_>>()?;
    let text = toml::to_string(&manifest).map_err(|e| {
        Error::Model(format!("the manifest of `{}` cannot be written as TOML: {e}", manifest.name))
    })?;
    write_whole(&folder.join(MANIFEST_FILE), |w| w.write_all(text.as_bytes()))?;
    Bundle::open_folder(folder)
}

/// Writes a vector as `.npy`.
pub(super) fn write_npy(path: &Path, values: &Array1<f32>) -> Result<()> {
    write_whole(path, |w| values.write_npy(w).map_err(std::io::Error::other))
}
