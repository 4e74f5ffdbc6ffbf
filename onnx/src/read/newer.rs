//! Builds nodes of opsets 19 and later, and forms that opset 18 does not have, from nodes of opset 18.

use super::OldNode;
use crate::graph::Attrs;
use crate::ops::Geometry;
use crate::{Builder, Error, Expr, Result};

/// The outputs of the node, if it has no equivalent single node in opset 18.
pub(super) fn decompose<'g>(b: &'g Builder, node: &OldNode<'g>) -> Result<Option<Vec<Expr<'g>>>> {
    let Some(x) = node.inputs.first().copied().flatten() else { return Ok(None) };
    Ok(match node.op.as_str() {
        "AveragePool" if node.opset >= 19 => average_pool(b, x, &node.attrs)?.map(|y| vec![y]),
        _ => None,
    })
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
    if !is_dilated && !(include && (0..d).any(|i| beyond(i) > 0)) {
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
    let ones = b.op1("Cast", &[ones], Attrs::new().int("to", x.dtype().onnx_code()));
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
        y = y * b.op1("Cast", &[share], Attrs::new().int("to", x.dtype().onnx_code()));
    }
    Ok(Some(y.reshape(&[&shape[..2], &windows[..]].concat())))
}
