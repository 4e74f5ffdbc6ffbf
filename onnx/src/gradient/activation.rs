//! Activation functions that are not among the basic element-wise ops: each rule is the derivative.

use super::context::{Grads, VjpContext};
use crate::{Attrs, Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    let (g, zero) = (ctx.g(), ctx.scalar(0.0));
    let attr = |name: &str, default: f32| x.number(ctx.attrs().get_float(name, default).into());
    let mask = |keep: Expr<'g>| keep.select(g, zero);
    Ok(Some(ctx.single(match ctx.op() {
        // f(x) = x t with t = tanh(ln(1 + eˣ)), so df/dx = t + x (1 − t²) σ(x)
        "Mish" => {
            let t = x.unary("Softplus").unary("Tanh");
            g * (t + x * (1.0 - t * t) * x.unary("Sigmoid"))
        }
        // f(x) = x/(1 + |x|), so df/dx = 1/(1 + |x|)²
        "Softsign" => {
            let r = (x.abs() + 1.0).reciprocal();
            g * r * r
        }
        // f(x) = x where x > 0, α (e^(x/α) − 1) elsewhere, so df/dx = 1 or e^(x/α)
        "Celu" => {
            let negative = ctx.builder.op1("Min", &[x, zero], Attrs::new());
            g * (negative / attr("alpha", 1.0)).exp()
        }
        // f(x) = x where x > α, 0 elsewhere; df/dx = 0 at α
        "ThresholdedRelu" => mask(x.greater(attr("alpha", 1.0))),
        // f(x) = x − bias where x > λ, x + bias where x < −λ, 0 elsewhere; df/dx = 0 at ±λ
        "Shrink" => mask(x.abs().greater(attr("lambd", 0.5))),
        _ => return Ok(None),
    })))
}
