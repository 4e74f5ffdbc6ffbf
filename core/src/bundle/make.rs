//! Writing bundles: networks, hashes, the description.

use super::manifest::{FileEntry, Manifest};
use super::{Bundle, DESCRIPTION, sha256};
use crate::util::files::write_whole;
use crate::{Error, Result};
use gani_onnx::Graph;
use gani_onnx::write::{WriteOptions, to_file};
use std::fs;
use std::path::Path;

/// How a network's weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// As they are.
    Full,
    /// As f16: half the size, where parity allows.
    Half,
}

impl Store {
    /// Writes `graph` to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(self, graph: &Graph, path: &Path) -> Result<()> {
        Ok(to_file(graph, path, &WriteOptions { half: self == Store::Half, ..WriteOptions::default() })?)
    }
}

/// Fills `manifest.files` with the size and hash of every file that it names, and writes it to `folder`'s
/// `bundle.toml`: the last file of a bundle, which makes it one. Returns the bundle as opened.
///
/// # Errors
/// [`Error::Io`] where a file is missing or the description cannot be written.
pub fn describe(folder: &Path, mut manifest: Manifest) -> Result<Bundle> {
    let entry = |name: &str| {
        let path = folder.join(name);
        let bytes = std::fs::metadata(&path).map_err(Error::io("reading", &path))?.len();
        Ok(FileEntry { path: name.into(), bytes, sha256: sha256(&path)? })
    };
    manifest.files = manifest.named_files().into_iter().map(entry).collect::<Result<_>>()?;
    let text = toml::to_string(&manifest).map_err(|e| {
        Error::Model(format!("the description of `{}` cannot be written: {e}", manifest.name))
    })?;
    write_whole(&folder.join(DESCRIPTION), |w| w.write_all(text.as_bytes()))?;
    Bundle::open_folder(folder)
}

/// Puts the folder `new` in the place of `target`.
pub(super) fn replace(new: &Path, target: &Path) -> Result<()> {
    let old = new.with_extension("old");
    if target.exists() {
        fs::rename(target, &old).map_err(Error::io("moving away", target))?;
    }
    let moved = fs::rename(new, target);
    if moved.is_err() && old.exists() {
        fs::rename(&old, target).ok();
    }
    moved.map_err(Error::io("renaming to", target))?;
    if old.exists() {
        fs::remove_dir_all(&old).map_err(Error::io("removing", &old))?;
    }
    Ok(())
}
