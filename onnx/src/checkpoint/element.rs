//! The element types of PyTorch storages, and their conversion to this crate's types.

use crate::Data;
use half::{bf16, f16};

/// The type of a stored element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // each variant is its type
pub enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Element {
    /// From the name of a storage class, such as `FloatStorage`.
    pub(super) fn from_storage(class: &str) -> Option<Element> {
        Some(match class {
            "DoubleStorage" => Element::F64,
            "FloatStorage" => Element::F32,
            "HalfStorage" => Element::F16,
            "BFloat16Storage" => Element::BF16,
            "LongStorage" => Element::I64,
            "IntStorage" => Element::I32,
            "ShortStorage" => Element::I16,
            "CharStorage" => Element::I8,
            "ByteStorage" => Element::U8,
            "BoolStorage" => Element::Bool,
            _ => return None,
        })
    }

    /// From the name of a torch dtype, such as `float32`.
    pub(super) fn from_dtype(name: &str) -> Option<Element> {
        Some(match name {
            "float64" => Element::F64,
            "float32" => Element::F32,
            "float16" => Element::F16,
            "bfloat16" => Element::BF16,
            "int64" => Element::I64,
            "int32" => Element::I32,
            "int16" => Element::I16,
            "int8" => Element::I8,
            "uint8" => Element::U8,
            "bool" => Element::Bool,
            _ => return None,
        })
    }

    /// Size of one element in bytes.
    pub fn size(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::BF16 | Element::I16 => 2,
            Element::I8 | Element::U8 | Element::Bool => 1,
        }
    }

    /// Whether this is a floating-point type, which is read as f32; others are read as i64.
    pub fn is_float(self) -> bool {
        matches!(self, Element::F64 | Element::F32 | Element::F16 | Element::BF16)
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Element::F64 => "f64",
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::BF16 => "bf16",
            Element::I64 => "i64",
            Element::I32 => "i32",
            Element::I16 => "i16",
            Element::I8 => "i8",
            Element::U8 => "u8",
            Element::Bool => "bool",
        })
    }
}

/// Elements in memory: floats as f32, everything else as i64.
pub(super) enum Values {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

impl Values {
    pub fn with_capacity(element: Element, count: usize) -> Values {
        match element.is_float() {
            true => Values::Floats(Vec::with_capacity(count)),
            false => Values::Ints(Vec::with_capacity(count)),
        }
    }

    /// Appends the elements in `bytes`, which are little-endian.
    pub fn extend(&mut self, element: Element, bytes: &[u8]) {
        fn each<const N: usize, T>(to: &mut Vec<T>, bytes: &[u8], f: impl Fn([u8; N]) -> T) {
            to.extend(bytes.as_chunks::<N>().0.iter().map(|&c| f(c)));
        }
        match (self, element) {
            (Values::Floats(v), Element::F64) => each(v, bytes, |b| f64::from_le_bytes(b) as f32),
            (Values::Floats(v), Element::F16) => each(v, bytes, |b| f16::from_le_bytes(b).to_f32()),
            (Values::Floats(v), Element::BF16) => each(v, bytes, |b| bf16::from_le_bytes(b).to_f32()),
            (Values::Floats(v), _) => each(v, bytes, f32::from_le_bytes),
            (Values::Ints(v), Element::I32) => each(v, bytes, |b| i32::from_le_bytes(b).into()),
            (Values::Ints(v), Element::I16) => each(v, bytes, |b| i16::from_le_bytes(b).into()),
            (Values::Ints(v), Element::I8) => each(v, bytes, |b: [u8; 1]| i8::from_le_bytes(b).into()),
            (Values::Ints(v), Element::U8 | Element::Bool) => each(v, bytes, |b: [u8; 1]| b[0].into()),
            (Values::Ints(v), _) => each(v, bytes, i64::from_le_bytes),
        }
    }

    /// The elements at `offsets`, in that order.
    pub fn gather(self, offsets: impl Iterator<Item = usize>) -> Values {
        match self {
            Values::Floats(v) => Values::Floats(offsets.map(|i| v[i]).collect()),
            Values::Ints(v) => Values::Ints(offsets.map(|i| v[i]).collect()),
        }
    }

    pub fn into_data(self) -> Data {
        match self {
            Values::Floats(v) => Data::F32(v.into()),
            Values::Ints(v) => Data::I64(v.into()),
        }
    }
}
