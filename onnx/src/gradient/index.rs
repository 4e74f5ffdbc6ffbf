//! Ops that address elements by index: a gather's gradient is a scatter with addition, and the reverse.

mod scatter;

use super::context::{Grads, VjpContext};
use crate::ops::axis;
use crate::{Attrs, DType, Error, Expr, Result, Tensor};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    let along =
        |default: i64| axis(ctx.attrs().get_int("axis", default), x.shape().len()).map_err(Error::Model);
    Ok(Some(match ctx.op() {
        // y[i, j] = x[index[i, j], j] for axis 0, so dx[index[i, j], j] += g[i, j]
        "GatherElements" => {
            let attrs = Attrs::new().int("axis", along(0)? as i64).str("reduction", "add");
            let canvas = ctx.scalar(0.0).expand(&x.shape());
            ctx.single(ctx.builder.op1("ScatterElements", &[canvas, ctx.x(1), ctx.g()], attrs))
        }
        // y[i] = x[b, index[i]] with b the batch's own position, so dx[b, index[i]] += g[i]
        "GatherND" => {
            let batch = ctx.attrs().get_int("batch_dims", 0) as usize;
            ctx.single(add_at(ctx.g(), batched(ctx.x(1), batch), &x.shape()))
        }
        // The gradient goes back to the positions that were chosen. They differ, so nothing is added.
        "TopK" => {
            let attrs = Attrs::new().int("axis", along(-1)? as i64);
            let (canvas, positions) =
                (ctx.scalar(0.0).expand(&x.shape()), ctx.builder.expr(ctx.node.outputs[1]));
            ctx.single(ctx.builder.op1("ScatterElements", &[canvas, positions, ctx.g()], attrs))
        }
        "ScatterElements" | "ScatterND" => scatter::vjp(ctx)?,
        _ => return Ok(None),
    }))
}

/// Gather along one axis with indices known only at run time: each slice of g is added at its index.
pub(super) fn gather<'g>(ctx: &VjpContext<'_, 'g>, g: Expr<'g>, along: usize) -> Expr<'g> {
    let (x, indices) = (ctx.x(0).shape(), ctx.x(1));
    let (k, n) = (indices.size(), x[along]);
    let (before, after): (usize, usize) = (x[..along].iter().product(), x[along + 1..].iter().product());
    // [before, k, after] → [k, before · after]: one row for each index
    let rows = g.reshape(&[before, k, after]).transpose(&[1, 0, 2]).reshape(&[k, before * after]);
    let sums = add_rows(rows, indices.cast(DType::I64).reshape(&[k]), n);
    sums.reshape(&[n, before, after]).transpose(&[1, 0, 2]).reshape(&x)
}

/// Adds the slices of `g` at `indices` `[…, depth]` to zeros of `shape`, whose first `depth` axes are
/// addressed.
pub(super) fn add_at<'g>(g: Expr<'g>, indices: Expr<'g>, shape: &[usize]) -> Expr<'g> {
    let depth = indices.shape().last().copied().unwrap_or(0);
    let (addressed, rest) = shape.split_at(depth);
    let (k, n) = (indices.size() / depth.max(1), addressed.iter().product());
    // The position in row-major order over the addressed axes. Negative indices count from the end.
    let int = |v: i64| g.builder().constant(Tensor::ints(&[v]));
    let position = (0..depth).fold(int(0), |position, i| {
        let index =
            indices.reshape(&[k, depth]).slice(&[1], &[i as i64], &[i as i64 + 1], &[1]).reshape(&[k]);
        let size = int(addressed[i] as i64);
        let index = int(0).greater(index).select(index + size, index);
        position * size + index
    });
    add_rows(g.reshape(&[k, rest.iter().product()]), position.reshape(&[k]), n).reshape(shape)
}

/// `[n, m]` zeros to which each row of `rows` `[k, m]` is added at its index `[k]`.
///
/// ScatterElements, not ScatterND: ONNX Runtime's CPU kernel of ScatterND adds in parallel without locks, and
/// loses additions when indices repeat.
fn add_rows<'g>(rows: Expr<'g>, indices: Expr<'g>, n: usize) -> Expr<'g> {
    let shape = rows.shape();
    let canvas = rows.number(0.0).expand(&[n, shape[1]]);
    let indices = indices.reshape(&[shape[0], 1]).expand(&shape);
    let attrs = Attrs::new().int("axis", 0).str("reduction", "add");
    rows.builder().op1("ScatterElements", &[canvas, indices, rows], attrs)
}

/// Indices of GatherND without batch axes: the position in the batch becomes part of each index.
fn batched(indices: Expr<'_>, batch: usize) -> Expr<'_> {
    let shape = indices.shape();
    let (outer, b) = (&shape[..shape.len() - 1], indices.builder());
    let column = |i: usize| {
        let mut along = vec![1; shape.len()];
        along[i] = outer[i];
        let counted: Vec<i64> = (0..outer[i] as i64).collect();
        b.constant(Tensor::ints(&counted)).reshape(&along).expand(&[outer, &[1]].concat())
    };
    let parts: Vec<_> = (0..batch).map(column).chain([indices]).collect();
    b.concat(&parts, shape.len() - 1)
}
