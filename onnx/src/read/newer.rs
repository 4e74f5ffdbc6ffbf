//! Builds nodes of opsets 19 and later, and forms that opset 18 does not have, from nodes of opset 18.

use super::OldNode;
use crate::graph::Attrs;
use crate::ops::Geometry;
use crate::{Builder, DType, Error, Expr, Result, Tensor};

/// The outputs of the node, if it has no equivalent single node in opset 18.
pub(super) fn decompose<'g>(b: &'g Builder, node: &OldNode<'g>) -> Result<Option<Vec<Expr<'g>>>> {
    let Some(x) = node.inputs.first().copied().flatten() else { return Ok(None) };
    let other = |i: usize| node.inputs.get(i).copied().flatten();
    Ok(match node.op.as_str() {
        "CastLike" => {
            let like = other(1).ok_or_else(|| Error::Model("CastLike: input 1 is missing".into()))?;
            Some(vec![cast(x, like.dtype())])
        }
        "Size" => Tensor::ints(&[x.size() as i64]).reshaped(&[]).map(|t| vec![b.constant(t)]),
        "OneHot" => match (other(1), other(2)) {
            (Some(depth), Some(values)) => Some(vec![one_hot(b, x, depth, values, &node.attrs)?]),
            _ => return Err(Error::Model("OneHot: an input is missing".into())),
        },
        "Split" => split_constant(x, other(1), node)?,
        "EyeLike" => Some(vec![eye(b, x, &node.attrs)?]),

        "AveragePool" if node.opset >= 19 => average_pool(b, x, &node.attrs)?.map(|y| vec![y]),
        _ => None,
    })
}

/// Maximum depth of OneHot, whose indices become a constant.
const MAX_DEPTH: f64 = (1 << 20) as f64;

/// `values[1]` where the new axis has the index, `values[0]` elsewhere.
fn one_hot<'g>(
    b: &'g Builder,
    indices: Expr<'g>,
    depth: Expr<'g>,
    values: Expr<'g>,
    attrs: &Attrs,
) -> Result<Expr<'g>> {
    let known = depth.known().and_then(|t| t.to_f64().first().copied());
    let depth = known.filter(|d| (0.0..1e9).contains(d)).ok_or_else(|| {
        Error::Unsupported("OneHot with a depth that is not constant; give it as a constant".into())
    })?;
    if depth > MAX_DEPTH {
        return Err(Error::Limits(format!(
            "OneHot with a depth of {depth}; at most {MAX_DEPTH} are supported"
        )));
    }
    let mut shape = indices.shape();
    let rank = shape.len() + 1;
    let at = crate::ops::axis(attrs.get_int("axis", -1), rank);
    let at = at.map_err(|e| Error::Model(format!("OneHot: {e}")))?;
    shape.insert(at, 1);
    // Negative indices count from the end.
    let indices = cast(indices, DType::I64).reshape(&shape);
    let int = |v: i64| b.constant(Tensor::ints(&[v]).reshaped(&[]).unwrap_or_else(|| Tensor::ints(&[v])));
    let wrapped = int(0).greater(indices).select(indices + int(depth as i64), indices);
    let mut along = vec![1; rank];
    along[at] = depth as usize;
    let places = b.constant(Tensor::ints(&(0..depth as i64).collect::<Vec<_>>())).reshape(&along);
    let value = |i: i64| values.slice(&[0], &[i], &[i + 1], &[1]).reshape(&[]);
    Ok(wrapped.binary("Equal", places).select(value(1), value(0)))
}

/// Split of integers that are known, such as a shape: as slices, which are folded.
fn split_constant<'g>(
    x: Expr<'g>,
    sizes: Option<Expr<'g>>,
    node: &OldNode<'g>,
) -> Result<Option<Vec<Expr<'g>>>> {
    if x.dtype().is_float() || x.known().is_none() || x.shape().len() != 1 {
        return Ok(None);
    }
    let total = x.size();
    let given = sizes.and_then(|e| e.known()).map(|t| t.to_f64().into_iter().map(|v| v as usize).collect());
    let attribute = || node.attrs.get_ints("split").map(|s| s.iter().map(|&v| v as usize).collect());
    let equal = || {
        let piece = total.div_ceil(node.outputs.max(1));
        (0..node.outputs).map(|i| piece.min(total.saturating_sub(i * piece))).collect()
    };
    let sizes: Vec<usize> = given.or_else(attribute).unwrap_or_else(equal);
    let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    Ok((sum == Some(total) && sizes.len() >= node.outputs).then(|| x.split(0, &sizes)))
}

