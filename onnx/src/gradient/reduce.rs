//! Reductions: the gradient is broadcast over the reduced axes.

use super::context::{Grads, VjpContext};
use super::elementwise::cast;
use crate::ops::reduced_axes;
use crate::{Error, Expr, Result, Tensor};

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
            let hit = cast(x.binary("Equal", y), x.dtype());
            hit * (g / hit.sum(&reduced, true))
        }
        _ => return Ok(None),
    })))
}

/// For each element, the product of all others over `axes`: d Πx/dxᵢ. Exact where elements are 0.
fn product_of_others<'g>(x: Expr<'g>, axes: &[usize]) -> Expr<'g> {
    let (zero, one) = (x.number(0.0), x.number(1.0));
    let is_zero = x.binary("Equal", zero);
    let filled = is_zero.select(one, x);
    let list = x.builder().constant(Tensor::ints(&axes.iter().map(|&a| a as i64).collect::<Vec<_>>()));
    let product = filled.binary("ReduceProd", list);
    let zeros = cast(is_zero, x.dtype());
    let other_zeros = zeros.sum(axes, true) - zeros;
    other_zeros.greater(zero).select(zero, product / filled)
}
