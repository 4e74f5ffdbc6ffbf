//! Resize with coordinates or sizes that opset 18 does not compute: a matrix product along each axis.

use super::Node;
use crate::ops::{ResizedAxis, axis};
use crate::{Error, Expr, Result};

/// Largest matrix, in elements.
const MAX_MATRIX: usize = 1 << 24;

/// `None` if opset 18 has the form.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Option<Expr<'g>>> {
    let policy = node.attrs.get_str("keep_aspect_ratio_policy", "stretch");
    let transform = node.attrs.get_str("coordinate_transformation_mode", "half_pixel");
    let x = node.x(0)?;
    if policy == "stretch" && !matches!(transform, "half_pixel_symmetric" | "align_corners") {
        return Ok(None);
    }
    // Before opset 11 there are no such coordinates, and the inputs differ.
    if policy == "stretch"
        && (node.opset < 11 || node.get(2).or(node.get(3)).and_then(|e| e.known()).is_none())
    {
        return Ok(None);
    }
    let axes = resized_axes(node, &x.shape(), policy)?;
    // ONNX Runtime aligns the corners of the rounded size; the definition, those of scale · n.
    if policy == "stretch" && transform == "align_corners" && !axes.iter().any(ResizedAxis::is_rounded) {
        return Ok(None);
    }
    let mut y = x;
    for (i, axis) in axes.iter().enumerate().filter(|(_, a)| a.n != a.m || a.scale != 1.0) {
        if axis.n == 0 || axis.n.checked_mul(axis.m).is_none_or(|size| size > MAX_MATRIX) {
            return Err(node.unsupported(&format!("{} elements resized to {}", axis.n, axis.m)));
        }
        let rows = axis.rows(node.attrs).map_err(Error::Unsupported)?;
        let mut matrix = vec![0.0; axis.n * axis.m];
        for (o, row) in rows.iter().enumerate() {
            row.iter().for_each(|&(j, w)| matrix[o * axis.n + j] += w);
        }
        // A [m, n] · x [before, n, after]
        let mut shape = y.shape();
        let (before, after): (usize, usize) = (shape[..i].iter().product(), shape[i + 1..].iter().product());
        let matrix = node.builder.values(&[axis.m, axis.n], &matrix).cast(x.dtype());
        shape[i] = axis.m;
        y = matrix.matmul(y.reshape(&[before, axis.n, after])).reshape(&shape);
    }
    Ok(Some(y))
}

/// Every axis of `shape`. `not_larger` and `not_smaller` apply one scale to all axes that have a size.
fn resized_axes(node: &Node<'_, '_>, shape: &[usize], policy: &str) -> Result<Vec<ResizedAxis>> {
    let rank = shape.len();
    let chosen = match node.attrs.get_ints("axes") {
        Some(axes) => axes.iter().map(|&a| axis(a, rank)).collect::<std::result::Result<_, _>>(),
        None => Ok((0..rank).collect::<Vec<_>>()),
    };
    let chosen = chosen.map_err(Error::Model)?;
    let numbers = |i: usize| {
        let given = node.get(i).and_then(|e| e.known()).map(|t| t.to_f64());
        given.filter(|v| v.len() == chosen.len() && v.iter().all(|&v| v > 0.0))
    };
    let mut all: Vec<_> =
        shape.iter().map(|&n| ResizedAxis { n, m: n, scale: 1.0, region: (0.0, 1.0) }).collect();
    let sized = numbers(3);
    let given = sized.clone().or_else(|| numbers(2));
    let given = given.ok_or_else(|| node.unsupported("scales or sizes that are not constant"))?;
    let ratios = chosen.iter().zip(&given).map(|(&i, &v)| v as f32 / shape[i].max(1) as f32);
    let shared = match policy {
        _ if sized.is_none() => None,
        "not_larger" => ratios.reduce(f32::min),
        "not_smaller" => ratios.reduce(f32::max),
        _ => None,
    };
    for (&i, value) in chosen.iter().zip(given) {
        let (n, value) = (shape[i] as f32, value as f32);
        (all[i].m, all[i].scale) = match (shared, &sized) {
            (Some(scale), _) => ((scale * n + 0.5).floor() as usize, scale),
            (None, Some(_)) => (value as usize, value / n),
            (None, None) => ((n * value) as usize, value),
        };
    }
    Ok(all)
}
