//! Convolution and its transpose. How each gradient is lowered was measured, see [`crate::gradient`] and
//! `docs/performance.md`: dX of a stride-1 convolution is a convolution with flipped, swapped weights; dW is one matrix
//! product for each tap of the kernel, with the input as that tap sees it.

use super::layout::flip;
use super::{Grads, MAX_TAPS, Site};
use crate::expr::ConvAttrs;
use crate::ops::{Geometry, taps};
use crate::{Error, Expr, Result};

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let transposed = match s.op() {
        "Conv" => false,
        "ConvTranspose" => true,
        _ => return Ok(None),
    };
    let (x, w, g) = (s.x(0), s.x(1), s.g());
    let d = x.shape().len() - 2;
    let geometry = Geometry::of(s.attrs(), &w.shape()[2..], &x.shape()[2..]).map_err(Error::Model)?;
    if s.wants(1) {
        s.limit("kernel sizes", &geometry.kernel, MAX_TAPS)?;
    }
    let conv = ConvAttrs {
        strides: geometry.strides.clone(),
        dilations: geometry.dilations.clone(),
        pads: geometry.pads.clone(),
        group: s.attrs().get_int("group", 1),
    };
    let group = conv.group as usize;
    let spatial: Vec<usize> = (2..d + 2).collect();
    let dx = s
        .wants(0)
        .then(|| if transposed { g.conv(w, &conv) } else { input_gradient(x, w, g, &geometry, &conv) });
    let dw = s.wants(1).then(|| {
        if transposed {
            // y[o, s·h + d·i − p] += x[c, h] w[c, o, i]: the roles of x and g are swapped
            weight_gradient(g, x, &geometry, group).reshape(&w.shape())
        } else {
            weight_gradient(x, g, &geometry, group).reshape(&w.shape())
        }
    });
    let db = s.input(2).map(|_| g.sum(&[&[0], &spatial[..]].concat(), false));
    Ok(Some(vec![dx, dw, db]))
}

/// `y[o, h] = Σ x[c, s·h + d·i − p] w[o, c, i]`;  dx is g run through the same taps backwards.
fn input_gradient<'g>(
    x: Expr<'g>,
    w: Expr<'g>,
    g: Expr<'g>,
    geometry: &Geometry,
    conv: &ConvAttrs,
) -> Expr<'g> {
    let d = geometry.kernel.len();
    let size = x.shape();
    // Distance from the last tap to either border: the pads of the flipped convolution.
    let flipped: Vec<i64> = (0..2 * d).map(|i| geometry.reach(i % d) - 1 - geometry.pads[i]).collect();
    if geometry.strides.iter().all(|&s| s == 1) && flipped.iter().all(|&p| p >= 0) {
        let back = ConvAttrs { pads: flipped, ..conv.clone() };
        return g.conv(swapped(w, conv.group as usize), &back);
    }
    // The windows may not reach the last rows of x: output_padding restores them.
    let extra: Vec<i64> = (0..d)
        .map(|i| {
            let covered = (g.dim(2 + i) as i64 - 1) * geometry.strides[i] + geometry.reach(i);
            size[2 + i] as i64 + geometry.pads[i] + geometry.pads[d + i] - covered
        })
        .collect();
    // CUDA has no kernel for pads that differ at the two ends: what both ends share is padding, the rest is cut off.
    let shared: Vec<i64> = (0..2 * d).map(|i| conv.pads[i].min(conv.pads[(i + d) % (2 * d)])).collect();
    let cut: Vec<i64> = shared.iter().zip(&conv.pads).map(|(shared, pad)| shared - pad).collect();
    let wide = g.conv_transpose(w, &ConvAttrs { pads: shared, ..conv.clone() }, &extra);
    wide.pad(&[&[0; 2], &cut[..d]].concat(), &[&[0; 2], &cut[d..]].concat())
}

