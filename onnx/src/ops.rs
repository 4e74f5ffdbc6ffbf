//! Shape and type inference: one table of rules, in sections.

mod args;
mod conv;
mod einsum;
mod index;
mod interpolation;
mod layout;
mod quantized;
mod resample;

pub(crate) use args::{Arg, Args, Inferred, axis, broadcast, reduced_axes};
pub(crate) use conv::{Geometry, taps};
pub(crate) use einsum::Equation;
pub(crate) use interpolation::{ResizedAxis, Row};
pub(crate) use layout::{permutation, reshape_target, slice_ranges};
pub(crate) use quantized::QUANTIZING;

use crate::DType;
use crate::graph::Attrs;

/// Infers shape and type of the `outputs` outputs of `op`.
pub(crate) fn infer(op: &str, attrs: &Attrs, inputs: &[Option<Arg<'_>>], outputs: usize) -> Inferred {
    let args = Args(inputs);
    let same = || args.need(0).map(|a| vec![(a.shape.to_vec(), a.dtype)]);
    match op {
        // Element-wise, one input.
        "Abs" | "Acos" | "Acosh" | "Asin" | "Asinh" | "Atan" | "Atanh" | "Ceil" | "Celu" | "Clip" | "Cos"
        | "Cosh" | "Elu" | "Erf" | "Exp" | "Floor" | "HardSigmoid" | "HardSwish" | "Identity"
        | "LeakyRelu" | "Log" | "Mish" | "Neg" | "Not" | "Reciprocal" | "Relu" | "Round" | "Selu"
        | "Shrink" | "Sigmoid" | "Sign" | "Sin" | "Sinh" | "Softplus" | "Softsign" | "Sqrt" | "Tan"
        | "Tanh" | "ThresholdedRelu" => same(),
        "IsInf" | "IsNaN" => Ok(vec![(args.need(0)?.shape.to_vec(), DType::Bool)]),
        "Softmax" | "LogSoftmax" | "Hardmax" => {
            axis(attrs.get_int("axis", -1), args.need(0)?.shape.len())?;
            same()
        }
        "Cast" => {
            let to = attrs.get_int("to", 0);
            let dtype = DType::from_onnx_code(to).ok_or_else(|| format!("no rule for element type {to}"))?;
            Ok(vec![(args.need(0)?.shape.to_vec(), dtype)])
        }

        // Element-wise, with broadcasting.
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Min" | "Max" | "Sum" | "Mean" => {
            let (x, shapes) = (args.need(0)?, args.present().map(|a| a.shape).collect::<Vec<_>>());
            if let Some(other) = args.present().find(|a| a.dtype != x.dtype) {
                return Err(format!("the element types {:?} and {:?} differ", x.dtype, other.dtype));
            }
            if shapes.len() < 2 && matches!(op, "Add" | "Sub" | "Mul" | "Div" | "Mod") {
                return Err("input 1 is missing".into());
            }
            Ok(vec![(broadcast(&shapes)?, x.dtype)])
        }
        "Pow" => {
            let a = args.need(0)?;
            Ok(vec![(broadcast(&[a.shape, args.need(1)?.shape])?, a.dtype)])
        }
        "PRelu" => {
            let x = args.need(0)?;
            if broadcast(&[x.shape, args.need(1)?.shape])? != x.shape {
                return Err("the slope is larger than the input".into());
            }
            same()
        }
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Xor" => {
            Ok(vec![(broadcast(&[args.need(0)?.shape, args.need(1)?.shape])?, DType::Bool)])
        }
        "Where" => {
            let (c, a, b) = (args.need(0)?, args.need(1)?, args.need(2)?);
            Ok(vec![(broadcast(&[c.shape, a.shape, b.shape])?, a.dtype)])
        }

        // Reductions.
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => reduction(attrs, &args),

        // Linear.
        "MatMul" => {
            let (a, b) = (args.need(0)?, args.need(1)?);
            Ok(vec![(matmul(a.shape, b.shape)?, a.dtype)])
        }
        "Gemm" => gemm(attrs, &args),
        "Einsum" => einsum::infer(attrs, &args),
        "Det" => match args.need(0)?.shape {
            [batch @ .., m, n] if m == n => Ok(vec![(batch.to_vec(), args.need(0)?.dtype)]),
            _ => Err("the input must be a square matrix".into()),
        },
        "BatchNormalization" | "InstanceNormalization" | "LayerNormalization" | "LRN" => {
            normalization(op, attrs, &args, outputs)
        }
        "Conv" | "ConvTranspose" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => {
            conv::infer(op, attrs, &args, outputs)
        }
        "GatherElements" | "GatherND" | "ScatterElements" | "ScatterND" | "TopK" | "ArgMax" | "ArgMin"
        | "CumSum" | "Trilu" => index::infer(op, attrs, &args),
        "Resize" | "DepthToSpace" | "SpaceToDepth" => resample::infer(op, attrs, &args),
        "QuantizeLinear"
        | "DequantizeLinear"
        | "DynamicQuantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => quantized::infer(op, attrs, &args),
        _ => layout::infer(op, attrs, &args, outputs),
    }
}

