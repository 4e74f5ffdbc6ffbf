//! Local response normalization across channels.

use super::context::{Grads, VjpContext};
use crate::{Attrs, Expr, Result};

/// y = x D^(−β) with D = bias + α/n Σ x², the sum over a window of n channels.
/// dx = g D^(−β) − 2αβ/n · x ⊙ Wᵀ(g ⊙ x ⊙ D^(−β−1)), where W sums over the window.
pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    if ctx.op() != "LRN" {
        return Ok(None);
    }
    let (x, g) = (ctx.x(0), ctx.g());
    let attr = |name: &str, default: f32| ctx.attrs().get_float(name, default);
    let (alpha, beta, bias) = (attr("alpha", 1e-4), attr("beta", 0.75), attr("bias", 1.0));
    let n = ctx.attrs().get_int("size", 1);
    // Channels before and after the center; an even window reaches farther after it.
    let (before, after) = ((n - 1) / 2, n / 2);
    let d = window_sum(x * x, n, before, after) * (alpha / n as f32) + bias;
    let power = |exponent: f32| d.binary("Pow", d.number(exponent.into()));
    let back = window_sum(g * x * power(-beta - 1.0), n, after, before);
    Ok(Some(ctx.single(g * power(-beta) - x * back * (2.0 * alpha * beta / n as f32))))
}

/// The sum over a window of n channels, as an average pooling over `[N, 1, C, rest]`.
fn window_sum<'g>(x: Expr<'g>, n: i64, before: i64, after: i64) -> Expr<'g> {
    let shape = x.shape();
    let rows = x.reshape(&[shape[0], 1, shape[1], shape[2..].iter().product()]);
    let padded = rows.pad(&[0, 0, before, 0], &[0, 0, after, 0]);
    let attrs = Attrs::new().ints("kernel_shape", &[n, 1]);
    (x.builder().op1("AveragePool", &[padded], attrs) * n as f32).reshape(&shape)
}
