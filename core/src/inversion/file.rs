//! The inversion file, in safetensors format: with the bundle, all that editing needs.
//!
//! Tensors: `ws` f32 `[n,512]`, `change.NAME` f16 (θ' − θ) for each tuned weight, `thumbnail` u8 `[16,16,3]`, and `sha256` u8 `[32]`,
//! the hash of all others and of the header's `gani` entry, which is JSON ([`Info`]). Older files lack the last two. Changes are rounded
//! to f16 before anything is measured, so reported figures are those of the file.

use super::{CropSource, Thumbnail};
use crate::face::Alignment;
use crate::loss::StepLosses;
use crate::metrics::Metrics;
use crate::photo::Photo;
use crate::settings::Settings;
use crate::util::files;
use crate::{Error, Result};
use gani_onnx::file::read_regular;
use half::f16;
use ndarray::{Array2, ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// Version of the file format, for [`Info::format`].
pub const FORMAT: u32 = 1;
/// Side in pixels of the crop that a thumbnail is made from, to compare it.
const THUMBNAIL_CROP: usize = 128;
/// Name of the tensor with the thumbnail.
const THUMBNAIL: &str = "thumbnail";
/// Maximum file size.
const MAX_BYTES: u64 = 1 << 30;
/// The first bytes of a file, after the 8 bytes of the header's length.
const START: &[u8] = b"{\"__metadata__\":{\"gani\":";
/// Name of the tensor with the hash.
const HASH: &str = "sha256";

/// The header of an inversion file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Version of the file format.
    pub format: u32,
    /// Version of gani that wrote the file.
    pub made_by: String,
    /// Name of the bundle whose generator was tuned.
    pub bundle: String,
    /// sha256 of that bundle's generator file.
    pub generator_sha256: String,
    /// The photo's file name, without its folder.
    pub photo: String,
    /// The photo's width and height, after its EXIF orientation.
    pub photo_size: [u32; 2],
    /// The aligned square of the face in the photo; absent for a photo that was an aligned crop itself.
    pub alignment: Option<Alignment>,
    /// Name of the method.
    pub method: String,
    /// Name of the preset from which the settings were made.
    pub preset: String,
    /// All settings.
    pub settings: Settings,
    /// Seed of ψ and of the sampled latents.
    pub seed: u64,
    /// See [`crate::invert::fingerprint`]; empty in older files.
    #[serde(default)]
    pub key: String,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Names of the loss terms in `history`.
    pub terms: Vec<String>,
    /// Losses of each tuning step.
    pub history: Vec<StepLosses>,
    /// The tuned generator's reconstruction, compared with the crop.
    pub metrics: Metrics,
    /// The original generator's image of the encoder's latent, compared with the crop.
    pub metrics_encoder: Metrics,
}

/// An inversion: a latent and weight changes with which the generator reproduces a crop.
#[derive(Clone, Debug)]
pub struct Inversion {
    /// The latent w+, `[n,512]`.
    pub ws: Array2<f32>,
    /// θ' − θ by weight name, with f16 precision; empty for methods that do not tune weights.
    pub changes: Vec<(String, ArrayD<f32>)>,
    /// A small copy of the crop; `None` in older files.
    pub thumbnail: Option<Thumbnail>,
    /// The header.
    pub info: Info,
}

