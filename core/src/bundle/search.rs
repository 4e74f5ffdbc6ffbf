//! Finds installed bundles: beside the program, in the source checkout, in the user's data folder.

use super::manifest::MANIFEST_FILE;
use crate::util::files::folder_of;
use crate::util::paths;
use crate::util::work_folder::clean;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The bundle for photos. It comes with gani.
const DEFAULT: &str = "ffhq-1024";

/// Bundles that can be fetched. Affects messages only.
const FETCHABLE: [&str; 1] = [DEFAULT];

/// The environment variable with the name or folder of another default.
const DEFAULT_VARIABLE: &str = "GANI_MODEL";

/// Name or folder of the bundle to use if the user names none: the environment variable `GANI_MODEL`, else `ffhq-1024`. It need not be
/// installed. A bundle for tests is never chosen in its place.
pub fn default_name() -> String {
    std::env::var(DEFAULT_VARIABLE).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT.into())
}

/// Folders that may contain bundles, in the order of the search. They need not exist.
pub fn model_folders() -> Vec<PathBuf> {
    let file = paths::own_file().and_then(|p| p.canonicalize().ok());
    folders(file.as_deref(), user_folder().as_deref())
}

/// [`model_folders`], after what killed processes left in them was finished or removed.
fn cleaned_folders() -> Vec<PathBuf> {
    let folders = model_folders();
    folders.iter().for_each(|folder| clean(folder));
    folders
}

/// `gani/models` in the user's data folder, where fetched bundles are installed.
pub fn user_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.data_dir().join("gani").join("models"))
}

/// Installed copies of the network `file` that bundles of faces share, in the order of the search.
pub(super) fn shared_networks(file: &str) -> Vec<PathBuf> {
    let candidates = model_folders().into_iter().map(|folder| folder.join("common").join(file));
    candidates.filter(|path| path.is_file()).collect()
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
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models"));
    folders.extend(user.map(Path::to_owned));
    folders
}

/// The folder of a bundle. `model` is the path of the folder or of its `bundle.toml`, or the name of an installed bundle.
pub(super) fn find(model: &str) -> Result<PathBuf> {
    let path = Path::new(model);
    if !path.exists() {
        clean(folder_of(path)); // a killed import may have left the bundle beside its place
    }
    if path.join(MANIFEST_FILE).is_file() {
        return Ok(path.to_owned());
    }
    if path.file_name().is_some_and(|n| n == MANIFEST_FILE) && path.is_file() {
        let folder = path.parent().unwrap_or(Path::new("."));
        return Ok(if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() });
    }
    find_installed(model)
}

/// Checks that `name` is a name and not a path.
pub(super) fn check_name(name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "the file names the model `{}`, which is a path; only names of installed models are followed. If you trust the file and \
         this model, name the model yourself",
        name.escape_debug()
    )))
}

/// A single component, on every system.
fn is_name(model: &str) -> bool {
    !model.is_empty() && !matches!(model, "." | "..") && !model.contains(['/', '\\', ':', '\0'])
}

/// The folder of an installed bundle.
pub(super) fn find_installed(model: &str) -> Result<PathBuf> {
    let is_name = is_name(model);
    let folders = cleaned_folders();
    if is_name {
        if let Some(found) = folders.iter().map(|f| f.join(model)).find(|f| f.join(MANIFEST_FILE).is_file()) {
            return Ok(found);
        }
        if FETCHABLE.contains(&model) {
            return Err(Error::Input(format!(
                "the model `{model}`, which comes with gani, is not installed; install gani again, or run `gani models fetch \
                 {model}`"
            )));
        }
    }
    let names: Vec<String> = installed().into_iter().map(|(name, _)| name).collect();
    let names = if names.is_empty() {
        "no models are installed".into()
    } else {
        format!("installed models: {}", names.join(", "))
    };
    let cause = if is_name { "no model has this name" } else { "the folder has no bundle.toml" };
    let origin = match std::env::var(DEFAULT_VARIABLE) {
        Ok(variable) if variable == model => format!(", the environment variable {DEFAULT_VARIABLE}"),
        _ => String::new(),
    };
    Err(Error::Input(format!("`{}`{origin}: {cause}; {names}", model.escape_debug())))
}

/// Names and folders of installed bundles, including invalid ones. The first folder with a name hides later ones.
pub(super) fn installed() -> Vec<(String, PathBuf)> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for folder in cleaned_folders() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.map(|e| e.path()).filter(|p| p.join(MANIFEST_FILE).is_file()) {
            let name = entry.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            // Names with a leading dot are temporary folders of an interrupted import or fetch.
            if !name.starts_with('.') && !found.iter().any(|(n, _)| *n == name) {
                found.push((name, entry));
            }
        }
    }
    found.sort();
    found
}
