//! Gelu (opset 20), Swish (opset 24) and SwiGLU (opset 28).

use super::Node;
use crate::{Expr, Result};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Expr<'g>> {
    let x = node.x(0)?;
    if node.op != "Gelu" {
        // f(x) = x σ(αx); SwiGLU multiplies it by a second input
        let alpha = node.attrs.get_float("alpha", 1.0);
        let swish = x * (if alpha == 1.0 { x } else { x * alpha }).unary("Sigmoid");
        return Ok(if node.op == "SwiGLU" { swish * node.x(1)? } else { swish });
    }
    match node.attrs.get_str("approximate", "none") {
        // f(x) = x/2 (1 + erf(x/√2))
        "none" => Ok(x * 0.5 * ((x * x.number(FRAC_1_SQRT_2)).unary("Erf") + 1.0)),
        // f(x) = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
        "tanh" => {
            let inner = x + x.number(0.044715) * x * x * x;
            let scale = x.number(FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
            Ok(x * 0.5 * ((inner * scale).unary("Tanh") + 1.0))
        }
        other => Err(node.unsupported(&format!("the attribute `approximate` = {other}"))),
    }
}
