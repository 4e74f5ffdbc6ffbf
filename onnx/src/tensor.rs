//! Constant tensors: a shape and shared, typed data.

use half::f16;
use std::sync::Arc;

/// Element type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// 32-bit float: the type that networks compute in.
    F32,
    /// 16-bit float: a storage type for weights.
    F16,
    /// 64-bit float: accepted in files, converted by `Cast`.
    F64,
    /// 64-bit integer: shapes, axes, indices.
    I64,
    /// 32-bit integer.
    I32,
    /// Unsigned 8-bit integer: activations of quantized networks.
    U8,
    /// Signed 8-bit integer: weights of quantized networks.
    I8,
    /// Boolean: comparisons, the condition of `Where`.
    Bool,
}

impl DType {
    /// Whether this is a floating-point type. Only these carry gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::F64)
    }

    /// Bytes of an element.
    pub(crate) fn bytes(self) -> usize {
        match self {
            DType::F64 | DType::I64 => 8,
            DType::F32 | DType::I32 => 4,
            DType::F16 => 2,
            DType::U8 | DType::I8 | DType::Bool => 1,
        }
    }

    /// The value of `TensorProto.DataType` for this type.
    pub(crate) fn onnx_code(self) -> i64 {
        match self {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I8 => 3,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Bool => 9,
            DType::F16 => 10,
            DType::F64 => 11,
        }
    }

    /// The type with this value of `TensorProto.DataType`, if it is supported.
    pub(crate) fn from_onnx_code(code: i64) -> Option<DType> {
        use DType::*;
        [F32, U8, I8, I32, I64, Bool, F16, F64].into_iter().find(|d| d.onnx_code() == code)
    }
}

/// The elements of a [`Tensor`], row-major. Clones share memory.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // each variant is its element type
pub enum Data {
    F32(Arc<[f32]>),
    F16(Arc<[f16]>),
    F64(Arc<[f64]>),
    I64(Arc<[i64]>),
    I32(Arc<[i32]>),
    U8(Arc<[u8]>),
    I8(Arc<[i8]>),
    Bool(Arc<[bool]>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(v) => v.len(),
            Data::F16(v) => v.len(),
            Data::F64(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::U8(v) => v.len(),
            Data::I8(v) => v.len(),
            Data::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A constant: a weight, an axis list, a scalar.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor of `shape` over row-major `data`; `None` if the element count does not match the shape.
    pub fn new(shape: &[usize], data: Data) -> Option<Tensor> {
        let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (size == data.len()).then(|| Tensor { shape: shape.to_vec(), data })
    }

    /// An f32 tensor; `None` if the element count does not match the shape.
    pub fn f32(shape: &[usize], data: Vec<f32>) -> Option<Tensor> {
        Tensor::new(shape, Data::F32(data.into()))
    }

    /// A scalar, shape `[]`.
    pub fn scalar(value: f32) -> Tensor {
        Tensor { shape: vec![], data: Data::F32([value].into()) }
    }

    /// A vector of i64: axes, shapes, pads.
    pub fn ints(values: &[i64]) -> Tensor {
        Tensor { shape: vec![values.len()], data: Data::I64(values.into()) }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::F16(_) => DType::F16,
            Data::F64(_) => DType::F64,
            Data::I64(_) => DType::I64,
            Data::I32(_) => DType::I32,
            Data::U8(_) => DType::U8,
            Data::I8(_) => DType::I8,
            Data::Bool(_) => DType::Bool,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, if they are f32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The elements, if they are i64.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(v) => Some(v),
            _ => None,
        }
    }

    /// The same elements under another shape of equal size; `None` if the sizes differ. The memory is shared.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Tensor> {
        Tensor::new(shape, self.data.clone())
    }

    /// All elements as f64: exact for every type, except for i64 beyond 2⁵³, which no shape or index reaches.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::F16(v) => v.iter().map(|&x| x.into()).collect(),
            Data::F64(v) => v.to_vec(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Data::I32(v) => v.iter().map(|&x| x.into()).collect(),
            Data::U8(v) => v.iter().map(|&x| x.into()).collect(),
            Data::I8(v) => v.iter().map(|&x| x.into()).collect(),
            Data::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }

    /// A tensor of type `dtype` from f64 elements, rounded once; `None` if the count does not match the
    /// shape.
    pub fn from_f64(shape: &[usize], values: &[f64], dtype: DType) -> Option<Tensor> {
        let data = match dtype {
            DType::F32 => Data::F32(values.iter().map(|&x| x as f32).collect()),
            DType::F16 => Data::F16(values.iter().map(|&x| f16::from_f64(x)).collect()),
            DType::F64 => Data::F64(values.into()),
            DType::I64 => Data::I64(values.iter().map(|&x| x as i64).collect()),
            DType::I32 => Data::I32(values.iter().map(|&x| x as i32).collect()),
            DType::U8 => Data::U8(values.iter().map(|&x| x as u8).collect()),
            DType::I8 => Data::I8(values.iter().map(|&x| x as i8).collect()),
            DType::Bool => Data::Bool(values.iter().map(|&x| x != 0.0).collect()),
        };
        Tensor::new(shape, data)
    }

    /// Converts the elements to another type.
    pub fn cast(&self, dtype: DType) -> Tensor {
        if dtype == self.dtype() {
            return self.clone();
        }
        match (&self.data, dtype) {
            // The large tensors are weights stored as f16: convert directly.
            (Data::F16(v), DType::F32) => {
                Tensor { shape: self.shape.clone(), data: Data::F32(v.iter().map(|x| x.to_f32()).collect()) }
            }
            (Data::F32(v), DType::F16) => {
                let data = Data::F16(v.iter().map(|&x| f16::from_f32(x)).collect());
                Tensor { shape: self.shape.clone(), data }
            }
            _ => Tensor::from_f64(&self.shape, &self.to_f64(), dtype).unwrap_or_else(|| self.clone()),
        }
    }
}
