//! Evaluates small constant expressions while a graph is built: shape arithmetic, axes, scalars.
//!
//! Values are computed in f64, which represents every shape and index exactly; f32 results are rounded once.

use crate::graph::{Attr, Attrs};
use crate::ops::{Arg, Args, axis, permutation, slice_ranges};
use crate::{DType, Tensor};
use ndarray::{ArrayD, Axis, IxDyn};

/// The result of `op` on constants, or `None` if it is left to the runtime.
pub(crate) fn eval(
    op: &str,
    attrs: &Attrs,
    args: &[&Tensor],
    shape: &[usize],
    dtype: DType,
) -> Option<Tensor> {
    if let ("Cast", [x]) = (op, args) {
        return Some(x.cast(dtype));
    }
    if let ("Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity", [x, ..]) = (op, args) {
        return x.reshaped(shape);
    }
    if op == "ConstantOfShape" {
        let value = match attrs.0.get("value") {
            Some(Attr::Tensor(t)) => *t.to_f64().first()?,
            _ => 0.0,
        };
        return Tensor::from_f64(shape, &vec![value; shape.iter().product()], dtype);
    }
    let x = array(args.first()?)?;
    let is_int = matches!(args.first()?.dtype(), DType::I64 | DType::I32);
    let unary = |f: fn(f64) -> f64| Some(x.mapv(f));
    let binary = |f: fn(f64, f64) -> f64| {
        let y = array(args.get(1)?)?;
        let (a, b) = (x.broadcast(IxDyn(shape))?, y.broadcast(IxDyn(shape))?);
        Some(ndarray::Zip::from(a).and(b).map_collect(|&a, &b| f(a, b)))
    };
    let y = match op {
        "Neg" => unary(|v| -v),
        "Abs" => unary(f64::abs),
        "Sqrt" => unary(f64::sqrt),
        "Exp" => unary(f64::exp),
        "Log" => unary(f64::ln),
        "Reciprocal" => unary(|v| 1.0 / v),
        "Floor" => unary(f64::floor),
        "Ceil" => unary(f64::ceil),
        "Sign" => unary(|v| if v == 0.0 { 0.0 } else { v.signum() }),
        "Round" => unary(f64::round_ties_even),
        "Cos" => unary(f64::cos),
        "Sin" => unary(f64::sin),
        "Not" => unary(|v| f64::from(v == 0.0)),
        "Add" => binary(|a, b| a + b),
        "Sub" => binary(|a, b| a - b),
        "Mul" => binary(|a, b| a * b),
        "Div" if is_int => binary(|a, b| if b == 0.0 { 0.0 } else { (a / b).trunc() }),
        "Div" => binary(|a, b| a / b),
        "Mod" if attrs.get_int("fmod", 0) != 0 => binary(|a, b| a % b),
        "Mod" if is_int => binary(|a, b| if b == 0.0 { 0.0 } else { a - b * (a / b).floor() }),
        "Pow" => binary(f64::powf),
        "Min" if args.len() == 2 => binary(f64::min),
        "Max" if args.len() == 2 => binary(f64::max),
        "Equal" => binary(|a, b| f64::from(a == b)),
        "And" => binary(|a, b| f64::from(a != 0.0 && b != 0.0)),
        "Or" => binary(|a, b| f64::from(a != 0.0 || b != 0.0)),
        "Xor" => binary(|a, b| f64::from((a != 0.0) != (b != 0.0))),
        "GreaterOrEqual" => binary(|a, b| f64::from(a >= b)),
        "LessOrEqual" => binary(|a, b| f64::from(a <= b)),
        "Greater" => binary(|a, b| f64::from(a > b)),
        "Less" => binary(|a, b| f64::from(a < b)),
        "Where" => {
            let (a, b) = (array(args.get(1)?)?, array(args.get(2)?)?);
            let to = IxDyn(shape);
            let (c, a, b) = (x.broadcast(to.clone())?, a.broadcast(to.clone())?, b.broadcast(to)?);
            Some(ndarray::Zip::from(c).and(a).and(b).map_collect(|&c, &a, &b| if c != 0.0 { a } else { b }))
        }
        "Transpose" => {
            let perm = permutation(attrs, x.ndim());
            Some(x.permuted_axes(IxDyn(&perm)))
        }
        "Expand" => Some(x.broadcast(IxDyn(shape))?.to_owned()),
        "Concat" => {
            let parts: Option<Vec<_>> = args.iter().map(|t| array(t)).collect();
            let parts = parts?;
            let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
            ndarray::concatenate(Axis(axis(attrs.get_int("axis", 0), x.ndim()).ok()?), &views).ok()
        }
        "Slice" => {
            let typed: Vec<_> = args
                .iter()
                .map(|t| Some(Arg { shape: t.shape(), dtype: t.dtype(), constant: Some(t) }))
                .collect();
            let mut y = x;
            for (i, r) in slice_ranges(&Args(&typed)).ok()? {
                let indices: Vec<usize> =
                    (0..r.count).map(|k| (r.start + k as i64 * r.step) as usize).collect();
                y = y.select(Axis(i), &indices);
            }
            Some(y)
        }
        "Gather" => {
            let along = axis(attrs.get_int("axis", 0), x.ndim()).ok()?;
            let size = x.shape()[along] as f64;
            let index = args.get(1)?.to_f64();
            let wrapped: Vec<f64> = index.iter().map(|&i| if i < 0.0 { i + size } else { i }).collect();
            if wrapped.iter().any(|i| !(0.0..size).contains(i)) {
                return None;
            }
            let wrapped: Vec<usize> = wrapped.into_iter().map(|i| i as usize).collect();
            x.select(Axis(along), &wrapped).into_shape_with_order(IxDyn(shape)).ok()
        }
        "ReduceProd" if args.len() == 1 => Some(ArrayD::from_elem(IxDyn(shape), x.product())),
        "ReduceSum" | "ReduceMean" => {
            let typed: Vec<_> = args
                .iter()
                .map(|t| Some(Arg { shape: t.shape(), dtype: t.dtype(), constant: Some(t) }))
                .collect();
            let axes = Args(&typed).ints(1).ok()??;
            let mut y = x;
            for a in axes {
                let a = axis(a, y.ndim()).ok()?;
                let n = y.shape()[a] as f64;
                let sum = y.sum_axis(Axis(a)).insert_axis(Axis(a));
                y = if op == "ReduceMean" { sum / n } else { sum };
            }
            y.into_shape_with_order(IxDyn(shape)).ok()
        }
        "Range" => {
            let (start, step) = (x.sum(), *args.get(2)?.to_f64().first()?);
            Some(ArrayD::from_shape_fn(IxDyn(shape), |i| start + step * i[0] as f64))
        }
        _ => None,
    }?;
    (y.shape() == shape).then(|| Tensor::from_f64(shape, &y.iter().copied().collect::<Vec<_>>(), dtype))?
}

/// The result of `Shape` with its `start` and `end` attributes.
pub(crate) fn slice_shape(dims: &[i64], attrs: &Attrs) -> Option<Tensor> {
    let n = dims.len() as i64;
    let wrap = |v: i64| if v < 0 { v + n } else { v }.clamp(0, n) as usize;
    let (start, end) = (wrap(attrs.get_int("start", 0)), wrap(attrs.get_int("end", n)));
    Some(Tensor::ints(dims.get(start..end.max(start))?))
}

fn array(t: &Tensor) -> Option<ArrayD<f64>> {
    ArrayD::from_shape_vec(IxDyn(t.shape()), t.to_f64()).ok()
}
