//! Convolution and transposed convolution. The forms were chosen by measurement; see `docs/performance.md`.
//! ∂x of a stride-1 convolution is a convolution with the flipped, transposed weight. ∂w is one matrix
//! product for each kernel tap, with the input as that tap sees it.

mod weight;

use super::context::{Grads, MAX_TAPS, VjpContext};
use super::layout::flip;
use crate::ConvAttrs;
use crate::ops::Geometry;
use crate::{Error, Expr, Result};
use weight::weight_gradient;

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let transposed = match ctx.op() {
        "Conv" => false,
        "ConvTranspose" => true,
        _ => return Ok(None),
    };
    let (x, w, g) = (ctx.x(0), ctx.x(1), ctx.g());
    let d = x.shape().len() - 2;
    let geometry = Geometry::new(ctx.attrs(), &w.shape()[2..], &x.shape()[2..]).map_err(Error::Model)?;
    if ctx.needs_grad(1) {
        ctx.limit("kernel sizes", &geometry.kernel, MAX_TAPS)?;
    }
    let conv = ConvAttrs {
        strides: geometry.strides.clone(),
        dilations: geometry.dilations.clone(),
        pads: geometry.pads.clone(),
        group: ctx.attrs().get_int("group", 1),
    };
    let group = conv.group as usize;
    let spatial: Vec<usize> = (2..d + 2).collect();
    let dx = ctx
        .needs_grad(0)
        .then(|| if transposed { g.conv(w, &conv) } else { input_gradient(x, w, g, &geometry, &conv) });
    let dw = ctx.needs_grad(1).then(|| {
        if transposed {
            // y[o, s·h + d·i − p] += x[c, h] w[c, o, i]: the roles of x and g are swapped.
            weight_gradient(g, x, &geometry, group).reshape(&w.shape())
        } else {
            weight_gradient(x, g, &geometry, group).reshape(&w.shape())
        }
    });
    let db = ctx.input(2).map(|_| g.sum(&[&[0], &spatial[..]].concat(), false));
    Ok(Some(vec![dx, dw, db]))
}

/// The gradient of `y[o, h] = Σ x[c, s·h + d·i − p] w[o, c, i]` with respect to x: g goes back through the
/// same taps.
fn input_gradient<'g>(
    x: Expr<'g>,
    w: Expr<'g>,
    g: Expr<'g>,
    geometry: &Geometry,
    conv: &ConvAttrs,
) -> Expr<'g> {
    let d = geometry.kernel.len();
    let size = x.shape();
    // Distance from the last tap to either border: the padding of the flipped convolution.
    let flipped: Vec<i64> = (0..2 * d).map(|i| geometry.extent(i % d) - 1 - geometry.pads[i]).collect();
    if geometry.strides.iter().all(|&s| s == 1) && flipped.iter().all(|&p| p >= 0) {
        let back = ConvAttrs { pads: flipped, ..conv.clone() };
        return g.conv(flip_and_transpose(w, conv.group as usize), &back);
    }
    // If the windows do not reach the last rows of x, output_padding restores them.
    let extra: Vec<i64> = (0..d)
        .map(|i| {
            let covered = (g.dim(2 + i) as i64 - 1) * geometry.strides[i] + geometry.extent(i);
            size[2 + i] as i64 + geometry.pads[i] + geometry.pads[d + i] - covered
        })
        .collect();
    // CUDA has no kernel for asymmetric padding: pad by the smaller of both ends, and crop the rest.
    let shared: Vec<i64> = (0..2 * d).map(|i| conv.pads[i].min(conv.pads[(i + d) % (2 * d)])).collect();
    let cut: Vec<i64> = shared.iter().zip(&conv.pads).map(|(shared, pad)| shared - pad).collect();
    let full = g.conv_transpose(w, &ConvAttrs { pads: shared, ..conv.clone() }, &extra);
    full.pad(&[&[0; 2], &cut[..d]].concat(), &[&[0; 2], &cut[d..]].concat())
}

/// `[O, C/g, k…]` → `[C, O/g, k…]` with every spatial axis reversed.
fn flip_and_transpose<'g>(w: Expr<'g>, group: usize) -> Expr<'g> {
    let shape = w.shape();
    let (o, c, kernel) = (shape[0], shape[1], &shape[2..]);
    let rank = shape.len();
    let transposed = if o == group && c == 1 {
        w // depthwise: there is nothing to transpose
    } else if group == 1 {
        w.transpose(&[1, 0].into_iter().chain(2..rank).collect::<Vec<_>>())
    } else {
        let grouped = w.reshape(&[&[group, o / group, c], kernel].concat());
        let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..rank + 1).collect();
        grouped.transpose(&perm).reshape(&[&[group * c, o / group], kernel].concat())
    };
    let axes: Vec<usize> = (2..rank).filter(|&i| shape[i] > 1).collect();
    flip(transposed, &axes)
}
