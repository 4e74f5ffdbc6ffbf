//! Ops that rearrange elements: the rule applies the inverse rearrangement.

use super::context::{Grads, MAX_CONSTANT, VjpContext, unbroadcast};
use super::index;
use crate::graph::Attrs;
use crate::ops::{Arg, Args, axis, permutation, slice_ranges};
use crate::{Error, Expr, Result, Tensor};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    let (g, shape) = (ctx.g(), x.shape());
    Ok(Some(match ctx.op() {
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => ctx.single(g.reshape(&shape)),
        "Transpose" => {
            let mut inverse = vec![0; shape.len()];
            permutation(ctx.attrs(), shape.len()).iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
            ctx.single(g.transpose(&inverse))
        }
        "Concat" => {
            let along = axis(ctx.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
            let mut start = 0;
            let piece = |i: usize| {
                let end = start + ctx.x(i).dim(along) as i64;
                let piece = ctx.needs_grad(i).then(|| g.slice(&[along], &[start], &[end], &[1]));
                start = end;
                piece
            };
            (0..ctx.node.inputs.len()).map(piece).collect()
        }
        "Split" => {
            let along = axis(ctx.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
            // Pieces without a gradient count as zeros.
            let piece = |(i, g): (usize, &Option<Expr<'g>>)| {
                let shape = ctx.builder.expr(ctx.node.outputs[i]).shape();
                g.unwrap_or_else(|| ctx.scalar(0.0).expand(&shape))
            };
            let pieces: Vec<_> = ctx.g.iter().enumerate().map(piece).collect();
            ctx.single(ctx.builder.concat(&pieces, along))
        }
        "Slice" => ctx.single(slice(ctx, g)?),
        "Expand" => ctx.single(unbroadcast(g, &shape)),
        "Tile" => ctx.single(tile(ctx, g)?),
        "Pad" => vec![Some(pad(ctx, g)?), None, fill_value(ctx, g)],
        "Gather" => ctx.single(gather(ctx, g)?),
        _ => return Ok(None),
    }))
}

/// Slice: the gradient goes back to the positions that were read; the rest is zero.
fn slice<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let x = ctx.x(0).shape();
    let constants: Vec<Option<Tensor>> =
        (0..ctx.node.inputs.len()).map(|i| ctx.input(i)?.constant()).collect();
    let mut args: Vec<Option<Arg<'_>>> = constants
        .iter()
        .map(|t| t.as_ref().map(|t| Arg { shape: t.shape(), dtype: t.dtype(), constant: Some(t) }))
        .collect();
    args[0] = Some(Arg { shape: &x, dtype: crate::DType::F32, constant: None });
    let (mut out, mut before, mut after) = (g, vec![0; x.len()], vec![0; x.len()]);
    for (i, r) in slice_ranges(&Args(&args)).map_err(Error::Model)? {
        if r.count == 0 {
            return Ok(ctx.scalar(0.0).expand(&x));
        }
        // A negative step reads backwards: flip, then proceed as for a positive step.
        let (first, step) = if r.step < 0 {
            out = flip(out, &[i]);
            (r.start + (r.count as i64 - 1) * r.step, -r.step)
        } else {
            (r.start, r.step)
        };
        out = dilate(out, i, step);
        before[i] = first;
        after[i] = x[i] as i64 - first - out.dim(i) as i64;
    }
    Ok(out.pad(&before, &after))
}

/// Reverses axes.
pub(super) fn flip<'g>(e: Expr<'g>, axes: &[usize]) -> Expr<'g> {
    let n = axes.len();
    if n == 0 { e } else { e.slice(axes, &vec![-1; n], &vec![i64::MIN; n], &vec![-1; n]) }
}

/// Inserts `step − 1` zeros after each element of an axis.
pub(super) fn dilate<'g>(e: Expr<'g>, axis: usize, step: i64) -> Expr<'g> {
    if step == 1 || e.dim(axis) == 1 {
        return e;
    }
    let mut flat = e.shape();
    let mut wide = flat.clone();
    wide.insert(axis + 1, 1);
    let mut after = vec![0; wide.len()];
    after[axis + 1] = step - 1;
    flat[axis] *= step as usize;
    e.reshape(&wide).pad(&vec![0; wide.len()], &after).reshape(&flat)
}

/// Tile: sums over the copies.
fn tile<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = ctx.x(0).shape();
    let repeats = ctx.ints(1).ok_or_else(|| ctx.unsupported("its repeats are not constant"))?;
    // [r₀, d₀, r₁, d₁, …] with the rᵢ > 1 only, summed over every r.
    let (mut split, mut copies) = (vec![], vec![]);
    for (&r, &d) in repeats.iter().zip(&shape) {
        if r != 1 {
            copies.push(split.len());
            split.push(r as usize);
        }
        split.push(d);
    }
    Ok(g.reshape(&split).sum(&copies, false))
}

