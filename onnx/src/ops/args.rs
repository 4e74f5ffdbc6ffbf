//! The inputs of shape rules, and what the rules share: axes and broadcasting.

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

/// Resolves an axis to `0..rank`; negative axes count from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let a = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(a)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is out of range for rank {rank}"))
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
