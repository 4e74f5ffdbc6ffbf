//! Describes the content of a file: a checkpoint, a network, a model bundle, an inversion.
//!
//! [`inspect`] recognizes the file by its content. It reads metadata only: no tensors of a checkpoint, and networks of a bundle only
//! if their cost is requested.

mod checkpoint;
mod network;

pub use checkpoint::{Checkpoint, RecognizedNetwork};
pub use network::{Cost, Network, OpShare, TensorInfo};

use crate::bundle::{Bundle, FileEntry, Manifest, Source};
use crate::inversion::{Info, Inversion};
use crate::{Error, Result};
use gani_onnx::file::open_regular;
use gani_onnx::openvino;
use gani_onnx::read::ReadOptions;
use serde::Serialize;
use std::io::Read;
use std::path::Path;

/// The content of a file, as found by [`inspect`]. In JSON, the field `kind` comes first.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Contents {
    /// A PyTorch checkpoint or an NVlabs pickle.
    Checkpoint(Checkpoint),
    /// An ONNX model.
    Onnx(Network),
    /// A network in OpenVINO's format.
    OpenVino(Network),
    /// A model bundle.
    Bundle(Box<BundleContents>),
    /// An inversion.
    Inversion(Box<InversionContents>),
}

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Element type in the file: `f32`, `f16`, `i64`, …
    pub dtype: String,
}

/// A bundle.
#[derive(Clone, Debug, Serialize)]
pub struct BundleContents {
    /// Folder.
    pub folder: String,
    /// Name by which the bundle is opened.
    pub name: String,
    /// Title for display, one line.
    pub title: String,
    /// Row of Table 1.
    pub domain: String,
    /// Height and width of the generator's image.
    pub image: [usize; 2],
    /// License of the weights.
    #[serde(rename = "licence")]
    pub license: String,
    /// Where the weights come from.
    pub provenance: String,
    /// The files that it was imported from.
    pub sources: Vec<Source>,
    /// The generator's weights that tuning changes.
    pub tunable: Vec<String>,
    /// Kinds of the loss networks.
    pub losses: Vec<String>,
    /// Whether the bundle has an encoder.
    pub encoder: bool,
    /// Names of the editing directions, without principal components.
    pub directions: Vec<String>,
    /// Number of principal components.
    pub components: usize,
    /// Files of the bundle.
    pub files: Vec<FileEntry>,
    /// Networks by role, if their cost was requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
}

/// An inversion.
#[derive(Clone, Debug, Serialize)]
pub struct InversionContents {
    /// Path of the file.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Shape of the latent, w+.
    pub ws: [usize; 2],
    /// Changes of weights.
    pub changes: Vec<Tensor>,
    /// Photo, settings, losses of each step, metrics.
    #[serde(flatten)]
    pub info: Info,
}

/// Describes `path`: a file, a bundle's folder, or the name of an installed bundle. With `cost`, also counts the operations of networks
/// ([`gani_onnx::cost`]), which takes longer.
///
/// # Errors
/// [`Error::Input`] for a file in an unknown format; [`Error::Io`] if it does not exist; and the errors of the format's reader.
pub fn inspect(path: &Path, cost: bool) -> Result<Contents> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        // Not a file, but perhaps the name of a bundle.
        Err(missing) => {
            return match path.to_str().map(Bundle::open) {
                Some(Ok(bundle)) => self::bundle(&bundle, cost),
                _ => Err(Error::io("reading", path)(missing)),
            };
        }
    };
    if metadata.is_dir() {
        return bundle(&Bundle::open_folder(path)?, cost);
    }
    let (file, bytes) = (path.display().to_string(), metadata.len());
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match (extension, first_bytes(path)?) {
        ("toml", _) => bundle(&Bundle::open(&file)?, cost),
        ("safetensors", _) => inversion(path, bytes),
        ("onnx", _) => {
            let graph = ReadOptions::new().open_dimensions_as_one().read(path)?;
            Ok(Contents::Onnx(Network::new("", file, bytes, &graph, cost)))
        }
        ("xml", _) => Ok(Contents::OpenVino(Network::new("", file, bytes, &openvino::read(path)?, cost))),
        // A zip archive, or a pickle of protocol 2 or later.
        ("pt" | "pth" | "pkl" | "tar", _) | (_, [b'P', b'K', ..] | [0x80, 2..=5, ..]) => {
            Ok(Contents::Checkpoint(Checkpoint::read(path, bytes)?))
        }
        _ => Err(Error::Input(format!(
            "{file}: format not recognized; gani reads PyTorch checkpoints (.pt, .pth, .pkl), networks (.onnx, OpenVINO's .xml), \
             bundles (a folder with bundle.toml) and inversions (.safetensors)"
        ))),
    }
}

/// The first bytes of a file.
fn first_bytes(path: &Path) -> Result<[u8; 4]> {
    let mut bytes = [0; 4];
    let (mut file, _) = open_regular(path, u64::MAX)?;
    file.read(&mut bytes).map_err(Error::io("reading", path))?;
    Ok(bytes)
}

fn bundle(bundle: &Bundle, cost: bool) -> Result<Contents> {
    let manifest: Manifest = bundle.manifest().clone();
    let directions = bundle.directions()?;
    Ok(Contents::Bundle(Box::new(BundleContents {
        folder: bundle.folder().display().to_string(),
        image: bundle.image_shape(),
        tunable: bundle.tunable().to_vec(),
        losses: manifest.losses.iter().map(|l| l.kind.clone()).collect(),
        encoder: manifest.encoder.is_some(),
        directions: directions.named.iter().map(|d| d.name.clone()).collect(),
        components: directions.pca.len(),
        networks: if cost { network::bundle_networks(bundle)? } else { vec![] },
        name: manifest.name,
        title: manifest.title,
        domain: manifest.domain,
        license: manifest.license,
        provenance: manifest.provenance,
        sources: manifest.sources,
        files: manifest.files,
    })))
}

fn inversion(path: &Path, bytes: u64) -> Result<Contents> {
    let inversion = Inversion::open(path)?;
    let change = |(name, change): &(String, ndarray::ArrayD<f32>)| Tensor {
        name: name.clone(),
        shape: change.shape().to_vec(),
        dtype: "f16".into(),
    };
    Ok(Contents::Inversion(Box::new(InversionContents {
        file: path.display().to_string(),
        bytes,
        ws: inversion.ws.dim().into(),
        changes: inversion.changes.iter().map(change).collect(),
        info: inversion.info,
    })))
}