/// `[O, C/g, k…]` → `[C, O/g, k…]` with every spatial axis reversed.
fn swapped<'g>(w: Expr<'g>, group: usize) -> Expr<'g> {
    let shape = w.shape();
    let (o, c, kernel) = (shape[0], shape[1], &shape[2..]);
    let rank = shape.len();
    let turned = if o == group && c == 1 {
        w // depthwise: nothing to swap
    } else if group == 1 {
        w.transpose(&[1, 0].into_iter().chain(2..rank).collect::<Vec<_>>())
    } else {
        let grouped = w.reshape(&[&[group, o / group, c], kernel].concat());
        let perm: Vec<usize> = [0, 2, 1].into_iter().chain(3..rank + 1).collect();
        grouped.transpose(&perm).reshape(&[&[group * c, o / group], kernel].concat())
    };
    let axes: Vec<usize> = (2..rank).filter(|&i| shape[i] > 1).collect();
    flip(turned, &axes)
}

/// `dw[o, c, i] = Σₙₕ g[n, o, h] · x[n, c, s·h + d·i − p]`, as `[G·O/g, C/g, k…]` flattened: for each tap a matrix product
/// that sums over n and h. All taps side by side in one matrix would need it as many times over.
fn weight_gradient<'g>(x: Expr<'g>, g: Expr<'g>, geometry: &Geometry, group: usize) -> Expr<'g> {
    let d = geometry.kernel.len();
    let (n, channels, outputs) = (x.dim(0), x.dim(1), g.dim(1));
    let positions: Vec<usize> = g.shape()[2..].to_vec();
    let area: usize = positions.iter().product();
    let offsets = taps(geometry);
    let taps = offsets.len();

    let zeros = [0i64; 2];
    let before = [&zeros[..], &geometry.pads[..d]].concat();
    // Pad as far as the last tap reads, whether or not the forward windows went there.
    let after: Vec<i64> = (0..d)
        .map(|i| {
            let last = (positions[i] as i64 - 1) * geometry.strides[i] + geometry.reach(i);
            (last - geometry.pads[i] - x.dim(2 + i) as i64).max(0)
        })
        .collect();
    let padded = x.pad(&before, &[&zeros[..], &after].concat());
    let axes: Vec<usize> = (2..d + 2).collect();
    // Every other row, say, is cut out once for all taps that read those, and shifted for each.
    let strides = &geometry.strides;
    let sizes: Vec<i64> = padded.shape()[2..].iter().map(|&n| n as i64).collect();
    let tap = |at: &Vec<i64>| {
        let (phase, starts): (Vec<i64>, Vec<i64>) =
            at.iter().zip(strides).map(|(a, s)| (a % s, a / s)).unzip();
        let ends: Vec<i64> = starts.iter().zip(&positions).map(|(at, &n)| at + n as i64).collect();
        padded.slice(&axes, &phase, &sizes, strides).slice(&axes, &starts, &ends, &vec![1; d])
    };

    if group == 1 {
        // x as [C, N·area], g as [O, N·area]
        let rows = |e: Expr<'g>, c: usize| match n {
            1 => e.reshape(&[c, area]),
            _ => e.reshape(&[n, c, area]).transpose(&[1, 0, 2]).reshape(&[c, n * area]),
        };
        let g = rows(g, outputs);
        let products: Vec<_> =
            offsets.iter().map(|at| g.gemm(rows(tap(at), channels), false, true)).collect();
        return match taps {
            1 => products[0],
            _ => {
                let all = x.builder().concat(&products, 0).reshape(&[taps, outputs, channels]);
                all.transpose(&[1, 2, 0])
            }
        };
    }
    // Grouped: one product per group, batched, with the taps side by side: [N, G, C/g, area] of x, [N, G, O/g, area] of g.
    let (cg, og) = (channels / group, outputs / group);
    let split = |e: Expr<'g>, c: usize| {
        let e = e.reshape(&[n, group, c, area]).transpose(&[1, 2, 0, 3]);
        e.reshape(&[group, c, n * area])
    };
    let unfolded: Vec<_> = offsets.iter().map(|t| split(tap(t), cg)).collect();
    let all = x.builder().concat(&unfolded, 1).transpose(&[0, 2, 1]); // [G, N·area, taps·C/g]
    split(g, og).matmul(all).reshape(&[group, og, taps, cg]).transpose(&[0, 1, 3, 2])
}
