//! Makes a bundle from published files: PyTorch checkpoints, ONNX networks, directions.
//!
//! Whatever is not given is left out: the bundle works without it, and [`Imported::missing`] says how.

mod directions;
mod generator;
mod networks;

use super::make::{describe, replace};
use super::manifest::{Face, Manifest, Mapping, Source, VERSION};
use super::{Bundle, DESCRIPTION, search, sha256};
use crate::runtime::{Cancel, Runtime};
use crate::{Error, Result, domain};
use std::fs;
use std::path::{Path, PathBuf};

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The generator: a StyleGAN2 checkpoint, or any network ws → image as `.onnx`.
    pub generator: PathBuf,
    /// Which weights of an `.onnx` generator are tuned: names of convolution weights, with `*` and `?`.
    pub tunable: Option<String>,
    /// The mapping network of an `.onnx` generator, z → w, as `.onnx`.
    pub mapping: Option<PathBuf>,
    /// Samples of w, `.npy` `[n, 512]`, where there is no mapping network.
    pub latents: Option<PathBuf>,
    /// The encoder: a checkpoint of e4e or of HyperStyle's W encoder, or an `.onnx` network image → w.
    pub encoder: Option<PathBuf>,
    /// LPIPS: AlexNet and its heads, two checkpoints or one that holds both, or an `.onnx` network image → features.
    pub lpips: Vec<PathBuf>,
    /// Identity: ArcFace for the loss, CurricularFace for evaluation, or an `.onnx` network image → features for the loss.
    pub identity: Vec<PathBuf>,
    /// Face parsing: CelebAMask-HQ's U-Net, or an `.onnx` network image → features.
    pub parsing: Option<PathBuf>,
    /// MoCo's ResNet-50, in the place of identity where pictures are not of faces.
    pub moco: Option<PathBuf>,
    /// Editing directions by name: `.pt` or `.npy` vectors, GANSpace's `.pt`, `.npz` of a bundle.
    pub directions: Vec<(String, PathBuf)>,
    /// Row of Table 1.
    pub domain: String,
    /// The weights' licence, for the bundle's description.
    pub licence: Option<String>,
    /// Replace a bundle that is there.
    pub force: bool,
}

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

/// The bundle under construction.
struct Work<'a> {
    options: &'a ImportOptions,
    folder: &'a Path,
    runtime: &'a Runtime,
    cancel: &'a Cancel,
    manifest: Manifest,
    recognised: Vec<[String; 3]>,
    missing: Vec<[String; 2]>,
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
    domain::domain(&options.domain)?;
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
    /// Notes that `path` was read for `role` and found to be `text`.
    fn read(&mut self, role: &str, path: &Path, text: &str) -> Result<()> {
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        self.recognised.push([role.into(), file.clone(), text.into()]);
        self.manifest.sources.push(Source { role: role.into(), file, sha256: sha256(path)? });
        self.cancel.check()
    }

    fn missing(&mut self, what: &str, consequence: &str) {
        self.missing.push([what.into(), consequence.into()]);
    }

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
