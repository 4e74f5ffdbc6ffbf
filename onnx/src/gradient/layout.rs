//! Ops that move elements: the gradient moves back.

use super::{Grads, Site, unbroadcast};
use crate::graph::Attrs;
use crate::ops::{Arg, Args, axis, slice_ranges};
use crate::{Error, Expr, Result, Tensor};

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = s.input(0) else { return Ok(None) };
    let (g, shape) = (s.g(), x.shape());
    Ok(Some(match s.op() {
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => s.one(g.reshape(&shape)),
        "Transpose" => {
            let rank = shape.len();
            let perm: Vec<usize> = match s.attrs().get_ints("perm") {
                Some(p) => p.iter().map(|&p| p as usize).collect(),
                None => (0..rank).rev().collect(),
            };
            let mut inverse = vec![0; rank];
            perm.iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
            s.one(g.transpose(&inverse))
        }
        "Concat" => {
            let along = axis(s.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
            let sizes: Vec<usize> = (0..s.node.inputs.len()).map(|i| s.x(i).dim(along)).collect();
            g.split(along, &sizes).into_iter().map(Some).collect()
        }
        "Split" => {
            let along = axis(s.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
            // Pieces that carry no gradient count as zeros.
            let piece = |(i, g): (usize, &Option<Expr<'g>>)| {
                let shape = s.builder.expr(s.node.outputs[i]).shape();
                g.unwrap_or_else(|| s.builder.scalar(0.0).expand(&shape))
            };
            let pieces: Vec<_> = s.g.iter().enumerate().map(piece).collect();
            s.one(Expr::concat(&pieces, along))
        }
        "Slice" => s.one(slice(s, g)?),
        "Expand" => s.one(unbroadcast(g, &shape)),
        "Tile" => s.one(tile(s, g)?),
        "Pad" => s.one(pad(s, g)?),
        "Gather" => s.one(gather(s, g)?),
        _ => return Ok(None),
    }))
}

/// Slice: the gradient goes back to where the elements came from, zeros elsewhere.
fn slice<'g>(s: &Site<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let x = s.x(0).shape();
    let constants: Vec<Option<Tensor>> = (0..s.node.inputs.len()).map(|i| s.input(i)?.constant()).collect();
    let mut args: Vec<Option<Arg<'_>>> = constants
        .iter()
        .map(|t| t.as_ref().map(|t| Arg { shape: t.shape(), dtype: t.dtype(), constant: Some(t) }))
        .collect();
    args[0] = Some(Arg { shape: &x, dtype: crate::DType::F32, constant: None });
    let mut out = g;
    for (i, r) in slice_ranges(&Args(&args)).map_err(Error::Model)? {
        if r.count == 0 {
            return Ok(s.builder.scalar(0.0).expand(&x));
        }
        // A negative step reads backwards: flip, then go on as for a positive one.
        let (first, step) = if r.step < 0 {
            out = flip(out, i);
            (r.start + (r.count as i64 - 1) * r.step, -r.step)
        } else {
            (r.start, r.step)
        };
        out = dilate(out, i, step);
        let rank = x.len();
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        before[i] = first;
        after[i] = x[i] as i64 - first - out.dim(i) as i64;
        out = out.pad(&before, &after);
    }
    Ok(out)
}

/// Reverses an axis.
pub(super) fn flip<'g>(e: Expr<'g>, axis: usize) -> Expr<'g> {
    e.slice(&[axis], &[-1], &[i64::MIN], &[-1])
}

/// Puts `step − 1` zeros between the elements of an axis.
fn dilate<'g>(e: Expr<'g>, axis: usize, step: i64) -> Expr<'g> {
    if step == 1 {
        return e;
    }
    let shape = e.shape();
    let mut wide = shape.clone();
    wide.insert(axis + 1, 1);
    let rank = wide.len();
    let (before, mut after) = (vec![0; rank], vec![0; rank]);
    after[axis + 1] = step - 1;
    let mut flat = shape;
    flat[axis] *= step as usize;
    let spaced = e.reshape(&wide).pad(&before, &after).reshape(&flat);
    spaced.slice(&[axis], &[0], &[flat[axis] as i64 - (step - 1)], &[1])
}

