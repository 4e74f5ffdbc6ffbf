//! The inversion file: everything that `edit` needs beside the bundle, in one safetensors file.
//!
//! Tensors: `ws` f32 `[n,512]` and `change.NAME` f16 (θ' − θ of each tuned weight). The header's `gani` entry is JSON
//! ([`Info`]). Changes are rounded to f16 before anything is measured, so that reported figures are those of the file.

use crate::invert::Origin;
use crate::metrics::Metrics;
use crate::photo::Alignment;
use crate::preset::Settings;
use crate::terms::StepLosses;
use crate::{Error, Result, files};
use half::f16;
use ndarray::{Array2, ArrayD, IxDyn};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The file format's version.
const FORMAT: u32 = 1;
/// Files larger than this are not inversions.
const MAX_BYTES: u64 = 1 << 30;

/// What an inversion says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Version of the file format.
    pub format: u32,
    /// Version of gani that made it.
    pub made_by: String,
    /// Name of the bundle whose generator it changes.
    pub bundle: String,
    /// sha256 of that bundle's generator file.
    pub generator_sha256: String,
    /// The photo's file name, without its folder.
    pub photo: String,
    /// The photo's width and height, after its EXIF orientation.
    pub photo_size: [u32; 2],
    /// Where the face lies in the photo; absent for crops that came aligned.
    pub alignment: Option<Alignment>,
    /// Method and preset names.
    pub method: String,
    /// Name of the preset that the settings come from.
    pub preset: String,
    /// All settings.
    pub settings: Settings,
    /// Seed of ψ and of the sampled latents.
    pub seed: u64,
    /// Hash of the crop and of all that it was inverted with, see [`crate::cache::Cache::key`]; empty in older files.
    #[serde(default)]
    pub key: String,
    /// Number of trained parameters.
    pub parameters: usize,
    /// Names of the loss terms in `history`.
    pub terms: Vec<String>,
    /// Losses of every tuning step.
    pub history: Vec<StepLosses>,
    /// How well the tuned generator reproduces the crop.
    pub metrics: Metrics,
    /// How well the encoder's latent alone did.
    pub metrics_encoder: Metrics,
}

/// A photograph inside a generator.
#[derive(Clone, Debug)]
pub struct Inversion {
    /// The latent, w+: `[n,512]`.
    pub ws: Array2<f32>,
    /// The untuned encoder's (or refined) latent and the tuned one are the same: only weights are tuned.
    pub changes: Vec<(String, ArrayD<f32>)>,
    /// Everything else.
    pub info: Info,
}

impl Inversion {
    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let shape: Vec<usize> = self.ws.shape().to_vec();
        let ws: Vec<u8> = self.ws.iter().flat_map(|v| v.to_le_bytes()).collect();
        let changes = self.changes.iter().map(|(name, c)| {
            let bytes: Vec<u8> = c.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            (format!("change.{name}"), c.shape().to_vec(), bytes)
        });
        let changes: Vec<_> = changes.collect();
        let bad = |e: safetensors::SafeTensorError| Error::Model(format!("{}: {e}", path.display()));
        let mut tensors = vec![("ws".to_string(), TensorView::new(Dtype::F32, shape, &ws).map_err(bad)?)];
        for (name, shape, bytes) in &changes {
            tensors.push((name.clone(), TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(bad)?));
        }
        let info = serde_json::to_string(&self.info)
            .map_err(|e| Error::Model(format!("{}: {e}", path.display())))?;
        let header = HashMap::from([("gani".to_string(), info)]);
        let bytes = safetensors::serialize(tensors, Some(header)).map_err(bad)?;
        files::write_whole(path, |w| w.write_all(&bytes))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Model`] where it is damaged, or no inversion, or of a newer format.
    pub fn open(path: &Path) -> Result<Inversion> {
        let size = std::fs::metadata(path).map_err(Error::io("reading", path))?.len();
        if size > MAX_BYTES {
            return Err(Error::Limits(format!(
                "{}: {size} bytes; an inversion has at most {MAX_BYTES}",
                path.display()
            )));
        }
        let bytes = std::fs::read(path).map_err(Error::io("reading", path))?;
        Self::parse(&bytes).map_err(|why| {
            let hint = "make it again with `gani invert`, or get the whole file";
            Error::Model(format!("{}: not a gani inversion, or damaged ({why}); {hint}", path.display()))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Inversion, String> {
        let text = |e: safetensors::SafeTensorError| e.to_string();
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let info = header.metadata().as_ref().and_then(|m| m.get("gani")).ok_or("it has no gani header")?;
        let info: Info = serde_json::from_str(info).map_err(|e| format!("its header: {e}"))?;
        if info.format != FORMAT {
            return Err(format!("format {}, this gani reads format {FORMAT}", info.format));
        }
        let file = SafeTensors::deserialize(bytes).map_err(text)?;
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
        Ok(Inversion { ws, changes, info })
    }

    /// Where the face lies in `photo`, which has `size` [width, height].
    ///
    /// # Errors
    /// [`Error::Input`] where a photo of another size was inverted, or a crop that came aligned.
    pub fn place_in(&self, photo: &str, size: [u32; 2]) -> Result<&Alignment> {
        let info = &self.info;
        let alignment = info.alignment.as_ref().ok_or_else(|| {
            let text = "this inversion was made from an aligned crop: there is no photo to paste into";
            Error::Input(text.into())
        })?;
        if size == info.photo_size {
            return Ok(alignment);
        }
        let ([width, height], [made_width, made_height]) = (size, info.photo_size);
        Err(Error::Input(format!(
            "{photo} has {width}×{height} pixels; the inversion was made from `{}` with {made_width}×{made_height}: give that photo",
            info.photo
        )))
    }

    /// The same inversion, of the same crop that now comes from elsewhere.
    pub fn with_origin(mut self, origin: Origin) -> Inversion {
        self.info.photo = origin.photo;
        self.info.photo_size = origin.size;
        self.info.alignment = origin.alignment;
        self
    }

    /// Refuses a bundle whose generator is another one.
    pub fn check_bundle(&self, name: &str, generator_sha256: &str) -> Result<()> {
        if self.info.generator_sha256 == generator_sha256 {
            return Ok(());
        }
        Err(Error::Input(format!(
            "this inversion belongs to the generator of bundle `{}` (sha256 {}…), not to that of `{name}` (sha256 {}…); \
             pass --model {} or invert the photo again",
            self.info.bundle,
            &self.info.generator_sha256.get(..12).unwrap_or_default(),
            generator_sha256.get(..12).unwrap_or_default(),
            self.info.bundle,
        )))
    }
}

/// Rounds weight changes to what the file will hold.
pub fn rounded(changes: Vec<(String, ArrayD<f32>)>) -> Vec<(String, ArrayD<f32>)> {
    changes.into_iter().map(|(n, c)| (n, c.mapv(|v| f16::from_f32(v).to_f32()))).collect()
}

/// The format's version, for [`Info::format`].
pub fn format() -> u32 {
    FORMAT
}
