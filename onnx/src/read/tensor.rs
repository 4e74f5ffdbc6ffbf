//! Reads tensors: inline, raw, or from an external file beside the model.

use crate::file::{open_regular, reserved};
use crate::proto;
use crate::{DType, Data, Error, Result, Tensor};
use half::f16;
use prost::bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where a model's tensors are read from.
pub(super) struct TensorReader<'a> {
    /// The model's name, for messages.
    pub name: &'a str,
    /// The folder of external data; `None` if the model may not have any.
    pub folder: Option<&'a Path>,
    /// Bytes read so far from each external file.
    pub external: RefCell<HashMap<PathBuf, u64>>,
}

/// Larger files of external data are refused.
const MAX_EXTERNAL_BYTES: u64 = 16 << 30;

/// Bytes that the tensors of an external file may have beyond its size, because tensors can share bytes.
const MAX_SHARED_BYTES: u64 = 64 << 20;

impl TensorReader<'_> {
    fn bad(&self, reason: String) -> Error {
        Error::Model(format!("{}: {reason}", self.name))
    }

    /// Bytes read so far from all external files.
    pub fn external_bytes(&self) -> usize {
        self.external
            .borrow()
            .values()
            .fold(0, |sum, &bytes| sum.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)))
    }

    pub fn tensor(&self, t: proto::Tensor) -> Result<Tensor> {
        let name = t.name.clone().unwrap_or_else(|| "a constant".into());
        let code = t.data_type.unwrap_or(0);
        let dtype = DType::from_onnx_code(code.into()).ok_or_else(|| {
            self.bad(format!("`{name}` has the element type {code}, which is not supported"))
        })?;
        let shape: Option<Vec<usize>> = t.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
        let shape = shape.ok_or_else(|| self.bad(format!("`{name}` has the invalid shape {:?}", t.dims)))?;
        let raw = match (t.data_location, &t.raw_data) {
            (Some(1), _) => Some(self.external(&name, &t.external_data)?),
            (_, Some(raw)) if !raw.is_empty() => Some(raw.clone()),
            _ => None,
        };
        let data = match (raw, dtype) {
            (Some(raw), _) => from_raw(&raw, dtype)
                .ok_or_else(|| self.bad(format!("`{name}` ends with a broken element")))?,
            (None, DType::F32) => Data::F32(t.float_data.into()),
            (None, DType::F64) => Data::F64(t.double_data.into()),
            (None, DType::I64) => Data::I64(t.int64_data.into()),
            (None, DType::I32) => Data::I32(t.int32_data.into()),
            (None, DType::U8) => Data::U8(t.int32_data.iter().map(|&v| v as u8).collect()),
            (None, DType::I8) => Data::I8(t.int32_data.iter().map(|&v| v as i8).collect()),
            (None, DType::Bool) => Data::Bool(t.int32_data.iter().map(|&v| v != 0).collect()),
            (None, DType::F16) => Data::F16(t.int32_data.iter().map(|&v| f16::from_bits(v as u16)).collect()),
        };
        let count = data.len();
        Tensor::new(&shape, data).ok_or_else(|| {
            self.bad(format!(
                "`{name}` has the shape {shape:?} and {count} elements: truncated, or inconsistent"
            ))
        })
    }

    fn external(&self, name: &str, entries: &[proto::Entry]) -> Result<Bytes> {
        let get = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).and_then(|e| e.value.as_deref())
        };
        let (Some(folder), Some(location)) = (self.folder, get("location")) else {
            return Err(self.bad(format!(
                "`{name}` is stored in an external file that it does not name, or that may not be read"
            )));
        };
        // Only a plain file name is accepted: a model must not read other files of this machine.
        let plain = Path::new(location).file_name().is_some_and(|f| f == location);
        if !plain {
            return Err(self
                .bad(format!("`{name}` is stored in `{location}`; external data must be beside the model")));
        }
        let number = |key: &str| get(key).map_or(Ok(None), |v| v.parse::<u64>().map(Some));
        let (Ok(offset), Ok(length)) = (number("offset"), number("length")) else {
            return Err(self.bad(format!("`{name}` has an external offset or length that is no number")));
        };
        let path = folder.join(location);
        let io = |source| Error::Io { path: path.clone(), doing: "reading the external weights", source };
        let (mut file, size) = open_regular(&path, MAX_EXTERNAL_BYTES)?;
        let offset = offset.unwrap_or(0);
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(self.bad(format!(
                "`{name}` refers to bytes {offset}+{length} of {}, which has {size}: truncated",
                path.display()
            )));
        }
        let mut read = self.external.borrow_mut();
        let read = read.entry(path.clone()).or_default();
        *read = read.saturating_add(length);
        if *read > size.saturating_add(MAX_SHARED_BYTES) {
            return Err(Error::Limits(format!(
                "{}: its tensors take {read} bytes of {}, which has {size}; tensors may not share that much",
                self.name,
                path.display()
            )));
        }
        use std::io::{Read, Seek, SeekFrom};
        let mut bytes = reserved(length, &path.display().to_string())?;
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(io)?;
        Ok(bytes.into())
    }
}

fn from_raw(raw: &[u8], dtype: DType) -> Option<Data> {
    fn all<const N: usize, T>(raw: &[u8], f: fn([u8; N]) -> T) -> Option<std::sync::Arc<[T]>> {
        let chunks = raw.chunks_exact(N);
        if !chunks.remainder().is_empty() {
            return None;
        }
        Some(chunks.map(|c| f(c.try_into().unwrap_or([0; N]))).collect())
    }
    Some(match dtype {
        DType::F32 => Data::F32(all(raw, f32::from_le_bytes)?),
        DType::F16 => Data::F16(all(raw, f16::from_le_bytes)?),
        DType::F64 => Data::F64(all(raw, f64::from_le_bytes)?),
        DType::I64 => Data::I64(all(raw, i64::from_le_bytes)?),
        DType::I32 => Data::I32(all(raw, i32::from_le_bytes)?),
        DType::U8 => Data::U8(raw.iter().copied().collect()),
        DType::I8 => Data::I8(raw.iter().map(|&b| b as i8).collect()),
        DType::Bool => Data::Bool(raw.iter().map(|&b| b != 0).collect()),
    })
}