/// Pad: constant mode crops the border; reflect and edge add it to the elements that were repeated.
fn pad<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = ctx.x(0).shape();
    let rank = shape.len();
    let pads = ctx.ints(1).ok_or_else(|| ctx.unsupported("its pads are not constant"))?;
    let mode = ctx.attrs().get_str("mode", "constant").to_string();
    if mode == "constant" {
        let back: Vec<i64> = pads.iter().map(|&p| -p).collect();
        return Ok(g.pad(&back[..rank], &back[rank..]));
    }
    let mut out = g;
    for i in (0..rank).filter(|&i| pads[i] != 0 || pads[rank + i] != 0) {
        let (n, p, q) = (shape[i] as i64, pads[i], pads[rank + i]);
        let part = |from: i64, to: i64| out.slice(&[i], &[from], &[to], &[1]);
        let placed = |e: Expr<'g>, at: i64| {
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            (before[i], after[i]) = (at, n - at - e.dim(i) as i64);
            e.pad(&before, &after)
        };
        let mut sum = part(p, p + n);
        let (head, tail) = ((p > 0).then(|| part(0, p)), (q > 0).then(|| part(p + n, p + n + q)));
        match mode.as_str() {
            "reflect" => {
                // Reflection is about the first and the last element, which are not repeated.
                sum = head.map_or(sum, |h| sum + placed(flip(h, &[i]), 1));
                sum = tail.map_or(sum, |t| sum + placed(flip(t, &[i]), n - 1 - q));
            }
            "edge" => {
                sum = head.map_or(sum, |h| sum + placed(h.sum(&[i], true), 0));
                sum = tail.map_or(sum, |t| sum + placed(t.sum(&[i], true), n - 1));
            }
            other => return Err(ctx.unsupported(&format!("the mode `{other}` has no rule"))),
        }
        out = sum;
    }
    Ok(out)
}

/// The gradient of Pad's fill value: the sum of g over the border.
fn fill_value<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>) -> Option<Expr<'g>> {
    let (fill, pads) = (ctx.input(2).filter(|_| ctx.needs_grad(2))?, ctx.ints(1)?);
    if ctx.attrs().get_str("mode", "constant") != "constant" {
        return Some(ctx.scalar(0.0).expand(&fill.shape())); // the fill value is not read
    }
    let rank = ctx.x(0).shape().len();
    // The border as a mask: a Pad of zeros with ones.
    let (zero, one) = (ctx.scalar(0.0), ctx.scalar(1.0));
    let inside = zero.expand(&ctx.x(0).shape());
    let pads = ctx.builder.constant(Tensor::ints(&pads[..2 * rank]));
    let border = ctx.builder.op1("Pad", &[inside, pads, one], Attrs::new());
    Some((g * border).sum_all().reshape(&fill.shape()))
}

/// Gather along one axis: each slice of g is added at its index. Constant indices allow cheaper forms.
fn gather<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = ctx.x(0).shape();
    let along = axis(ctx.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
    let Some(indices) = ctx.ints(1) else { return Ok(index::gather(ctx, g, along)) };
    let (n, k) = (shape[along], indices.len());
    let wrap = |&i: &i64| usize::try_from(if i < 0 { i + n as i64 } else { i }).ok().filter(|&i| i < n);
    let indices: Option<Vec<usize>> = indices.iter().map(wrap).collect();
    let indices = indices.ok_or_else(|| ctx.unsupported("an index is out of range"))?;
    let (before, after) = (shape[..along].iter().product(), shape[along + 1..].iter().product());
    let g = g.reshape(&[before, k, after]);

    // A single index: pad with zeros on both sides.
    if let [i] = indices[..] {
        return Ok(g.pad(&[0, i as i64, 0], &[0, (n - 1 - i) as i64, 0]).reshape(&shape));
    }
    // A permutation: gather with its inverse.
    let mut inverse = vec![usize::MAX; k];
    indices.iter().enumerate().filter(|(_, i)| **i < k).for_each(|(position, &i)| inverse[i] = position);
    if k == n && !inverse.contains(&usize::MAX) {
        let inverse = Tensor::ints(&inverse.iter().map(|&i| i as i64).collect::<Vec<_>>());
        let back =
            ctx.builder.op1("Gather", &[g, ctx.builder.constant(inverse)], Attrs::new().int("axis", 1));
        return Ok(back.reshape(&shape));
    }
    // dX = Sᵀ·G with the 0/1 selection matrix S [indices, axis].
    ctx.limit("indices and axis", &[k as i64, n as i64], MAX_CONSTANT as i64)?;
    let mut selection = vec![0.0; n * k];
    indices.iter().enumerate().for_each(|(position, &i)| selection[i * k + position] = 1.0);
    Ok(ctx.values(&[n, k], &selection).matmul(g).reshape(&shape))
}
