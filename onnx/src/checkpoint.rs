//! PyTorch checkpoints (`.pt`, `.pth`) as named f32 tensors. The pickle inside is parsed, never executed.

use crate::{DType, Data, Error, Result, Tensor};
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::path::Path;

/// The tensors of a checkpoint by their dotted path, such as `g_ema.conv1.conv.weight`.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    name: String,
    prefix: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a file that `torch.save` has written: a state dict, or dicts of them.
    ///
    /// Floating-point tensors become f32, integers i64.
    ///
    /// # Errors
    /// [`Error::Model`] where the file is no checkpoint, or is truncated; [`Error::Io`] where it cannot be read.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        // Tell a missing file from a broken one.
        std::fs::metadata(path).map_err(|source| Error::Io {
            path: path.into(),
            doing: "reading",
            source,
        })?;
        let name = path.display().to_string();
        let reader = pytorch_reader::PytorchReader::new(path)
            .map_err(|e| Error::Model(format!("{name}: not a PyTorch checkpoint, or truncated ({e})")))?;
        let tensors: Result<_> = reader
            .into_tensors()
            .into_iter()
            .map(|(key, t)| {
                let bytes =
                    t.read().map_err(|e| Error::Model(format!("{name}: `{key}` is truncated ({e})")))?;
                let tensor = tensor(t.dtype(), t.shape(), &bytes)
                    .ok_or_else(|| Error::Model(format!("{name}: `{key}` is inconsistent")))?;
                Ok((key, tensor))
            })
            .collect();
        Ok(Checkpoint { name, prefix: String::new(), tensors: tensors? })
    }

    /// A checkpoint from tensors in memory; `name` is for messages.
    pub fn from_tensors(name: &str, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Checkpoint {
        Checkpoint { name: name.into(), prefix: String::new(), tensors: tensors.into_iter().collect() }
    }

    /// The same tensors, looked up below `prefix` (`g_ema.`), where there are any.
    pub fn below(mut self, prefix: &str) -> Checkpoint {
        if self.tensors.keys().any(|k| k.starts_with(prefix)) {
            self.prefix = prefix.into();
        }
        self
    }

    /// Names under the prefix, without it, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().filter_map(|k| k.strip_prefix(&self.prefix))
    }

    /// The tensor called `key` under the prefix.
    ///
    /// # Errors
    /// [`Error::Model`] naming the key that the file lacks.
    pub fn get(&self, key: &str) -> Result<&Tensor> {
        self.tensors.get(&format!("{}{key}", self.prefix)).ok_or_else(|| {
            self.bad(format!(
                "has no `{}{key}`: another kind of checkpoint, or an incomplete one",
                self.prefix
            ))
        })
    }

    /// The tensor called `key` as f32 values, checked to be of `shape`.
    ///
    /// # Errors
    /// [`Error::Model`] naming the key and both shapes.
    pub fn values(&self, key: &str, shape: &[usize]) -> Result<&[f32]> {
        let tensor = self.get(key)?;
        if tensor.shape() != shape {
            return Err(
                self.bad(format!("`{key}` has the shape {:?}; {shape:?} was expected", tensor.shape()))
            );
        }
        tensor.as_f32().ok_or_else(|| self.bad(format!("`{key}` does not hold floating-point numbers")))
    }

    /// The file, as messages name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `key` as the file spells it, with the prefix.
    pub(crate) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// One more than the largest number that follows `stem` in the keys: of `body.0.…` … `body.23.…`, 24 for `body.`.
    pub(crate) fn count(&self, stem: &str) -> usize {
        let number = |key: &str| key.strip_prefix(stem)?.split('.').next()?.parse::<usize>().ok();
        // A key may hold any number; no network has as many parts as this.
        self.keys().filter_map(number).filter(|&n| n < 1000).max().map_or(0, |n| n + 1)
    }

    /// A tensor outside the prefix, such as `latent_avg` beside `g_ema`.
    pub fn top(&self, key: &str) -> Option<&Tensor> {
        self.tensors.get(key)
    }

    pub(crate) fn bad(&self, reason: String) -> Error {
        Error::Model(format!("{}: {reason}", self.name))
    }
}

fn tensor(dtype: pytorch_reader::DType, shape: &[usize], bytes: &[u8]) -> Option<Tensor> {
    use pytorch_reader::DType as P;
    fn floats<const N: usize>(bytes: &[u8], f: fn([u8; N]) -> f32) -> Data {
        let (chunks, _) = bytes.as_chunks::<N>();
        Data::F32(chunks.iter().map(|&c| f(c)).collect())
    }
    fn ints<const N: usize>(bytes: &[u8], f: fn([u8; N]) -> i64) -> Data {
        let (chunks, _) = bytes.as_chunks::<N>();
        Data::I64(chunks.iter().map(|&c| f(c)).collect())
    }
    let data = match dtype {
        P::F32 => floats(bytes, f32::from_ne_bytes),
        P::F64 => floats(bytes, |b| f64::from_ne_bytes(b) as f32),
        P::F16 => floats(bytes, |b| f16::from_ne_bytes(b).to_f32()),
        P::BF16 => floats(bytes, |b| bf16::from_ne_bytes(b).to_f32()),
        P::I64 => ints(bytes, i64::from_ne_bytes),
        P::U64 => ints(bytes, |b| u64::from_ne_bytes(b) as i64),
        P::I32 => ints(bytes, |b| i32::from_ne_bytes(b).into()),
        P::U32 => ints(bytes, |b| u32::from_ne_bytes(b).into()),
        P::I16 => ints(bytes, |b| i16::from_ne_bytes(b).into()),
        P::U16 => ints(bytes, |b| u16::from_ne_bytes(b).into()),
        P::I8 => ints(bytes, |b: [u8; 1]| i8::from_ne_bytes(b).into()),
        P::U8 | P::Bool => ints(bytes, |b: [u8; 1]| b[0].into()),
    };
    debug_assert!(matches!(data, Data::F32(_) | Data::I64(_)) || dtype == P::Bool);
    Tensor::new(shape, data).filter(|t| matches!(t.dtype(), DType::F32 | DType::I64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_misshaped_is_named() {
        let weight = Tensor::f32(&[2], vec![1.0, 2.0]).unwrap();
        let c = Checkpoint::from_tensors("a.pt", [("g_ema.w".to_string(), weight)]);
        assert_eq!(c.clone().below("g_ema.").values("w", &[2]).unwrap(), [1.0, 2.0]);
        let text = c.clone().below("g_ema.").get("b").unwrap_err().to_string();
        assert!(text.contains("a.pt") && text.contains("g_ema.b"), "{text}");
        let text = c.below("g_ema.").values("w", &[3]).unwrap_err().to_string();
        assert!(text.contains("`w`") && text.contains("[2]") && text.contains("[3]"), "{text}");
    }

    #[test]
    fn files_that_are_no_checkpoints_are_refused() {
        assert!(matches!(Checkpoint::read(Path::new("/nowhere.pt")), Err(Error::Io { .. })));
        let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(matches!(Checkpoint::read(here), Err(Error::Model(_))));
    }
}
