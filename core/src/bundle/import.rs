//! Makes a bundle from published files: PyTorch checkpoints, ONNX networks, directions.
//!
//! Whatever is not given is left out: the bundle works without it, and [`Imported::missing`] says how.

mod directions;
mod generator;
mod networks;
mod options;
mod source;
mod work;

pub use options::ImportOptions;
use work::Work;

use super::make::{describe, replace};
use super::manifest::{Face, Manifest, Mapping, VERSION};
use super::{Bundle, DESCRIPTION, search};
use crate::runtime::{Cancel, Runtime};
use crate::settings::domain;
use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// A bundle and how it came about.
#[derive(Debug)]
pub struct Imported {
    /// The new bundle.
    pub bundle: Bundle,
    /// What each file was found to be: role, file, description.
    pub recognised: Vec<[String; 3]>,
    /// What the bundle lacks and what follows from that.
    pub missing: Vec<[String; 2]>,
}

/// Makes the bundle `target`, a folder, whole or not at all. `watch` hears of each file before it is read.
///
/// # Errors
/// [`Error::Input`] where a file is not what its option asks for, or `target` is there already; [`Error::Model`] naming the
/// key that a checkpoint lacks, or that is of another shape; [`Error::Io`]; [`Error::Cancelled`].
pub fn import(
    options: &ImportOptions,
    target: &Path,
    runtime: &Runtime,
    cancel: &Cancel,
    mut watch: impl FnMut(&str, &Path),
) -> Result<Imported> {
    domain(&options.domain)?;
    let name = free_name(target, options.force)?;
    let parent = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io("creating", parent))?;
    let folder = tempfile::Builder::new().prefix(".import-").tempdir_in(parent);
    let folder = folder.map_err(Error::io("creating a folder in", parent))?;
    let mut work = Work {
        options,
        folder: folder.path(),
        runtime,
        cancel,
        manifest: empty(&name, options),
        recognised: vec![],
        missing: vec![],
    };
    let w = work.generator(&mut watch)?;
    work.encoder(&w, &mut watch)?;
    work.losses(&mut watch)?;
    work.faces(&mut watch)?;
    work.directions(&w, &mut watch)?;
    let Work { manifest, recognised, missing, .. } = work;
    describe(folder.path(), manifest)?;
    replace(folder.path(), target)?;
    Ok(Imported { bundle: Bundle::open_folder(target)?, recognised, missing })
}

/// The name of a bundle that may be written to `target`.
fn free_name(target: &Path, force: bool) -> Result<String> {
    let shown = target.display();
    if target.exists() {
        let is_bundle = target.join(DESCRIPTION).is_file();
        let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
        if !is_bundle && !is_empty {
            return Err(Error::Input(format!(
                "{shown} is there already and holds no bundle, so it is left alone; give another name"
            )));
        }
        if is_bundle && !force {
            return Err(Error::Input(format!(
                "the bundle {shown} exists already; give another name, or --force to replace it"
            )));
        }
    }
    let name = target.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.'));
    name.map(str::to_owned)
        .ok_or_else(|| Error::Input(format!("{shown}: that is no name for a bundle's folder")))
}

fn empty(name: &str, options: &ImportOptions) -> Manifest {
    let licence = options.licence.clone();
    Manifest {
        version: VERSION,
        domain: options.domain.clone(),
        licence: licence.unwrap_or_else(|| "that of the files it was made from, see their authors".into()),
        provenance: "made by `gani import` from the files under [[source]]".into(),
        encoder: None,
        losses: vec![],
        directions: None,
        face: None,
        mapping: Mapping { file: None, w_avg: "w_avg.npy".into() },
        ..Manifest::of_faces(name)
    }
}

impl Work<'_> {
    /// Networks that find faces, from the installed models: copies, for a bundle may lie anywhere.
    fn faces(&mut self, watch: &mut dyn FnMut(&str, &Path)) -> Result<()> {
        if self.options.domain != "celeba-hq" {
            return Ok(());
        }
        let evaluation = networks::evaluation(self, watch)?;
        let copy = |file: &str| {
            let Some(from) = search::shared(file).into_iter().next() else { return Ok(None) };
            let to = self.folder.join(file);
            fs::copy(&from, &to).map_err(Error::io("copying", &from))?;
            Ok::<_, Error>(Some(file.to_owned()))
        };
        let found = (copy("blazeface.onnx")?, copy("facemesh.onnx")?);
        let evaluation = match evaluation {
            Some(file) => Some(file),
            None => copy("mobileface.onnx")?,
        };
        match (found, evaluation) {
            ((Some(detector), Some(landmarks)), Some(evaluation)) => {
                self.manifest.face = Some(Face { detector, landmarks, evaluation });
            }
            _ => self.missing(
                "face finder",
                "the networks that come with gani are not installed here; photos must be aligned crops (--aligned)",
            ),
        }
        Ok(())
    }
}
