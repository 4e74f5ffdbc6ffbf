//! Where bundles lie: beside the program, in the user's data folder, in the checkout it was built from.

use super::{Bundle, DESCRIPTION};
use crate::util::paths;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Bundles that can be fetched, for messages.
const FETCHABLE: [&str; 1] = ["ffhq-1024"];

/// The best bundles that there may be, in this order.
const PREFERRED: [&str; 2] = ["ffhq-1024", "ffhq-64"];

/// Name of the best bundle installed: what is meant where none is named.
pub fn preferred() -> &'static str {
    let installed = list();
    let is_there = |name: &&str| installed.iter().any(|(n, _)| n == name);
    PREFERRED.into_iter().find(is_there).unwrap_or(PREFERRED[1])
}

/// Folders that may hold bundles, in the order in which they are searched; they need not exist.
pub fn model_folders() -> Vec<PathBuf> {
    let file = paths::own_file().and_then(|p| p.canonicalize().ok());
    folders(file.as_deref(), user_folder().as_deref())
}

/// `gani/models` in the user's data folder: where fetched bundles go.
pub fn user_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.data_dir().join("gani").join("models"))
}

/// Where the network `file` that bundles of faces share is installed, the first place that is searched first.
pub(super) fn shared(file: &str) -> Vec<PathBuf> {
    let places = model_folders().into_iter().map(|folder| folder.join("common").join(file));
    places.filter(|path| path.is_file()).collect()
}

fn folders(file: Option<&Path>, user: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(bin) = file.and_then(Path::parent) {
        folders.push(bin.join("models"));
        if let Some(prefix) = bin.parent() {
            folders.push(prefix.join("models"));
            folders.push(prefix.join("share").join("gani").join("models"));
        }
    }
    folders.extend(user.map(Path::to_owned));
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models"));
    folders
}

/// The folder of the bundle that `model` names: a folder with a `bundle.toml`, or the name of an installed bundle.
pub(super) fn find(model: &str) -> Result<PathBuf> {
    let path = Path::new(model);
    if path.join(DESCRIPTION).is_file() {
        return Ok(path.to_owned());
    }
    if path.file_name().is_some_and(|n| n == DESCRIPTION) && path.is_file() {
        let folder = path.parent().unwrap_or(Path::new("."));
        return Ok(if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() });
    }
    let is_name = path.components().count() == 1 && !matches!(model, "." | "..");
    let folders = model_folders();
    if is_name {
        if let Some(found) = folders.iter().map(|f| f.join(model)).find(|f| f.join(DESCRIPTION).is_file()) {
            return Ok(found);
        }
        if FETCHABLE.contains(&model) {
            return Err(Error::Input(format!(
                "the model `{model}` is not on this machine yet; run `gani models fetch {model}`"
            )));
        }
    }
    let known: Vec<String> = list().into_iter().map(|(name, _)| name).collect();
    let known =
        if known.is_empty() { "none is installed".into() } else { format!("there are {}", known.join(", ")) };
    let place = if is_name { "no model is called that" } else { "that folder holds no bundle.toml" };
    Err(Error::Input(format!("`{model}`: {place}; {known}")))
}

/// Installed bundles by name, each with its folder; the first of a name wins, broken ones are listed too.
pub(super) fn list() -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for folder in model_folders() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.map(|e| e.path()).filter(|p| p.join(DESCRIPTION).is_file()) {
            let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            // What an interrupted fetch left is hidden.
            if !name.starts_with('.') && !found.iter().any(|(n, _)| *n == name) {
                found.push((name, entry));
            }
        }
    }
    found.sort();
    found
}

impl Bundle {
    /// Installed bundles by name: each opened, or the reason why it cannot be.
    pub fn list() -> Vec<(String, Result<Bundle>)> {
        list().into_iter().map(|(name, folder)| (name, Bundle::open_folder(&folder))).collect()
    }
}
