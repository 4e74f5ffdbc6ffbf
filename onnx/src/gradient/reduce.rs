//! Reductions: the gradient is broadcast over the reduced axes.

use super::context::{Grads, VjpContext};
use crate::ops::reduced_axes;
use crate::{Attrs, Error, Expr, Result, Tensor};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    if !ctx.op().starts_with("Reduce") {
        return Ok(None);
    }
    let x = ctx.x(0);
    let shape = x.shape();
    let reduced = reduced_axes(ctx.ints(1), ctx.attrs(), shape.len()).map_err(Error::Model)?;
    let keepdims_shape: Vec<usize> =
        shape.iter().enumerate().map(|(i, &d)| if reduced.contains(&i) { 1 } else { d }).collect();
    let count = reduced.iter().map(|&i| shape[i]).product::<usize>() as f32;
    // The gradient and the result, with the reduced axes restored as size 1 so that they broadcast against x.
    let (g, y) = (ctx.g().reshape(&keepdims_shape), ctx.y().reshape(&keepdims_shape));
    let expand = |g: Expr<'g>| g.expand(&shape);

    Ok(Some(ctx.single(match ctx.op() {
        "ReduceSum" => expand(g),
        "ReduceMean" => expand(g / count),
        "ReduceSumSquare" => g * 2.0 * x,
        "ReduceL1" => g * x.unary("Sign"),
        // d‖x‖/dx = x/‖x‖; 0 at x = 0
        "ReduceL2" => {
            let zero = ctx.scalar(0.0);
            y.greater(zero).select(g / y, zero) * x
        }
        "ReduceLogSum" => expand(g / y.exp()),
        "ReduceLogSumExp" => g * (x - y).exp(),
        "ReduceProd" => g * product_of_others(x, &reduced),
        // The gradient is shared equally among the elements that attain the extremum.
        "ReduceMax" | "ReduceMin" => {
            let hit = x.binary("Equal", y).cast(x.dtype());
            hit * (g / hit.sum(&reduced, true))
        }
        _ => return Ok(None),
    })))
}

/// For each element, the product of all others over `axes`: d Πx/dxᵢ. It is the product of those before and of
/// those after, without a division, so that it is exact and differentiable where elements are 0.
fn product_of_others<'g>(x: Expr<'g>, axes: &[usize]) -> Expr<'g> {
    let shape = x.shape();
    let kept = (0..shape.len()).filter(|i| !axes.contains(i));
    let perm: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let mut inverse = vec![0; perm.len()];
    perm.iter().enumerate().for_each(|(i, &p)| inverse[p] = i);
    let moved = x.transpose(&perm);
    let n: usize = axes.iter().map(|&i| shape[i]).product();
    let rows = moved.reshape(&[moved.size() / n.max(1), n]);
    // Products of 1, 2, 4, … neighbors, from elements moved by one.
    let scan = |before: bool| {
        let mut product = shifted(rows, 1, before);
        let mut step = 1;
        while step < n {
            product = product * shifted(product, step, before);
            step *= 2;
        }
        product
    };
    (scan(true) * scan(false)).reshape(&moved.shape()).transpose(&inverse)
}

/// Moves the elements of each row by `by` places, to the end or to the start, and fills up with ones.
fn shifted<'g>(rows: Expr<'g>, by: usize, to_end: bool) -> Expr<'g> {
    let (n, by) = (rows.dim(1) as i64, by as i64);
    let (kept, pads) = match to_end {
        true => (rows.slice(&[1], &[0], &[n - by], &[1]), [0, by, 0, 0]),
        false => (rows.slice(&[1], &[by], &[n], &[1]), [0, 0, 0, by]),
    };
    let b = rows.builder();
    b.op1("Pad", &[kept, b.constant(Tensor::ints(&pads)), rows.number(1.0)], Attrs::new())
}