impl Inversion {
    /// Writes the file, completely or not at all.
    ///
    /// # Errors
    /// [`Error::Input`] for what [`Inversion::open`] refuses: a latent, a weight change (in f16), an alignment or a measurement that
    /// contains NaN or infinity. [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let unusable = |why: String| {
            Error::Input(format!(
                "{}: not written: {why}; the inversion has failed, use fewer steps or lower learning rates",
                path.display()
            ))
        };
        self.check_numbers().map_err(unusable)?;
        let shape: Vec<usize> = self.ws.shape().to_vec();
        let ws: Vec<u8> = self.ws.iter().flat_map(|v| v.to_le_bytes()).collect();
        let changes = self.changes.iter().map(|(name, c)| {
            let bytes: Vec<u8> = c.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            (format!("change.{name}"), c.shape().to_vec(), bytes)
        });
        let changes: Vec<_> = changes.collect();
        let bad = |e: safetensors::SafeTensorError| Error::Model(format!("{}: {e}", path.display()));
        let mut tensors = vec![("ws".to_string(), TensorView::new(Dtype::F32, shape, &ws).map_err(bad)?)];
        if let Some(thumbnail) = &self.thumbnail {
            let pixels = TensorView::new(Dtype::U8, Thumbnail::SHAPE.to_vec(), thumbnail.bytes());
            tensors.push((THUMBNAIL.to_string(), pixels.map_err(bad)?));
        }
        for (name, shape, bytes) in &changes {
            tensors.push((name.clone(), TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(bad)?));
        }
        let info = serde_json::to_string(&self.info)
            .map_err(|e| Error::Model(format!("{}: {e}", path.display())))?;
        // JSON has no NaN and no infinity: such a number would be written as null.
        serde_json::from_str::<Info>(&info).map_err(|e| unusable(format!("its header: {e}")))?;
        let hash = hash(&info, tensors.clone());
        tensors.push((HASH.into(), TensorView::new(Dtype::U8, vec![hash.len()], &hash).map_err(bad)?));
        let header = HashMap::from([("gani".to_string(), info)]);
        let bytes = safetensors::serialize(tensors, Some(header)).map_err(bad)?;
        files::write_whole(path, |w| w.write_all(&bytes))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Model`] for a damaged file, a file that is not an inversion, or a newer format; [`Error::Limits`] above 1 GiB;
    /// [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Inversion> {
        Self::read(path.as_ref(), false)
    }

    /// Reads a file. With `hashed`, a file without a hash counts as damaged.
    pub(super) fn read(path: &Path, hashed: bool) -> Result<Inversion> {
        let bytes = read_regular(path, MAX_BYTES)?;
        Self::parse(&bytes, hashed).map_err(|why| {
            let fix = "invert the photo again, or copy the file again";
            Error::Model(format!("{}: not an inversion of gani, or damaged ({why}); {fix}", path.display()))
        })
    }

    /// Whether gani wrote the file as an inversion, which may be damaged since then.
    pub fn is_inversion(path: &Path) -> bool {
        let mut start = [0; 8 + START.len()];
        let is_file = std::fs::metadata(path).is_ok_and(|m| m.is_file());
        is_file
            && std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
            && start.ends_with(START)
    }

    fn parse(bytes: &[u8], hashed: bool) -> Result<Inversion, String> {
        let text = |e: safetensors::SafeTensorError| e.to_string();
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let json = header.metadata().as_ref().and_then(|m| m.get("gani")).ok_or("it has no gani header")?;
        let info: Info = serde_json::from_str(json).map_err(|e| format!("its header: {e}"))?;
        if info.format != FORMAT {
            return Err(format!("format {}; this version of gani reads format {FORMAT}", info.format));
        }
        let file = SafeTensors::deserialize(bytes).map_err(text)?;
        match file.tensor(HASH) {
            Ok(stored) if stored.data() != hash(json, file.tensors()) => {
                return Err("its content does not match its sha256".into());
            }
            Err(_) if hashed => return Err("it has no sha256".into()),
            _ => {}
        }
        let ws = file.tensor("ws").map_err(text)?;
        let (&[layers, dims], Dtype::F32) = (ws.shape(), ws.dtype()) else {
            return Err(format!("ws is {:?} {:?}, not f32 [n,512]", ws.dtype(), ws.shape()));
        };
        let values =
            ws.data().chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap_or_default())).collect();
        let ws = Array2::from_shape_vec((layers, dims), values).map_err(|e| e.to_string())?;
        let mut changes = Vec::new();
        for (name, tensor) in file.iter() {
            let Some(name) = name.strip_prefix("change.") else { continue };
            if tensor.dtype() != Dtype::F16 {
                return Err(format!("the change of {name} is {:?}, not f16", tensor.dtype()));
            }
            let values = tensor
                .data()
                .chunks_exact(2)
                .map(|c| f16::from_le_bytes(c.try_into().unwrap_or_default()).to_f32());
            let change =
                ArrayD::from_shape_vec(IxDyn(tensor.shape()), values.collect()).map_err(|e| e.to_string())?;
            changes.push((name.to_string(), change));
        }
        changes.sort_by(|(a, _), (b, _)| a.cmp(b)); // tensors are listed in random order
        let thumbnail = file.tensor(THUMBNAIL).ok().map(|tensor| {
            let fits = tensor.dtype() == Dtype::U8 && tensor.shape() == Thumbnail::SHAPE;
            Thumbnail::from_bytes(tensor.data())
                .filter(|_| fits)
                .ok_or_else(|| format!("its thumbnail is not u8 {:?}", Thumbnail::SHAPE))
        });
        let inversion = Inversion { ws, changes, thumbnail: thumbnail.transpose()?, info };
        inversion.check_numbers()?;
        Ok(inversion)
    }

    /// Refuses NaN, infinity, and weight changes that are infinite in f16.
    fn check_numbers(&self) -> Result<(), String> {
        if self.ws.iter().any(|v| !v.is_finite()) {
            return Err("its latent contains NaN or infinity".into());
        }
        for (name, change) in &self.changes {
            if change.iter().any(|&v| !f16::from_f32(v).is_finite()) {
                let name = name.escape_debug();
                return Err(format!(
                    "the change of {name} contains NaN, or a number above 65504, the limit of f16"
                ));
            }
        }
        Ok(())
    }

    /// The face's alignment in `photo`, which must be the inverted photo. Brightness and colors may differ. With `other_photo`, any
    /// photo of the same size will do.
    ///
    /// # Errors
    /// [`Error::Input`] for another photo or another size, or if the inverted photo was an aligned crop itself.
    pub fn alignment_in(&self, photo: &Photo, other_photo: bool) -> Result<&Alignment> {
        let alignment = self.alignment_for(photo)?;
        if !other_photo
            && let Some(thumbnail) = &self.thumbnail
            && !thumbnail.shows_same(&Thumbnail::of(alignment.crop(photo, THUMBNAIL_CROP)?.view()))
        {
            return Err(Error::Input(format!(
                "{} shows something else than `{}`, the photo of this inversion, at the place of the face; use that photo, or \
                 ask for another one (other_photo)",
                photo.path.display(),
                self.info.photo
            )));
        }
        Ok(alignment)
    }

    /// The alignment, if the photo has the right size.
    fn alignment_for(&self, photo: &Photo) -> Result<&Alignment> {
        let info = &self.info;
        let size = [photo.width(), photo.height()];
        let alignment = info.alignment.as_ref().ok_or_else(|| {
            let text = "this inversion was made from an aligned crop, so its face has no position in a photo";
            Error::Input(text.into())
        })?;
        if size == info.photo_size {
            return Ok(alignment);
        }
        let ([width, height], [made_width, made_height]) = (size, info.photo_size);
        Err(Error::Input(format!(
            "{} has {width} × {height} pixels; the inversion was made from `{}` with {made_width} × {made_height}. Use that photo",
            photo.path.display(),
            info.photo
        )))
    }

    /// The same inversion with another source of its crop.
    pub fn with_source(mut self, source: CropSource) -> Inversion {
        self.info.photo = source.photo;
        self.info.photo_size = source.size;
        self.info.alignment = source.alignment;
        self
    }

    /// Checks that the inversion belongs to a bundle's generator.
    ///
    /// # Errors
    /// [`Error::Input`] if it belongs to another generator.
    pub fn check_model(&self, name: &str, generator_sha256: &str) -> Result<()> {
        if self.info.generator_sha256 == generator_sha256 {
            return Ok(());
        }
        Err(Error::Input(format!(
            "this inversion belongs to the generator of the model `{}` (sha256 {}…), not to that of `{name}` (sha256 {}…); use \
             the model `{}`, or invert the photo again",
            self.info.bundle,
            &self.info.generator_sha256.get(..12).unwrap_or_default(),
            generator_sha256.get(..12).unwrap_or_default(),
            self.info.bundle,
        )))
    }
}

/// sha256 of the header's JSON and of all tensors but [`HASH`], with names, types and shapes.
fn hash(json: &str, mut tensors: Vec<(String, TensorView<'_>)>) -> [u8; 32] {
    tensors.retain(|(name, _)| name != HASH);
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut hash = Sha256::new();
    hash.update(json);
    for (name, tensor) in &tensors {
        hash.update(format!("{name:?} {:?} {:?}", tensor.dtype(), tensor.shape()));
        hash.update(tensor.data());
    }
    hash.finalize().into()
}

/// Rounds weight changes to the precision of the file.
pub fn to_f16_precision(changes: Vec<(String, ArrayD<f32>)>) -> Vec<(String, ArrayD<f32>)> {
    changes.into_iter().map(|(n, c)| (n, c.mapv(|v| f16::from_f32(v).to_f32()))).collect()
}
