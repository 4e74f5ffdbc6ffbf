//! Element-wise ops: each rule is the derivative.

use super::context::{Grads, VjpContext, unbroadcast};
use crate::{Attrs, DType, Expr, Result};
use std::f64::consts::FRAC_2_SQRT_PI;

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let g = ctx.g();
    if ctx.input(0).is_none() {
        return Ok(None);
    }
    let (x, y) = (ctx.x(0), ctx.y());
    let (zero, one) = (ctx.scalar(0.0), ctx.scalar(1.0));
    let slope = |default: f32| ctx.attrs().get_float("alpha", default);
    // g where `keep` is true, 0 elsewhere.
    let mask = |keep: Expr<'g>| keep.select(g, zero);

    // If y determines the derivative as well as x does, the rule reads y: x can then be freed, and ONNX
    // Runtime can fuse the node with its producer.
    Ok(Some(match ctx.op() {
        // One input.
        "Identity" => ctx.single(g),
        "Cast" => ctx.single(g.cast(x.dtype())),
        "Neg" => ctx.single(-g),
        "Abs" => ctx.single(g * x.unary("Sign")),
        "Exp" => ctx.single(g * y),
        "Log" => ctx.single(g / x),
        // The derivative is infinite at 0. It is taken as 0, so that the norm of an all-zero vector has a
        // zero gradient.
        "Sqrt" => ctx.single(y.greater(zero).select(g * 0.5 / y, zero)),
        "Reciprocal" => ctx.single(-(g * y * y)),
        "Sin" => ctx.single(g * x.unary("Cos")),
        "Cos" => ctx.single(-(g * x.unary("Sin"))),
        "Tanh" => ctx.single(g * (1.0 - y * y)),
        "Sigmoid" => ctx.single(g * y * (1.0 - y)),
        "Softplus" => ctx.single(g * x.unary("Sigmoid")),
        // d erf(x)/dx = 2/√π · e^(−x²)
        "Erf" => ctx.single(g * ctx.scalar(FRAC_2_SQRT_PI) * (-(x * x)).exp()),
        // Multiplying by a large factor and clipping takes a third of the time of a comparison and Where; see
        // docs/performance.md.
        "Relu" => ctx.single(g * step(y, 0.0)),
        "LeakyRelu" => {
            let slope = slope(0.01);
            if (0.0..1.0).contains(&slope) {
                ctx.single(g * step(if slope > 0.0 { y } else { x }, slope))
            } else {
                ctx.single(x.greater(zero).select(g, g * slope))
            }
        }
        // f(x) = α (eˣ − 1) where x < 0, so df/dx = f(x) + α
        "Elu" => ctx.single(x.greater(zero).select(g, g * (y + slope(1.0)))),
        // f(x) = γx where x > 0, γα (eˣ − 1) elsewhere, so df/dx = γ or f(x) + γα
        "Selu" => {
            let (alpha, gamma) = (slope(1.673_263_2), ctx.attrs().get_float("gamma", 1.050_701));
            ctx.single(x.greater(zero).select(g * gamma, g * (y + alpha * gamma)))
        }
        // f(x) = clip(α x + β, 0, 1)
        "HardSigmoid" => {
            let inside = y.greater(zero).binary("And", one.greater(y));
            ctx.single(mask(inside) * slope(0.2))
        }
        // f(x) = x · clip(x/6 + 1/2, 0, 1): 0 below −3, x above 3, and (2x + 3)/6 between
        "HardSwish" => {
            let between = x.greater(ctx.scalar(-3.0)).select(g * (x / 3.0 + 0.5), zero);
            ctx.single(ctx.scalar(3.0).greater(x).select(between, g))
        }
        "Clip" => clip(ctx, g, x),

        // Two or more inputs, broadcast against each other.
        "Add" => ctx.broadcast(&[g, g]),
        "Sub" => ctx.broadcast(&[g, -g]),
        "Mul" if x.value() == ctx.x(1).value() => ctx.single(g * 2.0 * x), // a square
        "Mul" => ctx.broadcast(&[g * ctx.x(1), g * x]),
        "Div" => ctx.broadcast(&[g / ctx.x(1), -(g * y / ctx.x(1))]),
        "Pow" => power(ctx, g, x),
        // f(a, b) = a − b q, where q is a/b rounded down (towards 0 for fmod): df/da = 1, df/db = −q
        "Mod" => {
            let quotient = ((x - y) / ctx.x(1)).unary("Round");
            ctx.broadcast(&[g, -(g * quotient)])
        }
        // f(x, a) = x where x ≥ 0, a·x elsewhere
        "PRelu" => {
            let positive = x.greater(zero);
            ctx.broadcast(&[positive.select(g, g * ctx.x(1)), positive.select(zero, g * x)])
        }
        // The gradient is shared equally among the inputs that attain the extremum.
        "Min" | "Max" => {
            let attains = |i: usize| ctx.x(i).binary("Equal", y).cast(y.dtype());
            let hits: Vec<_> = (0..ctx.node.inputs.len()).map(attains).collect();
            let Some(count) = hits.iter().copied().reduce(|a, b| a + b) else { return Ok(None) };
            let grads: Vec<_> = hits.iter().map(|&hit| g * hit / count).collect();
            ctx.broadcast(&grads)
        }
        "Sum" => ctx.broadcast(&vec![g; ctx.node.inputs.len()]),
        "Mean" => ctx.broadcast(&vec![g / ctx.node.inputs.len() as f32; ctx.node.inputs.len()]),
        "Where" => {
            let to = |e: Expr<'g>, i: usize| Some(unbroadcast(e, &ctx.x(i).shape()));
            vec![None, to(x.select(g, zero), 1), to(x.select(zero, g), 2)]
        }
        _ => return Ok(None),
    }))
}

