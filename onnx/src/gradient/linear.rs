//! Matrix products.

use super::context::{Grads, VjpContext, unbroadcast};
use crate::{Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    Ok(match ctx.op() {
        "MatMul" => Some(matmul(ctx)),
        "Gemm" => Some(gemm(ctx)),
        _ => None,
    })
}

/// Y = A·B;  dA = G·Bᵀ;  dB = Aᵀ·G, summed over broadcast batch axes. A vector counts as a one-row (A) or
/// one-column (B) matrix.
fn matmul<'g>(ctx: &VjpContext<'_, 'g>) -> Grads<'g> {
    let (a, b) = (ctx.x(0), ctx.x(1));
    let (sa, sb) = (a.shape(), b.shape());
    let wide_a = if sa.len() == 1 { a.reshape(&[1, sa[0]]) } else { a };
    let wide_b = if sb.len() == 1 { b.reshape(&[sb[0], 1]) } else { b };
    let (wa, wb) = (wide_a.shape(), wide_b.shape());
    let (m, n) = (wa[wa.len() - 2], wb[wb.len() - 1]);
    let batch = ctx.y().shape().len() - usize::from(sa.len() > 1) - usize::from(sb.len() > 1);
    let g = ctx.g().reshape(&[&ctx.y().shape()[..batch], &[m, n][..]].concat());
    let da = ctx.needs_grad(0).then(|| unbroadcast(g.matmul(transpose_last(wide_b)), &wa).reshape(&sa));
    let db = ctx.needs_grad(1).then(|| {
        // B is shared by the whole batch: stacking the batch's rows gives one large product.
        if wb.len() == 2 && wa.len() > 2 {
            let rows = |e: Expr<'g>, last: usize| e.reshape(&[e.size() / last, last]);
            rows(wide_a, wb[0]).gemm(rows(g, n), true, false).reshape(&sb)
        } else {
            unbroadcast(transpose_last(wide_a).matmul(g), &wb).reshape(&sb)
        }
    });
    vec![da, db]
}

/// Transposes the last two axes.
fn transpose_last(e: Expr<'_>) -> Expr<'_> {
    let mut perm: Vec<usize> = (0..e.shape().len()).collect();
    let last = perm.len() - 1;
    perm.swap(last, last - 1);
    e.transpose(&perm)
}

/// Y = α A'·B' + β C, where A' and B' are A and B, optionally transposed.
fn gemm<'g>(ctx: &VjpContext<'_, 'g>) -> Grads<'g> {
    let (ta, tb) = (ctx.attrs().get_int("transA", 0) != 0, ctx.attrs().get_int("transB", 0) != 0);
    let (a, b) = (ctx.x(0), ctx.x(1));
    let g = ctx.g();
    let scaled = g * ctx.attrs().get_float("alpha", 1.0);
    let da =
        ctx.needs_grad(0).then(|| if ta { b.gemm(scaled, tb, true) } else { scaled.gemm(b, false, !tb) });
    let db =
        ctx.needs_grad(1).then(|| if tb { scaled.gemm(a, true, ta) } else { a.gemm(scaled, !ta, false) });
    let dc = ctx.input(2).map(|c| unbroadcast(g * ctx.attrs().get_float("beta", 1.0), &c.shape()));
    vec![da, db, dc]
}
