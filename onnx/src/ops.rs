//! Shape and type rules: what an op makes of its inputs. One table, in sections.

mod conv;
mod layout;
mod resample;

pub(crate) use conv::Geometry;
pub(crate) use layout::{reshape_target, slice_ranges};

use crate::graph::Attrs;
use crate::{DType, Tensor};

/// An input as a shape rule sees it.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a> {
    pub shape: &'a [usize],
    pub dtype: DType,
    pub constant: Option<&'a Tensor>,
}

/// Shape and type of one output.
pub(crate) type Typed = (Vec<usize>, DType);

/// A rule's answer, or the reason why the node is ill-formed (`no rule …` where the op is unknown).
pub(crate) type Inferred = std::result::Result<Vec<Typed>, String>;

/// The inputs of a node with checked access.
pub(crate) struct Args<'a>(pub &'a [Option<Arg<'a>>]);

impl<'a> Args<'a> {
    pub fn get(&self, i: usize) -> Option<Arg<'a>> {
        self.0.get(i).copied().flatten()
    }

    pub fn need(&self, i: usize) -> Result<Arg<'a>, String> {
        self.get(i).ok_or_else(|| format!("input {i} is missing"))
    }

    /// The constant integers of input `i`: axes, shapes, pads.
    pub fn ints(&self, i: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(arg) = self.get(i) else { return Ok(None) };
        let tensor =
            arg.constant.ok_or_else(|| format!("input {i} must be a constant (static shapes only)"))?;
        match tensor.dtype() {
            DType::I64 | DType::I32 => Ok(Some(tensor.to_f64().into_iter().map(|v| v as i64).collect())),
            other => Err(format!("input {i} must hold integers, not {other:?}")),
        }
    }
}

/// Shapes and types of the `outputs` outputs of `op`.
pub(crate) fn infer(op: &str, attrs: &Attrs, inputs: &[Option<Arg<'_>>], outputs: usize) -> Inferred {
    let args = Args(inputs);
    let same = || args.need(0).map(|a| vec![(a.shape.to_vec(), a.dtype)]);
    match op {
        // Element by element, one input.
        "Abs"
        | "Neg"
        | "Exp"
        | "Log"
        | "Sqrt"
        | "Reciprocal"
        | "Relu"
        | "LeakyRelu"
        | "Elu"
        | "Sigmoid"
        | "Tanh"
        | "Softplus"
        | "HardSigmoid"
        | "HardSwish"
        | "Erf"
        | "Clip"
        | "Softmax"
        | "LogSoftmax"
        | "Identity"
        | "Floor"
        | "Ceil"
        | "Round"
        | "Sign"
        | "Sin"
        | "Cos"
        | "Not"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "LayerNormalization" => same(),
        "Cast" => {
            let to = attrs.get_int("to", 0);
            let dtype = crate::write::dtype_of(to).ok_or_else(|| format!("no rule for element type {to}"))?;
            Ok(vec![(args.need(0)?.shape.to_vec(), dtype)])
        }

        // Element by element with broadcasting.
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "PRelu" | "Mod" => {
            let a = args.need(0)?;
            Ok(vec![(broadcast(&[a.shape, args.need(1)?.shape])?, a.dtype)])
        }
        "Min" | "Max" | "Sum" | "Mean" => {
            let shapes: Vec<&[usize]> = inputs.iter().flatten().map(|a| a.shape).collect();
            Ok(vec![(broadcast(&shapes)?, args.need(0)?.dtype)])
        }
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" => {
            Ok(vec![(broadcast(&[args.need(0)?.shape, args.need(1)?.shape])?, DType::Bool)])
        }
        "Where" => {
            let (c, a, b) = (args.need(0)?, args.need(1)?, args.need(2)?);
            Ok(vec![(broadcast(&[c.shape, a.shape, b.shape])?, a.dtype)])
        }

        // Reductions.
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSumExp" => {
            let x = args.need(0)?;
            let axes = axes(args.ints(1)?, x.shape.len())?;
            let axes = if axes.is_empty() && attrs.get_int("noop_with_empty_axes", 0) == 0 {
                (0..x.shape.len()).collect()
            } else {
                axes
            };
            let keep = attrs.get_int("keepdims", 1) != 0;
            let dims = x.shape.iter().enumerate();
            let dims = dims.filter(|(i, _)| keep || !axes.contains(i));
            Ok(vec![(dims.map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect(), x.dtype)])
        }

        // Linear.
        "MatMul" => {
            let (a, b) = (args.need(0)?, args.need(1)?);
            Ok(vec![(matmul(a.shape, b.shape)?, a.dtype)])
        }
        "Gemm" => {
            let (a, b) = (args.need(0)?, args.need(1)?);
            let dims = |s: &[usize], t: &str| match (s, attrs.get_int(t, 0)) {
                ([m, n], 0) => Ok((*m, *n)),
                ([m, n], _) => Ok((*n, *m)),
                _ => Err("both sides must be matrices".to_string()),
            };
            let ((m, k), (k2, n)) = (dims(a.shape, "transA")?, dims(b.shape, "transB")?);
            if k != k2 {
                return Err(format!("inner sizes {k} and {k2} differ"));
            }
            if let Some(c) = args.get(2) {
                if broadcast(&[c.shape, &[m, n]])? != [m, n] {
                    return Err(format!("bias of shape {:?} does not fit [{m}, {n}]", c.shape));
                }
            }
            Ok(vec![(vec![m, n], a.dtype)])
        }
        "Conv" | "ConvTranspose" | "MaxPool" | "AveragePool" | "GlobalAveragePool" => {
            conv::infer(op, attrs, &args)
        }
        "Resize" | "DepthToSpace" | "SpaceToDepth" | "Upsample" => resample::infer(op, attrs, &args),
        _ => layout::infer(op, attrs, &args, outputs),
    }
}

/// The shape that all `shapes` broadcast to, numpy's way.
pub(crate) fn broadcast(shapes: &[&[usize]]) -> Result<Vec<usize>, String> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let mut out = vec![1; rank];
    for shape in shapes {
        for (o, &d) in out[rank - shape.len()..].iter_mut().zip(*shape) {
            match (*o, d) {
                (1, _) => *o = d,
                (_, 1) => {}
                (a, b) if a == b => {}
                _ => return Err("the shapes do not broadcast".into()),
            }
        }
    }
    Ok(out)
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

/// An axis in `0..rank`; negative ones count from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let a = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(a)
        .ok()
        .filter(|&a| a < rank.max(1))
        .ok_or_else(|| format!("axis {axis} is not in rank {rank}"))
}

pub(crate) fn axes(given: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, String> {
    given.unwrap_or_default().into_iter().map(|a| axis(a, rank)).collect()
}
