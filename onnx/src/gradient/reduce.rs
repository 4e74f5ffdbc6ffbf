//! Reductions: the gradient is spread back over the reduced axes.

use super::{Grads, Site};
use crate::ops::axes;
use crate::{Attrs, DType, Error, Expr, Result};

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    if !s.op().starts_with("Reduce") {
        return Ok(None);
    }
    let x = s.x(0);
    let shape = x.shape();
    let mut reduced = axes(s.ints(1), shape.len()).map_err(Error::Model)?;
    if reduced.is_empty() {
        reduced = (0..shape.len()).collect();
    }
    let kept: Vec<usize> =
        shape.iter().enumerate().map(|(i, &d)| if reduced.contains(&i) { 1 } else { d }).collect();
    let count = reduced.iter().map(|&i| shape[i]).product::<usize>() as f32;
    // Gradient and result with the reduced axes back as size 1, so that they broadcast against x.
    let (g, y) = (s.g().reshape(&kept), s.y().reshape(&kept));
    let spread = |g: Expr<'g>| g.expand(&shape);

    Ok(Some(s.one(match s.op() {
        "ReduceSum" => spread(g),
        "ReduceMean" => spread(g / count),
        "ReduceSumSquare" => g * 2.0 * x,
        "ReduceL1" => g * x.unary("Sign"),
        // d‖x‖/dx = x/‖x‖; 0 at x = 0
        "ReduceL2" => {
            let zero = s.builder.scalar(0.0);
            y.greater(zero).select(g / y, zero) * x
        }
        "ReduceLogSumExp" => g * (x - y).exp(),
        // d Πx/dxᵢ = Πx / xᵢ; refused where an x might be 0 is not knowable, so it is the plain formula
        "ReduceProd" => g * y / x,
        // The gradient goes to every element that attains the extremum, divided by their number.
        "ReduceMax" | "ReduceMin" => {
            let cast = Attrs::new().int("to", crate::write::onnx_type(DType::F32));
            let hit = s.builder.op1("Cast", &[x.binary("Equal", y)], cast);
            hit * (g / hit.sum(&reduced, true))
        }
        _ => return Ok(None),
    })))
}
