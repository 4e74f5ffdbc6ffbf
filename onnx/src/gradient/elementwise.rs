//! Element-wise ops: each rule is its derivative.

use super::{Grads, Site};
use crate::{Attrs, Expr, Result};
use std::f32::consts::PI;

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let g = s.g();
    let (x, y) = (s.input(0), s.y());
    let Some(x) = x else { return Ok(None) };
    let b = s.builder;
    let zero = b.scalar(0.0);
    let slope = |default: f32| s.attrs().get_float("alpha", default);
    // g where `keep`, 0 elsewhere.
    let mask = |keep: Expr<'g>| keep.select(g, zero);

    Ok(Some(match s.op() {
        // One input.
        "Identity" | "Cast" => s.one(g),
        "Neg" => s.one(-g),
        "Abs" => s.one(g * x.unary("Sign")),
        "Exp" => s.one(g * y),
        "Log" => s.one(g / x),
        "Sqrt" => s.one(g * 0.5 / y),
        "Reciprocal" => s.one(-(g * y * y)),
        "Sin" => s.one(g * x.unary("Cos")),
        "Cos" => s.one(-(g * x.unary("Sin"))),
        "Tanh" => s.one(g * (1.0 - y * y)),
        "Sigmoid" => s.one(g * y * (1.0 - y)),
        "Softplus" => s.one(g * x.unary("Sigmoid")),
        // d erf(x)/dx = 2/√π · e^(−x²)
        "Erf" => s.one(g * (2.0 / PI.sqrt()) * (-(x * x)).exp()),
        "Relu" => s.one(mask(x.greater(zero))),
        "LeakyRelu" => s.one(x.greater(zero).select(g, g * slope(0.01))),
        // f(x) = α (eˣ − 1) where x < 0, so df/dx = f(x) + α
        "Elu" => s.one(x.greater(zero).select(g, g * (y + slope(1.0)))),
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
        "Clip" => {
            let above = s.input(1).map(|low| low.greater(x));
            let below = s.input(2).map(|high| x.greater(high));
            s.one([above, below].into_iter().flatten().fold(g, |g, out| out.select(zero, g)))
        }

        // Two and more inputs, broadcast against each other.
        "Add" => s.broadcast(&[g, g]),
        "Sub" => s.broadcast(&[g, -g]),
        "Mul" => s.broadcast(&[g * s.x(1), g * x]),
        "Div" => s.broadcast(&[g / s.x(1), -(g * y / s.x(1))]),
        "Pow" => power(s, g, x),
        // f(x, a) = x where x ≥ 0, a·x elsewhere
        "PRelu" => {
            let positive = x.greater(zero);
            s.broadcast(&[positive.select(g, g * s.x(1)), positive.select(zero, g * x)])
        }
        // Ties share nothing: the gradient goes to every input that attains the extremum, divided by their number.
        "Min" | "Max" => {
            let attains = |i: usize| {
                let cast = Attrs::new().int("to", crate::write::onnx_type(crate::DType::F32));
                b.op1("Cast", &[s.x(i).binary("Equal", y)], cast)
            };
            let hits: Vec<_> = (0..s.node.inputs.len()).map(attains).collect();
            let Some(count) = hits.iter().copied().reduce(|a, b| a + b) else { return Ok(None) };
            let grads: Vec<_> = hits.iter().map(|&hit| g * hit / count).collect();
            s.broadcast(&grads)
        }
        "Sum" => s.broadcast(&vec![g; s.node.inputs.len()]),
        "Mean" => s.broadcast(&vec![g / s.node.inputs.len() as f32; s.node.inputs.len()]),
        "Where" => {
            let grads = s.broadcast(&[g, x.select(g, zero), x.select(zero, g)]);
            vec![None, grads[1], grads[2]]
        }
        _ => return Ok(None),
    }))
}

/// f(a, n) = aⁿ;  df/da = n aⁿ⁻¹;  df/dn = aⁿ ln a, taken as 0 at a ≤ 0.
fn power<'g>(s: &Site<'_, 'g>, g: Expr<'g>, a: Expr<'g>) -> Grads<'g> {
    let (n, zero, one) = (s.x(1), s.builder.scalar(0.0), s.builder.scalar(1.0));
    let da = g * n * a.binary("Pow", n - one);
    let positive = a.greater(zero);
    let log = positive.select(a, one).unary("Log");
    let dn = if s.wants(1) { positive.select(g * s.y() * log, zero) } else { g };
    s.broadcast(&[da, dn])
}
