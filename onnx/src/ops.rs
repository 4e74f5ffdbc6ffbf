//! Shape and type inference: one table of rules, in sections.

mod conv;
mod layout;
mod resample;

pub(crate) use conv::{Geometry, taps};
pub(crate) use layout::{permutation, reshape_target, slice_ranges};

use crate::graph::Attrs;
use crate::{DType, Tensor};

/// An input, as a shape rule sees it.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a> {
    pub shape: &'a [usize],
    pub dtype: DType,
    pub constant: Option<&'a Tensor>,
}

/// Shape and type of one output.
pub(crate) type Typed = (Vec<usize>, DType);

/// The outputs of a node, or why it is ill-formed. A reason that begins with `no rule` means that the op is
/// valid but unsupported.
pub(crate) type Inferred = std::result::Result<Vec<Typed>, String>;

/// The inputs of a node, with checked access.
pub(crate) struct Args<'a>(pub &'a [Option<Arg<'a>>]);

impl<'a> Args<'a> {
    pub fn get(&self, i: usize) -> Option<Arg<'a>> {
        self.0.get(i).copied().flatten()
    }

    pub fn present(&self) -> impl Iterator<Item = Arg<'a>> {
        self.0.iter().copied().flatten()
    }

    pub fn need(&self, i: usize) -> Result<Arg<'a>, String> {
        self.get(i).ok_or_else(|| format!("input {i} is missing"))
    }

    /// The integers of the constant input `i`: axes, shapes, pads.
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

/// Infers shape and type of the `outputs` outputs of `op`.
pub(crate) fn infer(op: &str, attrs: &Attrs, inputs: &[Option<Arg<'_>>], outputs: usize) -> Inferred {
    let args = Args(inputs);
    let same = || args.need(0).map(|a| vec![(a.shape.to_vec(), a.dtype)]);
    match op {
        // Element-wise, one input.
        "Abs" | "Ceil" | "Clip" | "Cos" | "Elu" | "Erf" | "Exp" | "Floor" | "HardSigmoid" | "HardSwish"
        | "Identity" | "LeakyRelu" | "Log" | "Neg" | "Not" | "Reciprocal" | "Relu" | "Round" | "Selu"
        | "Sigmoid" | "Sign" | "Sin" | "Softplus" | "Sqrt" | "Tanh" => same(),
        "Softmax" | "LogSoftmax" => {
            axis(attrs.get_int("axis", -1), args.need(0)?.shape.len())?;
            same()
        }
        "Cast" => {
            let to = attrs.get_int("to", 0);
            let dtype = crate::write::dtype_of(to).ok_or_else(|| format!("no rule for element type {to}"))?;
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
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" => {
            Ok(vec![(broadcast(&[args.need(0)?.shape, args.need(1)?.shape])?, DType::Bool)])
        }
        "Where" => {
            let (c, a, b) = (args.need(0)?, args.need(1)?, args.need(2)?);
            Ok(vec![(broadcast(&[c.shape, a.shape, b.shape])?, a.dtype)])
        }

        // Reductions.
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => {
            let x = args.need(0)?;
            let axes = reduced_axes(args.ints(1)?, attrs, x.shape.len())?;
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
        "BatchNormalization" | "InstanceNormalization" | "LayerNormalization" => {
            normalization(op, attrs, &args)
        }
        "Conv" | "ConvTranspose" | "MaxPool" | "AveragePool" | "GlobalAveragePool" => {
            conv::infer(op, attrs, &args, outputs)
        }
        "Resize" | "DepthToSpace" | "SpaceToDepth" => resample::infer(op, attrs, &args),
        _ => layout::infer(op, attrs, &args, outputs),
    }
}

/// The shape that all `shapes` broadcast to, by NumPy's rules.
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

/// Normalization keeps the shape. Its parameters must fit the channels, or the normalized axes.
fn normalization(op: &str, attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    if op == "LayerNormalization" {
        let first = axis(attrs.get_int("axis", -1), x.shape.len())?;
        let normalized = &x.shape[first..];
        for p in args.present().skip(1) {
            if broadcast(&[p.shape, normalized])? != normalized {
                return Err(format!("a parameter of shape {:?} does not fit {normalized:?}", p.shape));
            }
        }
        args.need(1)?;
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
    Ok(vec![(x.shape.to_vec(), x.dtype)])
}

/// Resolves an axis to `0..rank`; negative axes count from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let a = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(a).ok().filter(|&a| a < rank).ok_or_else(|| format!("axis {axis} is out of range for rank {rank}"))
}

/// Resolves axes to `0..rank`; each may occur once.
pub(crate) fn axes(given: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, String> {
    let given = given.unwrap_or_default();
    let axes = given.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    if axes.iter().enumerate().any(|(i, a)| axes[..i].contains(a)) {
        return Err(format!("the axes {given:?} contain a duplicate"));
    }
    Ok(axes)
}

/// The axes of a reduction; no axes means all.
pub(crate) fn reduced_axes(
    given: Option<Vec<i64>>,
    attrs: &Attrs,
    rank: usize,
) -> Result<Vec<usize>, String> {
    let axes = axes(given, rank)?;
    match (axes.is_empty(), attrs.get_int("noop_with_empty_axes", 0)) {
        (true, 0) => Ok((0..rank).collect()),
        (true, _) => Err("no rule for a reduction over nothing; leave the op out".into()),
        _ => Ok(axes),
    }
}
