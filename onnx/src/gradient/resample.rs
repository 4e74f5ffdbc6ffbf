//! Resize, DepthToSpace, SpaceToDepth.

use super::{Grads, Site};
use crate::{Attrs, Expr, Result};

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = s.input(0) else { return Ok(None) };
    Ok(match s.op() {
        "Resize" => Some(s.one(resize(s, x)?)),
        "DepthToSpace" => Some(s.one(rearrange(s, x, true))),
        "SpaceToDepth" => Some(s.one(rearrange(s, x, false))),
        _ => None,
    })
}

/// Depth and space trade places back: a reshape, a transpose, a reshape.
fn rearrange<'g>(s: &Site<'_, 'g>, x: Expr<'g>, to_space: bool) -> Expr<'g> {
    let block = s.attrs().get_int("blocksize", 1) as usize;
    let g = s.g();
    if !to_space {
        // SpaceToDepth is the inverse of DepthToSpace in DCR mode.
        let attrs = Attrs::new().int("blocksize", block as i64).str("mode", "DCR");
        return s.builder.op1("DepthToSpace", &[g], attrs);
    }
    let shape = x.shape();
    let (n, c, h, w) = (shape[0], shape[1] / (block * block), shape[2], shape[3]);
    let six = g.reshape(&[n, c, h, block, w, block]);
    let perm: &[usize] = match s.attrs().get_str("mode", "DCR") {
        "CRD" => &[0, 1, 3, 5, 2, 4], // channels, then rows and columns of the block
        _ => &[0, 3, 5, 1, 2, 4],     // rows and columns of the block, then channels
    };
    six.transpose(perm).reshape(&shape)
}

/// Resize is linear and separable: y = A·x along each axis, so dx = Aᵀ·g.
fn resize<'g>(s: &Site<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let (from, to) = (x.shape(), s.y().shape());
    let scales = s.input(2).and_then(|e| e.constant()).map(|t| t.to_f64()).filter(|v| v.len() == from.len());
    let mut g = s.g();
    for axis in (0..from.len()).rev() {
        let (n, m) = (from[axis], to[axis]);
        if n == m {
            continue;
        }
        // Sizes given: the scale is their ratio.
        let scale = scales.as_ref().map_or(m as f64 / n as f64, |v| v[axis]);
        let matrix = interpolation(s, n, m, scale)?;
        let shape = g.shape();
        let (before, after) =
            (shape[..axis].iter().product::<usize>(), shape[axis + 1..].iter().product::<usize>());
        // Aᵀ [n, m] · g [before, m, after]
        let transposed: Vec<f32> =
            (0..n).flat_map(|i| (0..m).map(move |o| (i, o))).map(|(i, o)| matrix[o * n + i]).collect();
        let product = if after == 1 {
            g.reshape(&[before, m]).matmul(s.builder.values(&[m, n], &matrix))
        } else {
            s.builder.values(&[n, m], &transposed).matmul(g.reshape(&[before, m, after]))
        };
        let mut next = shape;
        next[axis] = n;
        g = product.reshape(&next);
    }
    Ok(g)
}

/// Row o holds the weights with which output o reads the n inputs.
fn interpolation(s: &Site<'_, '_>, n: usize, m: usize, scale: f64) -> Result<Vec<f32>> {
    let attrs = s.attrs();
    let mode = attrs.get_str("mode", "nearest");
    let place = attrs.get_str("coordinate_transformation_mode", "half_pixel");
    let rounding = attrs.get_str("nearest_mode", "round_prefer_floor");
    if attrs.get_int("antialias", 0) != 0 {
        return Err(s.refuse("antialias has no rule"));
    }
    let mut matrix = vec![0.0; m * n];
    for o in 0..m {
        let x = match place {
            "half_pixel" => (o as f64 + 0.5) / scale - 0.5,
            "pytorch_half_pixel" if m == 1 => 0.0,
            "pytorch_half_pixel" => (o as f64 + 0.5) / scale - 0.5,
            "asymmetric" => o as f64 / scale,
            "align_corners" if m == 1 => 0.0,
            "align_corners" => o as f64 * (n - 1) as f64 / (m - 1) as f64,
            other => return Err(s.refuse(&format!("the coordinates `{other}` have no rule"))),
        };
        let clamp = |v: f64| v.clamp(0.0, (n - 1) as f64) as usize;
        match mode {
            "nearest" => {
                let i = match rounding {
                    "round_prefer_floor" => (x - 0.5).ceil(),
                    "round_prefer_ceil" => (x + 0.5).floor(),
                    "floor" => x.floor(),
                    "ceil" => x.ceil(),
                    other => return Err(s.refuse(&format!("the rounding `{other}` has no rule"))),
                };
                matrix[o * n + clamp(i)] += 1.0;
            }
            "linear" => {
                let x = x.clamp(0.0, (n - 1) as f64);
                let (low, t) = (x.floor(), (x - x.floor()) as f32);
                matrix[o * n + clamp(low)] += 1.0 - t;
                matrix[o * n + clamp(low + 1.0)] += t;
            }
            other => return Err(s.refuse(&format!("the mode `{other}` has no rule"))),
        }
    }
    Ok(matrix)
}
