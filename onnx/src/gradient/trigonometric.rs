//! Trigonometric and hyperbolic functions and their inverses. (Sin, Cos and Tanh are among the element-wise
//! ops.) The rules use only ops that have a CUDA kernel, in forms that do not cancel.

use super::context::{Grads, VjpContext};
use crate::{Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    let (g, y) = (ctx.g(), ctx.y());
    Ok(Some(ctx.single(match ctx.op() {
        // d tan(x)/dx = 1 + tan²(x)
        "Tan" => g * (y * y + 1.0),
        // d arcsin(x)/dx = 1/√(1 − x²) = −d arccos(x)/dx, taken as 0 at ±1
        "Asin" => over(g, ((1.0 - x) * (x + 1.0)).sqrt()),
        "Acos" => -over(g, ((1.0 - x) * (x + 1.0)).sqrt()),
        // d arctan(x)/dx = 1/(1 + x²)
        "Atan" => g / (x * x + 1.0),
        // d sinh(x)/dx = cosh(x) = (eˣ + e⁻ˣ)/2
        "Sinh" => g * 0.5 * (x.exp() + (-x).exp()),
        // d cosh(x)/dx = sinh(x) = tanh(x) cosh(x)
        "Cosh" => g * x.unary("Tanh") * y,
        // d arsinh(x)/dx = 1/√(x² + 1)
        "Asinh" => g / (x * x + 1.0).sqrt(),
        // d arcosh(x)/dx = 1/√(x² − 1), taken as 0 at 1
        "Acosh" => over(g, ((x - 1.0) * (x + 1.0)).sqrt()),
        // d artanh(x)/dx = 1/(1 − x²), taken as 0 at ±1
        "Atanh" => over(g, (1.0 - x) * (x + 1.0)),
        _ => return Ok(None),
    })))
}

/// g/d where d > 0, 0 elsewhere.
fn over<'g>(g: Expr<'g>, d: Expr<'g>) -> Expr<'g> {
    let (zero, one) = (g.number(0.0), g.number(1.0));
    let inside = d.greater(zero);
    inside.select(g, zero) / inside.select(d, one)
}
