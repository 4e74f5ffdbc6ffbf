//! Resize, DepthToSpace and SpaceToDepth.

use super::context::{Grads, MAX_CONSTANT, VjpContext};
use crate::ops::{ResizedAxis, Row};
use crate::{Attrs, Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    Ok(match ctx.op() {
        "Resize" => Some(ctx.single(resize(ctx, x)?)),
        "DepthToSpace" => Some(ctx.single(rearrange(ctx, x, true))),
        "SpaceToDepth" => Some(ctx.single(rearrange(ctx, x, false))),
        _ => None,
    })
}

/// The inverse rearrangement between channels and space: reshape, transpose, reshape.
fn rearrange<'g>(ctx: &VjpContext<'_, 'g>, x: Expr<'g>, to_space: bool) -> Expr<'g> {
    let block = ctx.attrs().get_int("blocksize", 1) as usize;
    let g = ctx.g();
    if !to_space {
        // SpaceToDepth is the inverse of DepthToSpace in DCR mode.
        let attrs = Attrs::new().int("blocksize", block as i64).str("mode", "DCR");
        return ctx.builder.op1("DepthToSpace", &[g], attrs);
    }
    let shape = x.shape();
    let (n, c, h, w) = (shape[0], shape[1] / (block * block), shape[2], shape[3]);
    let six = g.reshape(&[n, c, h, block, w, block]);
    let perm: &[usize] = match ctx.attrs().get_str("mode", "DCR") {
        "CRD" => &[0, 1, 3, 5, 2, 4], // channels, then rows and columns of the block
        _ => &[0, 3, 5, 1, 2, 4],     // rows and columns of the block, then channels
    };
    six.transpose(perm).reshape(&shape)
}

/// Resize is linear and separable: y = A·x along each axis, so dx = Aᵀ·g.
fn resize<'g>(ctx: &VjpContext<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let (from, to) = (x.shape(), ctx.y().shape());
    let scales = ctx.input(2).and_then(|e| e.known()).map(|t| t.to_f64()).filter(|v| v.len() == from.len());
    let region = region(ctx, from.len())?;
    // Axes on which every element is repeated equally often are summed over the copies, all at once.
    let (mut split_shape, mut copies, mut g) = (vec![], vec![], ctx.g());
    let mut interpolated = vec![];
    for axis in 0..from.len() {
        let (n, m) = (from[axis], to[axis]);
        // If sizes are given, the scale is their ratio.
        let scale = scales.as_ref().map_or(m as f32 / n as f32, |v| v[axis] as f32);
        split_shape.push(n);
        if n == m && scale == 1.0 && region[axis] == (0.0, 1.0) {
            continue;
        }
        ctx.limit("sizes", &[n as i64, m as i64], MAX_CONSTANT as i64)?;
        let weights = ResizedAxis { n, m, scale, region: region[axis] }.rows(ctx.attrs());
        let weights = weights.map_err(|why| ctx.unsupported(&why))?;
        let repeated = |(o, row): (usize, &Row)| {
            !row.is_empty() && row.iter().all(|&(i, w)| (i == o * n / m) == (w != 0.0))
        };
        if m % n == 0 && weights.iter().enumerate().all(repeated) {
            copies.push(split_shape.len());
            split_shape.push(m / n);
        } else {
            split_shape[axis + copies.len()] = m;
            interpolated.push((axis, weights));
        }
    }
    if !copies.is_empty() {
        g = g.reshape(&split_shape).sum(&copies, false);
    }
    for (axis, weights) in interpolated.into_iter().rev() {
        let (n, m, mut shape) = (from[axis], to[axis], g.shape());
        let (before, after): (usize, usize) =
            (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        shape[axis] = n;
        // g [before, m] · A, or Aᵀ [n, m] · g [before, m, after]
        let mut matrix = vec![0.0; n * m];
        for (o, row) in weights.iter().enumerate() {
            row.iter().for_each(|&(i, w)| matrix[if after == 1 { o * n + i } else { i * m + o }] += w);
        }
        let product = match after {
            1 => g.reshape(&[before, m]).matmul(ctx.values(&[m, n], &matrix)),
            _ => ctx.values(&[n, m], &matrix).matmul(g.reshape(&[before, m, after])),
        };
        g = product.reshape(&shape);
    }
    Ok(g)
}

/// The part of each axis that `tf_crop_and_resize` reads; the whole axis for other coordinates.
fn region(ctx: &VjpContext<'_, '_>, rank: usize) -> Result<Vec<(f32, f32)>> {
    let transform = ctx.attrs().get_str("coordinate_transformation_mode", "half_pixel");
    if transform != "tf_crop_and_resize" {
        return Ok(vec![(0.0, 1.0); rank]);
    }
    let roi = ctx.input(1).and_then(|e| e.constant()).map(|t| t.to_f64()).filter(|v| v.len() == 2 * rank);
    let roi = roi.ok_or_else(|| ctx.unsupported("its region of interest is not constant"))?;
    Ok((0..rank).map(|i| (roi[i] as f32, roi[rank + i] as f32)).collect())
}