/// Ones on the `k`-th diagonal of a matrix.
fn eye<'g>(b: &'g Builder, x: Expr<'g>, attrs: &Attrs) -> Result<Expr<'g>> {
    let [rows, columns] = x.shape()[..] else {
        return Err(Error::Model(format!("EyeLike: the input {:?} is not a matrix", x.shape())));
    };
    let code = attrs.get_int("dtype", x.dtype().onnx_code());
    let dtype = DType::from_onnx_code(code)
        .ok_or_else(|| Error::Unsupported(format!("EyeLike with the element type {code}")))?;
    if rows.saturating_mul(columns) > 1 << 24 {
        return Err(Error::Limits(format!("EyeLike of shape {:?}", x.shape())));
    }
    let k = attrs.get_int("k", 0);
    let one = |at: usize| f64::from((at % columns) as i64 - (at / columns) as i64 == k);
    let values: Vec<f64> = (0..rows * columns).map(one).collect();
    let tensor = Tensor::from_f64(&[rows, columns], &values, dtype);
    Ok(tensor.map_or(x, |tensor| b.constant(tensor)))
}

fn cast(e: Expr<'_>, to: DType) -> Expr<'_> {
    e.builder().op1("Cast", &[e], Attrs::new().int("to", to.onnx_code()))
}

/// AveragePool of opset 19: dilations, and `count_include_pad` that does not count what a window covers beyond
/// the padding. Returns `None` if opset 18 computes the same.
fn average_pool<'g>(b: &'g Builder, x: Expr<'g>, attrs: &Attrs) -> Result<Option<Expr<'g>>> {
    let bad = |e: String| Error::Model(format!("AveragePool: {e}"));
    let shape = x.shape();
    let kernel: Vec<usize> =
        attrs.get_ints("kernel_shape").unwrap_or_default().iter().map(|&k| k.max(0) as usize).collect();
    if shape.len() < 3 || kernel.len() != shape.len() - 2 {
        return Ok(None); // the shape rule reports it
    }
    let size = &shape[2..];
    let d = size.len();
    let geometry = Geometry::new(attrs, &kernel, size).map_err(bad)?;
    let windows = geometry.windows(size, attrs.get_int("ceil_mode", 0) != 0).map_err(bad)?;
    let include = attrs.get_int("count_include_pad", 0) != 0;
    let end = |i: usize| (windows[i] as i64 - 1) * geometry.strides[i] + geometry.extent(i);
    let beyond = |i: usize| (end(i) - size[i] as i64 - geometry.pads[i] - geometry.pads[d + i]).max(0);
    let is_dilated = geometry.dilations.iter().any(|&d| d != 1);
    if !(is_dilated || include && (0..d).any(|i| beyond(i) > 0)) {
        return Ok(None);
    }
    // The sums of the windows, by a convolution with ones on the padded input.
    let before: Vec<i64> = [0, 0].into_iter().chain(geometry.pads[..d].iter().copied()).collect();
    let after = (0..d).map(|i| (end(i) - size[i] as i64 - geometry.pads[i]).max(0));
    let after: Vec<i64> = [0, 0].into_iter().chain(after).collect();
    let flat = [&[shape[0] * shape[1], 1], size].concat();
    let padded = x.reshape(&flat).pad(&before, &after);
    let ones = [&[1, 1], &kernel[..]].concat();
    let ones = b.values(&ones, &vec![1.0; kernel.iter().product()]);
    let ones = cast(ones, x.dtype());
    let conv = Attrs::new().ints("strides", &geometry.strides).ints("dilations", &geometry.dilations);
    let sums = b.op1("Conv", &[padded, ones], conv);
    // The number of elements that each window averages is a product over the axes.
    let mut y = sums;
    for i in 0..d {
        let (low, high) = match include {
            true => (-geometry.pads[i], size[i] as i64 + geometry.pads[d + i]),
            false => (0, size[i] as i64),
        };
        let count = |w: usize| {
            let start = w as i64 * geometry.strides[i] - geometry.pads[i];
            let taps = (0..geometry.kernel[i]).map(|k| start + k * geometry.dilations[i]);
            taps.filter(|at| (low..high).contains(at)).count().max(1) as f32
        };
        let mut along = vec![1; d + 2];
        along[2 + i] = windows[i];
        let share: Vec<f32> = (0..windows[i]).map(|w| 1.0 / count(w)).collect();
        let share = b.values(&along, &share);
        y = y * cast(share, x.dtype());
    }
    Ok(Some(y.reshape(&[&shape[..2], &windows[..]].concat())))
}
