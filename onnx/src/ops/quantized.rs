//! Ops of quantized networks. They are read and run; no gradient passes through them.

use super::args::{Args, Inferred};
use super::{conv, matmul};
use crate::DType;
use crate::graph::Attrs;

/// Ops whose integer outputs stand for real numbers: a gradient that reaches them is refused, not zero.
pub(crate) const QUANTIZING: &[&str] = &[
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
];

pub(super) fn infer(op: &str, attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    let one = |shape: Vec<usize>, dtype: DType| Ok(vec![(shape, dtype)]);
    // A zero point, if present, has the type of the quantized values.
    let zero_point = |i: usize| args.get(i).map_or(DType::U8, |a| a.dtype);
    match op {
        "QuantizeLinear" => one(x.shape.to_vec(), zero_point(2)),
        "DequantizeLinear" => one(x.shape.to_vec(), args.need(1)?.dtype),
        "DynamicQuantizeLinear" => {
            Ok(vec![(x.shape.to_vec(), DType::U8), (vec![], DType::F32), (vec![], DType::U8)])
        }
        "QLinearMatMul" => one(matmul(x.shape, args.need(3)?.shape)?, args.need(7)?.dtype),
        "MatMulInteger" => one(matmul(x.shape, args.need(1)?.shape)?, DType::I32),
        "QLinearConv" => {
            let inputs = Args(&[Some(x), args.get(3), args.get(8)]);
            let shape = conv::infer("Conv", attrs, &inputs, 1)?.remove(0).0;
            one(shape, args.need(7)?.dtype)
        }
        "ConvInteger" => {
            let inputs = Args(&[Some(x), args.get(1)]);
            let shape = conv::infer("Conv", attrs, &inputs, 1)?.remove(0).0;
            one(shape, DType::I32)
        }
        _ => Err(format!("no rule for `{op}`")),
    }
}
