//! Describes a checkpoint: tensors, settings, recognized networks.

use super::Tensor;
use crate::Result;
use gani_onnx::checkpoint::{self, Format, Setting};
use gani_onnx::networks::recognize;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Checkpoint {
    /// Path of the file.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// `zip`, `legacy` or `pickle`.
    pub format: &'static str,
    /// Networks that an import can build from the checkpoint.
    #[serde(rename = "recognised")]
    pub recognized: Vec<RecognizedNetwork>,
    /// Number of elements of all floating-point tensors.
    pub parameters: u64,
    /// Tensors in alphabetical order.
    pub tensors: Vec<Tensor>,
    /// Values that are not tensors, such as training options.
    pub settings: BTreeMap<String, Value>,
}

/// A network in a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct RecognizedNetwork {
    /// Description: `StyleGAN2, 1024 px, …`.
    pub network: String,
    /// Prefix of its keys: `g_ema.`.
    pub prefix: String,
}

impl Checkpoint {
    /// Opens the file without reading its tensors.
    pub(super) fn read(path: &Path, bytes: u64) -> Result<Checkpoint> {
        let c = checkpoint::Checkpoint::read(path)?;
        let found = recognize(&c).into_iter();
        let tensor = |name: &str| Tensor {
            name: name.into(),
            shape: c.shape(name).unwrap_or_default().to_vec(),
            dtype: c.element(name).map_or_else(String::new, |e| e.to_string()),
        };
        let floats = c.keys().filter(|key| c.element(key).is_some_and(checkpoint::Element::is_float));
        let count = |key: &str| c.shape(key).unwrap_or_default().iter().map(|&d| d as u64).product::<u64>();
        Ok(Checkpoint {
            file: c.name().into(),
            bytes,
            format: match c.format() {
                Format::Zip => "zip",
                Format::Legacy => "legacy",
                Format::Pickle | Format::Memory => "pickle",
            },
            recognized: found.map(|f| RecognizedNetwork { network: f.text, prefix: f.prefix }).collect(),
            parameters: floats.map(count).fold(0, u64::saturating_add),
            tensors: c.keys().map(tensor).collect(),
            settings: c.settings().map(|(key, setting)| (key.to_string(), json(setting))).collect(),
        })
    }
}

fn json(setting: &Setting) -> Value {
    match setting {
        Setting::None => Value::Null,
        Setting::Bool(v) => (*v).into(),
        Setting::Int(v) => (*v).into(),
        Setting::Float(v) => (*v).into(),
        Setting::Text(v) => v.as_str().into(),
    }
}
