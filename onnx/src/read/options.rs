//! How to read a file: the sizes that it leaves open.

use super::Reader;
use super::tensor::TensorReader;
use crate::file::read_regular;
use crate::proto;
use crate::{Builder, Error, Graph, Result};
use prost::Message;
use prost::bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// Opsets that can be converted to 18.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=28;

/// Larger files are refused: a protobuf message has at most 2 GiB. Larger weights are stored beside the file.
const MAX_BYTES: u64 = 2 << 30;

/// How to read a file. Graphs are static, so each size that the file leaves open must be given.
///
/// ```no_run
/// use gani_onnx::read::ReadOptions;
/// let graph = ReadOptions::new().shape("x", &[1, 3, 256, 256]).read("net.onnx".as_ref())?;
/// # Ok::<(), gani_onnx::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub(super) shapes: BTreeMap<String, Vec<usize>>,
    pub(super) sizes: BTreeMap<String, usize>,
    pub(super) batch: Option<usize>,
    pub(super) open_as_one: bool,
}

impl ReadOptions {
    /// No shapes are given: a file with open sizes is refused, by name.
    pub fn new() -> ReadOptions {
        ReadOptions::default()
    }

    /// Gives the shape of the input `name`.
    pub fn shape(mut self, name: &str, shape: &[usize]) -> ReadOptions {
        self.shapes.insert(name.into(), shape.to_vec());
        self
    }

    /// Gives the size of a symbolic dimension, such as `batch`, wherever it occurs.
    pub fn dimension(mut self, name: &str, size: usize) -> ReadOptions {
        self.sizes.insert(name.into(), size);
        self
    }

    /// Gives the first size of every input that leaves it open: the batch.
    pub fn batch(mut self, size: usize) -> ReadOptions {
        self.batch = Some(size);
        self
    }

    /// All open sizes of inputs whose rank is known become 1. This suits a look at a file, not its use: a network for
    /// images of any size becomes one for a single pixel.
    pub fn open_dimensions_as_one(mut self) -> ReadOptions {
        self.open_as_one = true;
        self
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; otherwise as [`ReadOptions::read_bytes`].
    pub fn read(&self, path: &Path) -> Result<Graph> {
        let bytes = read_regular(path, MAX_BYTES)?;
        self.read_bytes(&path.display().to_string(), bytes, path.parent())
    }

    /// Reads a model from memory. `name` is for messages; `folder` contains its external data, if it may have
    /// any.
    ///
    /// # Errors
    /// [`Error::Input`] if an input has an open size that was not given; [`Error::Model`] if the model is
    /// malformed, truncated or of an unknown opset; [`Error::Unsupported`] if it uses an op or a feature that
    /// has no rule; [`Error::Limits`] if it is too large; [`Error::Io`] if external data cannot be read.
    pub fn read_bytes(&self, name: &str, bytes: Vec<u8>, folder: Option<&Path>) -> Result<Graph> {
        let bad = |reason: String| Error::Model(format!("{name}: {reason}"));
        super::decoded::check(name, &bytes)?;
        let size = bytes.len();
        let model = proto::Model::decode(Bytes::from(bytes))
            .map_err(|e| bad(format!("not an ONNX model, or truncated ({e}); get the file again")))?;
        let opset =
            model.opset_import.iter().find(|o| matches!(o.domain.as_deref(), None | Some("" | "ai.onnx")));
        let opset = opset
            .and_then(|o| o.version)
            .ok_or_else(|| bad("it declares no opset of the default domain".into()))?;
        if !OPSETS.contains(&opset) {
            return Err(bad(format!(
                "opset {opset}; export it with an opset from {} to {}",
                OPSETS.start(),
                OPSETS.end()
            )));
        }
        let graph = model.graph.ok_or_else(|| bad("it contains no graph".into()))?;
        let tensors = TensorReader { name, folder, external: RefCell::default() };
        let reader = Reader { name, bytes: size, tensors, opset, builder: Builder::new(), options: self };
        reader.read(graph)?;
        reader.builder.finish().map_err(|e| super::in_file(name, e))
    }
}
