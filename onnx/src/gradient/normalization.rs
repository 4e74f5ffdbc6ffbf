//! Normalization layers and Softmax.

use super::context::{Grads, VjpContext, unbroadcast};
use crate::ops::axis;
use crate::{Error, Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    let rank = x.shape().len();
    Ok(match ctx.op() {
        "BatchNormalization" => Some(batch(ctx)),
        "InstanceNormalization" => Some(normalized(ctx, &(2..rank).collect::<Vec<_>>(), true)),
        "LayerNormalization" => {
            let first = axis(ctx.attrs().get_int("axis", -1), rank).map_err(Error::Model)?;
            Some(normalized(ctx, &(first..rank).collect::<Vec<_>>(), false))
        }
        "Softmax" | "LogSoftmax" => {
            let along = [axis(ctx.attrs().get_int("axis", -1), rank).map_err(Error::Model)?];
            let (g, mut y) = (ctx.g(), ctx.y());
            if is_guarded(ctx) {
                // A row of −∞ gives NaN, which the network replaces: no gradient flows through it.
                y = y.binary("Equal", y).select(y, ctx.scalar(0.0));
            }
            Some(ctx.single(if ctx.op() == "Softmax" {
                // yᵢ = e^xᵢ/Σe^x;  dx = y ⊙ (g − Σ g⊙y)
                y * (g - (g * y).sum(&along, true))
            } else {
                // y = x − log Σe^x;  dx = g − e^y Σg
                g - y.exp() * g.sum(&along, true)
            }))
        }
        _ => None,
    })
}

/// Whether a Where reads the result, perhaps through a Cast: networks that mask whole rows replace NaN this way.
fn is_guarded(ctx: &VjpContext<'_, '_>) -> bool {
    ctx.builder.with_graph(|graph| {
        let mut values = vec![ctx.node.outputs[0]];
        graph.nodes().iter().any(|n| {
            let reads =
                n.inputs.iter().skip(usize::from(n.op == "Where")).flatten().any(|v| values.contains(v));
            if reads && n.op == "Cast" {
                values.extend(&n.outputs);
            }
            reads && n.op == "Where"
        })
    })
}

/// A per-channel vector as `[1, C, 1, …]`.
fn per_channel<'g>(v: Expr<'g>, rank: usize) -> Expr<'g> {
    let mut shape = vec![1; rank];
    shape[1] = v.size();
    v.reshape(&shape)
}

/// Inference mode: y = γ (x − μ)/√(σ² + ε) + β with the stored μ and σ².
fn batch<'g>(ctx: &VjpContext<'_, 'g>) -> Grads<'g> {
    let (x, g) = (ctx.x(0), ctx.g());
    let rank = x.shape().len();
    let [gamma, _beta, mean, var] = [1, 2, 3, 4].map(|i| per_channel(ctx.x(i), rank));
    let inv = (var + ctx.attrs().get_float("epsilon", 1e-5)).sqrt().reciprocal();
    let sum = |e: Expr<'g>, i: usize| unbroadcast(e, &gamma.shape()).reshape(&ctx.x(i).shape());
    let centered = x - mean;
    vec![
        Some(g * gamma * inv),
        Some(sum(g * centered * inv, 1)),
        Some(sum(g, 2)),
        Some(sum(-(g * gamma * inv), 3)),
        // dσ² = Σ g γ (x − μ) · −½ (σ² + ε)^(−3/2)
        Some(sum(g * gamma * centered * inv * inv * inv * -0.5, 4)),
    ]
}

/// x̂ = (x − mean)/√(var + ε) over `axes`, y = γ x̂ + β. γ and β are per channel if `channels`, else they
/// have the shape of the last axes. dx = (ĝ − mean(ĝ) − x̂ mean(ĝ ⊙ x̂))/√(var + ε) with ĝ = γ g.
fn normalized<'g>(ctx: &VjpContext<'_, 'g>, axes: &[usize], channels: bool) -> Grads<'g> {
    let (x, g, scale) = (ctx.x(0), ctx.g(), ctx.x(1));
    let rank = x.shape().len();
    let gamma = if channels { per_channel(scale, rank) } else { scale };
    let centered = x - x.mean(axes, true);
    let var = (centered * centered).mean(axes, true);
    let inv = (var + ctx.attrs().get_float("epsilon", 1e-5)).sqrt().reciprocal();
    let hat = centered * inv;
    let gh = g * gamma;
    let mut dx = inv * (gh - gh.mean(axes, true) - hat * (gh * hat).mean(axes, true));
    // LayerNormalization's further outputs: the mean, and r = 1/√(var + ε) with dr/dx = −r² x̂/n.
    let count = axes.iter().map(|&i| x.dim(i)).product::<usize>() as f32;
    let extra = |i: usize| ctx.g.get(i).copied().flatten().map(|g| g.cast(x.dtype()) / count);
    dx = extra(1).map_or(dx, |g| dx + g);
    dx = extra(2).map_or(dx, |g| dx - g * inv * inv * hat);
    let sum = |e: Expr<'g>, i: usize| {
        let shape = ctx.x(i).shape();
        if channels { unbroadcast(e, &gamma.shape()).reshape(&shape) } else { unbroadcast(e, &shape) }
    };
    vec![Some(dx), Some(sum(g * hat, 1)), ctx.input(2).map(|_| sum(g, 2))]
}