/// Tile: sum over the copies.
fn tile<'g>(s: &Site<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = s.x(0).shape();
    let repeats = s.ints(1).ok_or_else(|| s.refuse("its repeats are not constant"))?;
    // [r₀, d₀, r₁, d₁, …], summed over every r
    let split: Vec<usize> = repeats.iter().zip(&shape).flat_map(|(&r, &d)| [r as usize, d]).collect();
    let copies: Vec<usize> = (0..shape.len()).map(|i| 2 * i).collect();
    Ok(g.reshape(&split).sum(&copies, false))
}

/// Pad: constant mode cuts the border off; reflect and edge add it back to the elements that were repeated.
fn pad<'g>(s: &Site<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = s.x(0).shape();
    let rank = shape.len();
    let pads = s.ints(1).ok_or_else(|| s.refuse("its pads are not constant"))?;
    let mode = s.attrs().get_str("mode", "constant").to_string();
    let mut out = g;
    for i in 0..rank {
        let (n, p, q) = (shape[i] as i64, pads[i], pads[rank + i]);
        if p == 0 && q == 0 {
            continue;
        }
        if p < 0 || q < 0 {
            if mode != "constant" {
                return Err(s.refuse("negative pads in this mode"));
            }
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            (before[i], after[i]) = ((-p).max(0), (-q).max(0));
            out = out.pad(&before, &after);
            let start = p.max(0);
            out = out.slice(&[i], &[start], &[start + n], &[1]);
            continue;
        }
        let part = |from: i64, to: i64| out.slice(&[i], &[from], &[to], &[1]);
        let placed = |e: Expr<'g>, at: i64| {
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            (before[i], after[i]) = (at, n - at - e.dim(i) as i64);
            e.pad(&before, &after)
        };
        let mut sum = part(p, p + n);
        let (head, tail) = ((p > 0).then(|| part(0, p)), (q > 0).then(|| part(p + n, p + n + q)));
        match mode.as_str() {
            "constant" => {}
            "reflect" => {
                // Padding mirrors around the first and the last element, which are not repeated.
                sum = head.map_or(sum, |h| sum + placed(flip(h, i), 1));
                sum = tail.map_or(sum, |t| sum + placed(flip(t, i), n - 1 - q));
            }
            "edge" => {
                sum = head.map_or(sum, |h| sum + placed(h.sum(&[i], true), 0));
                sum = tail.map_or(sum, |t| sum + placed(t.sum(&[i], true), n - 1));
            }
            other => return Err(s.refuse(&format!("the mode `{other}` has no rule"))),
        }
        out = sum;
    }
    Ok(out)
}

/// Gather with constant indices along an axis: dX = Sᵀ·G for the 0/1 selection matrix S [indices, axis].
fn gather<'g>(s: &Site<'_, 'g>, g: Expr<'g>) -> Result<Expr<'g>> {
    let shape = s.x(0).shape();
    let along = axis(s.attrs().get_int("axis", 0), shape.len()).map_err(Error::Model)?;
    let indices = s.ints(1).ok_or_else(|| s.refuse("its indices are not constant"))?;
    let n = shape[along];
    let mut selection = vec![0.0; indices.len() * n];
    for (row, &i) in indices.iter().enumerate() {
        let i = if i < 0 { i + n as i64 } else { i } as usize;
        match selection.get_mut(row * n + i) {
            Some(cell) if i < n => *cell = 1.0,
            _ => return Err(s.refuse("an index is out of range")),
        }
    }
    let before: usize = shape[..along].iter().product();
    let after: usize = shape[along + 1..].iter().product();
    let attrs = Attrs::new().ints("perm", &[1, 0]);
    let selection = s.builder.op1("Transpose", &[s.builder.values(&[indices.len(), n], &selection)], attrs);
    Ok(selection.matmul(g.reshape(&[before, indices.len(), after])).reshape(&shape))
}