/// f(x) = min(max(x, low), high); the bounds count as inside. Where x is outside, the gradient goes to the
/// bound.
fn clip<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>, x: Expr<'g>) -> Grads<'g> {
    let zero = ctx.scalar(0.0);
    let (low, high) = (ctx.input(1), ctx.input(2));
    let below = low.map(|low| low.greater(x));
    let above = high.map(|high| x.greater(high));
    let dx = [below, above].into_iter().flatten().fold(g, |g, out| out.select(zero, g));
    let to = |bound: Option<Expr<'g>>, g: Expr<'g>| bound.map(|bound| unbroadcast(g, &bound.shape()));
    // If low > high, the result is high everywhere.
    let raised = low.map_or(x, |low| x.binary("Max", low));
    let at_high = high.map(|high| raised.greater(high));
    let dlow = ctx.needs_grad(1).then(|| {
        let at_low = below.map_or(zero, |below| below.select(g, zero));
        to(low, at_high.map_or(at_low, |at_high| at_high.select(zero, at_low)))
    });
    let dhigh = ctx.needs_grad(2).then(|| to(high, at_high.map_or(zero, |at_high| at_high.select(g, zero))));
    vec![Some(dx), dlow.flatten(), dhigh.flatten()]
}

/// 1 where x > 0, `low` elsewhere.
fn step(x: Expr<'_>, low: f32) -> Expr<'_> {
    let largest = match x.dtype() {
        DType::F32 => f32::MAX.into(),
        DType::F64 => f64::MAX,
        // A small f16 value times the largest f16 is still below 1.
        _ => return x.greater(x.number(0.0)).select(x.number(1.0), x.number(low.into())),
    };
    let scaled = x * x.number(largest);
    x.builder().op1("Clip", &[scaled, x.number(low.into()), x.number(1.0)], Attrs::new())
}

/// f(a, n) = aⁿ;  df/da = n aⁿ⁻¹, which is 0 for n = 0;  df/dn = aⁿ ln a, taken as 0 at a ≤ 0.
fn power<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>, a: Expr<'g>) -> Grads<'g> {
    let (zero, one) = (ctx.scalar(0.0), ctx.scalar(1.0));
    let exponent = ctx.x(1);
    let n = exponent.cast(a.dtype());
    // The value of a weight may change later.
    let constant = n.constant().filter(|_| !n.is_weight());
    let da = match constant.map(|t| t.to_f64()) {
        Some(values) if values.iter().all(|&v| v == 2.0) => g * n * a,
        Some(values) if values.iter().all(|&v| v != 0.0) => g * n * a.binary("Pow", n - one),
        Some(values) if values.iter().all(|&v| v == 0.0) => zero.expand(&ctx.y().shape()),
        _ => {
            // 0⁻¹ must not occur, not even where it is not chosen: its own derivative would be NaN.
            let is_zero = n.binary("Equal", zero);
            is_zero.select(zero, g * n * is_zero.select(one, a).binary("Pow", n - one))
        }
    };
    let dn = ctx.needs_grad(1).then(|| {
        let positive = a.greater(zero);
        let log = positive.select(a, one).unary("Log");
        unbroadcast(positive.select(g * ctx.y() * log, zero), &exponent.shape())
    });
    vec![Some(unbroadcast(da, &a.shape())), dn]
}
