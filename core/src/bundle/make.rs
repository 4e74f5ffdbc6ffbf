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
pub fn write_manifest(folder: &Path, manifest: Manifest) -> Result<Bundle> {
    write_manifest_before_move(folder, folder, manifest)?;
    Bundle::open_folder(folder)
}

/// As [`write_manifest`], for a bundle that will be moved from `folder` to `target`: files in `..` are those beside `target`.
pub(super) fn write_manifest_before_move(folder: &Path, target: &Path, mut manifest: Manifest) -> Result<()> {
    let siblings = target.parent().unwrap_or(Path::new(".."));
    let entry = |name: &str| {
        let path = name.strip_prefix("../").map_or_else(|| folder.join(name), |shared| siblings.join(shared));
        let bytes = std::fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
        Ok(FileEntry { path: name.into(), bytes, sha256: sha256(&path)? })
    };
    manifest.files = manifest.named_files().into_iter().map(entry).collect::<Result<_>>()?;
    let text = toml::to_string(&manifest).map_err(|e| {
        Error::Model(format!("the manifest of `{}` cannot be written as TOML: {e}", manifest.name))
    })?;
    write_whole(&folder.join(MANIFEST_FILE), |w| w.write_all(text.as_bytes()))
}

/// Writes a vector as `.npy`.
pub(super) fn write_npy(path: &Path, values: &Array1<f32>) -> Result<()> {
    write_whole(path, |w| values.write_npy(w).map_err(std::io::Error::other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_files_are_those_beside_the_target() {
        let models = tempfile::tempdir().unwrap();
        let (work, target) = (models.path().join("work/faces"), models.path().join("faces"));
        for folder in [&work, &models.path().join("common")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let mut manifest = Manifest::for_faces("faces");
        (manifest.generator.file, manifest.mapping.w_avg) = ("generator.onnx".into(), "w_avg.npy".into());
        for name in manifest.named_files() {
            let shared = name.strip_prefix("../").map(|name| models.path().join(name));
            std::fs::write(shared.unwrap_or_else(|| work.join(name)), name).unwrap();
        }
        write_manifest_before_move(&work, &target, manifest).unwrap();
        std::fs::rename(&work, &target).unwrap();
        let text = std::fs::read_to_string(target.join(MANIFEST_FILE)).unwrap();
        assert!(text.contains("../common/encoder.onnx"), "{text}");
    }
}
