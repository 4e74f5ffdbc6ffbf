//! Element-wise ops: each rule is the derivative.

use super::{Grads, Site, unbroadcast};
use crate::{Attrs, DType, Expr, Result};
use std::f32::consts::PI;

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let g = s.g();
    if s.input(0).is_none() {
        return Ok(None);
    }
    let (x, y) = (s.x(0), s.y());
    let b = s.builder;
    let zero = b.scalar(0.0);
    let slope = |default: f32| s.attrs().get_float("alpha", default);
    // g where `keep` is true, 0 elsewhere.
    let mask = |keep: Expr<'g>| keep.select(g, zero);

    // If y determines the derivative as well as x does, the rule reads y: x can then be freed, and ONNX
    // Runtime can fuse the node with its producer.
    Ok(Some(match s.op() {
        // One input.
        "Identity" => s.one(g),
        "Cast" => s.one(cast(g, x.dtype())),
        "Neg" => s.one(-g),
        "Abs" => s.one(g * x.unary("Sign")),
        "Exp" => s.one(g * y),
        "Log" => s.one(g / x),
        // The derivative is infinite at 0. It is taken as 0, so that the norm of an all-zero vector has a
        // zero gradient.
        "Sqrt" => s.one(y.greater(zero).select(g * 0.5 / y, zero)),
        "Reciprocal" => s.one(-(g * y * y)),
        "Sin" => s.one(g * x.unary("Cos")),
        "Cos" => s.one(-(g * x.unary("Sin"))),
        "Tanh" => s.one(g * (1.0 - y * y)),
        "Sigmoid" => s.one(g * y * (1.0 - y)),
        "Softplus" => s.one(g * x.unary("Sigmoid")),
        // d erf(x)/dx = 2/√π · e^(−x²)
        "Erf" => s.one(g * (2.0 / PI.sqrt()) * (-(x * x)).exp()),
        // Multiplying by a large factor and clipping takes a third of the time of a comparison and Where; see
        // docs/performance.md.
        "Relu" => s.one(g * step(y, 0.0)),
        "LeakyRelu" => {
            let slope = slope(0.01);
            if (0.0..1.0).contains(&slope) {
                s.one(g * step(if slope > 0.0 { y } else { x }, slope))
            } else {
                s.one(x.greater(zero).select(g, g * slope))
            }
        }
        // f(x) = α (eˣ − 1) where x < 0, so df/dx = f(x) + α
        "Elu" => s.one(x.greater(zero).select(g, g * (y + slope(1.0)))),
        // f(x) = γx where x > 0, γα (eˣ − 1) elsewhere, so df/dx = γ or f(x) + γα
        "Selu" => {
            let (alpha, gamma) = (slope(1.673_263_2), s.attrs().get_float("gamma", 1.050_701));
            s.one(x.greater(zero).select(g * gamma, g * (y + alpha * gamma)))
        }
        // f(x) = clip(α x + β, 0, 1)
        "HardSigmoid" => {
            let inside = y.greater(zero).binary("And", b.scalar(1.0).greater(y));
            s.one(mask(inside) * slope(0.2))
        }
        // f(x) = x · clip(x/6 + 1/2, 0, 1): 0 below −3, x above 3, and (2x + 3)/6 between
        "HardSwish" => {
            let between = x.greater(b.scalar(-3.0)).select(g * (x / 3.0 + 0.5), zero);
            s.one(b.scalar(3.0).greater(x).select(between, g))
        }
        // f(x) = min(max(x, low), high); the bounds count as inside.
        "Clip" => {
            let below = s.input(1).map(|low| low.greater(x));
            let above = s.input(2).map(|high| x.greater(high));
            s.one([below, above].into_iter().flatten().fold(g, |g, out| out.select(zero, g)))
        }

        // Two or more inputs, broadcast against each other.
        "Add" => s.broadcast(&[g, g]),
        "Sub" => s.broadcast(&[g, -g]),
        "Mul" if x.value() == s.x(1).value() => s.one(g * 2.0 * x), // a square
        "Mul" => s.broadcast(&[g * s.x(1), g * x]),
        "Div" => s.broadcast(&[g / s.x(1), -(g * y / s.x(1))]),
        "Pow" => power(s, g, x),
        // f(x, a) = x where x ≥ 0, a·x elsewhere
        "PRelu" => {
            let positive = x.greater(zero);
            s.broadcast(&[positive.select(g, g * s.x(1)), positive.select(zero, g * x)])
        }
        // The gradient is shared equally among the inputs that attain the extremum.
        "Min" | "Max" => {
            let attains = |i: usize| cast(s.x(i).binary("Equal", y), y.dtype());
            let hits: Vec<_> = (0..s.node.inputs.len()).map(attains).collect();
            let Some(count) = hits.iter().copied().reduce(|a, b| a + b) else { return Ok(None) };
            let grads: Vec<_> = hits.iter().map(|&hit| g * hit / count).collect();
            s.broadcast(&grads)
        }
        "Sum" => s.broadcast(&vec![g; s.node.inputs.len()]),
        "Mean" => s.broadcast(&vec![g / s.node.inputs.len() as f32; s.node.inputs.len()]),
        "Where" => {
            let to = |e: Expr<'g>, i: usize| Some(unbroadcast(e, &s.x(i).shape()));
            vec![None, to(x.select(g, zero), 1), to(x.select(zero, g), 2)]
        }
        _ => return Ok(None),
    }))
}

/// 1 where x > 0, `low` elsewhere.
fn step(x: Expr<'_>, low: f32) -> Expr<'_> {
    let b = x.builder();
    b.op1("Clip", &[x * f32::MAX, b.scalar(low), b.scalar(1.0)], Attrs::new())
}

/// f(a, n) = aⁿ;  df/da = n aⁿ⁻¹, which is 0 for n = 0;  df/dn = aⁿ ln a, taken as 0 at a ≤ 0.
fn power<'g>(s: &Site<'_, 'g>, g: Expr<'g>, a: Expr<'g>) -> Grads<'g> {
    let (zero, one) = (s.builder.scalar(0.0), s.builder.scalar(1.0));
    let exponent = s.x(1);
    let n = cast(exponent, a.dtype());
    let da = match n.constant().map(|t| t.to_f64()) {
        Some(values) if values.iter().all(|&v| v == 2.0) => g * n * a,
        Some(values) if values.iter().all(|&v| v != 0.0) => g * n * a.binary("Pow", n - one),
        _ => n.binary("Equal", zero).select(zero, g * n * a.binary("Pow", n - one)),
    };
    let dn = s.wants(1).then(|| {
        let positive = a.greater(zero);
        let log = positive.select(a, one).unary("Log");
        unbroadcast(positive.select(g * s.y() * log, zero), &exponent.shape())
    });
    vec![Some(unbroadcast(da, &a.shape())), dn]
}

/// Casts `e` to another element type.
pub(super) fn cast(e: Expr<'_>, to: DType) -> Expr<'_> {
    e.builder().op1("Cast", &[e], Attrs::new().int("to", crate::write::onnx_type(to)))
}