fn reduction(attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    let axes = reduced_axes(args.ints(1)?, attrs, x.shape.len())?;
    let keep = attrs.get_int("keepdims", 1) != 0;
    let dims = x.shape.iter().enumerate();
    let dims = dims.filter(|(i, _)| keep || !axes.contains(i));
    Ok(vec![(dims.map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect(), x.dtype)])
}

fn gemm(attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let (a, b) = (args.need(0)?, args.need(1)?);
    let dims = |s: &[usize], t: &str| match (s, attrs.get_int(t, 0)) {
        ([m, n], 0) => Ok((*m, *n)),
        ([m, n], _) => Ok((*n, *m)),
        _ => Err("both operands must be matrices".to_string()),
    };
    let ((m, k), (k2, n)) = (dims(a.shape, "transA")?, dims(b.shape, "transB")?);
    if k != k2 {
        return Err(format!("inner sizes {k} and {k2} differ"));
    }
    if let Some(c) = args.get(2)
        && broadcast(&[c.shape, &[m, n]])? != [m, n]
    {
        return Err(format!("bias of shape {:?} does not fit [{m}, {n}]", c.shape));
    }
    Ok(vec![(vec![m, n], a.dtype)])
}

fn matmul(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let wide = |s: &[usize], front: bool| match (s, front) {
        ([n], true) => vec![1, *n],
        ([n], false) => vec![*n, 1],
        _ => s.to_vec(),
    };
    let (x, y) = (wide(a, true), wide(b, false));
    let ([.., m, k], [.., k2, n]) = (&x[..], &y[..]) else {
        return Err("a scalar has no matrix product".into());
    };
    if k != k2 {
        return Err(format!("inner sizes {k} and {k2} differ"));
    }
    let mut out = broadcast(&[&x[..x.len() - 2], &y[..y.len() - 2]])?;
    if a.len() > 1 {
        out.push(*m);
    }
    if b.len() > 1 {
        out.push(*n);
    }
    Ok(out)
}

/// Normalization keeps the shape. Its parameters must fit the channels, or the normalized axes.
fn normalization(op: &str, attrs: &Attrs, args: &Args<'_>, outputs: usize) -> Inferred {
    let x = args.need(0)?;
    let mut results = vec![(x.shape.to_vec(), x.dtype)];
    if op == "LayerNormalization" {
        let first = axis(attrs.get_int("axis", -1), x.shape.len())?;
        let normalized = &x.shape[first..];
        for p in args.present().skip(1) {
            if broadcast(&[p.shape, normalized])? != normalized {
                return Err(format!("a parameter of shape {:?} does not fit {normalized:?}", p.shape));
            }
        }
        args.need(1)?;
        if outputs > 1 {
            // Mean and 1/√(variance + ε), in the type of the internal computation.
            let stash = attrs.get_int("stash_type", 1);
            let stash =
                DType::from_onnx_code(stash).ok_or_else(|| format!("no rule for stash_type {stash}"))?;
            let dtype = if x.dtype == DType::F64 { DType::F64 } else { stash };
            let reduced = [&x.shape[..first], &vec![1; x.shape.len() - first]].concat();
            results.extend(vec![(reduced, dtype); outputs.min(3) - 1]);
        }
    } else if op == "LRN" {
        let [_, _, ..] = *x.shape else { return Err("the input must be [N, C, …]".into()) };
        if attrs.get_int("size", 0) < 1 {
            return Err("`size` must be at least 1".into());
        }
    } else {
        let [_, channels, ..] = *x.shape else { return Err("the input must be [N, C, …]".into()) };
        if attrs.get_int("training_mode", 0) != 0 {
            return Err("no rule for training mode; export the model for inference".into());
        }
        let parameters = if op == "BatchNormalization" { 1..5 } else { 1..3 };
        for i in parameters {
            let shape = args.need(i)?.shape;
            if shape != [channels] {
                return Err(format!("input {i} has shape {shape:?}; expected [{channels}]"));
            }
        }
    }
    Ok(results)
}
