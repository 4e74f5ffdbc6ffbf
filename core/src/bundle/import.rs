//! Imports published files into a bundle: PyTorch checkpoints, ONNX networks, directions.
//!
//! Everything but the generator is optional. [`Imported::missing`] lists what the bundle lacks, and the consequences.

mod directions;
mod encoder;
mod faces;
mod generator;
mod importer;
mod losses;
mod options;
mod source;
mod tunable;

pub use options::ImportOptions;

use super::Bundle;
use super::make::write_manifest_before_move;
use super::manifest::{MANIFEST_FILE, Manifest, Mapping, VERSION};
use crate::runtime::{Cancel, Runtime};
use crate::settings::domain;
use crate::util::files::folder_of;
use crate::util::work_folder::{WorkFolder, clean};
use crate::{Error, Result};
use importer::Importer;
use std::fs;
use std::path::Path;

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// The new bundle.
    pub bundle: Bundle,
    /// What was recognized in each file: role, file, description.
    pub recognized: Vec<[String; 3]>,
    /// What the bundle lacks, and the consequence.
    pub missing: Vec<[String; 2]>,
}

/// Creates the bundle `target`, a folder, completely or not at all. Calls `on_file` with role and path before each file is read.
///
/// # Errors
/// [`Error::Input`] if a file does not contain what its option requires, or `target` exists; [`Error::Model`] with the key, if a
/// tensor of a checkpoint is missing or has the wrong shape; [`Error::Io`]; [`Error::Cancelled`].
pub fn import(
    options: &ImportOptions,
    target: &Path,
    runtime: &Runtime,
    cancel: &Cancel,
    mut on_file: impl FnMut(&str, &Path),
) -> Result<Imported> {
    domain(&options.domain)?;
    let parent = folder_of(target);
    clean(parent);
    let name = check_target(target, options.force)?;
    fs::create_dir_all(parent).map_err(Error::io("creating", parent))?;
    let work = WorkFolder::new(parent, &name)?;
    let folder = work.path().join(&name);
    fs::create_dir(&folder).map_err(Error::io("creating", &folder))?;
    let mut importer = Importer {
        options,
        folder: &folder,
        runtime,
        cancel,
        manifest: empty_manifest(&name, options),
        recognized: vec![],
        missing: vec![],
    };
    let w = importer.add_generator(&mut on_file)?;
    importer.add_encoder(&w, &mut on_file)?;
    importer.add_losses(&mut on_file)?;
    importer.add_faces(&mut on_file)?;
    importer.add_directions(&w, &mut on_file)?;
    let Importer { manifest, recognized, missing, .. } = importer;
    write_manifest_before_move(&folder, target, manifest)?;
    work.commit_folder(&name)?;
    Ok(Imported { bundle: Bundle::open_folder(target)?, recognized, missing })
}

/// Checks that a bundle may be written to `target`, and returns its name.
pub(super) fn check_target(target: &Path, force: bool) -> Result<String> {
    let shown = target.display();
    if target.exists() {
        let is_bundle = target.join(MANIFEST_FILE).is_file();
        let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
        if !is_bundle && !is_empty {
            return Err(Error::Input(format!(
                "{shown} already exists and is not a bundle, so it is not replaced; choose another name"
            )));
        }
        if is_bundle && !force {
            return Err(Error::Input(format!(
                "the bundle {shown} already exists; choose another name, or allow the bundle to be replaced"
            )));
        }
    }
    let name = target.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.'));
    name.map(str::to_owned).ok_or_else(|| {
        Error::Input(format!(
            "{shown}: not a valid name for a bundle's folder; choose one without a leading dot"
        ))
    })
}

/// A manifest without networks.
fn empty_manifest(name: &str, options: &ImportOptions) -> Manifest {
    let license = options.license.clone();
    Manifest {
        version: VERSION,
        domain: options.domain.clone(),
        license: license.unwrap_or_else(|| "that of the imported files; see their authors".into()),
        provenance: "imported by gani from the files under [[source]]".into(),
        encoder: None,
        losses: vec![],
        directions: None,
        face: None,
        mapping: Mapping { file: None, w_avg: "w_avg.npy".into() },
        ..Manifest::for_faces(name)
    }
}
