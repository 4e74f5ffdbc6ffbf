//! Convolution and transposed convolution. The forms were chosen by measurement; see `docs/performance.md`.
//! ∂x of a stride-1 convolution is a convolution with the flipped, transposed weight. ∂w is one matrix
//! product for each kernel tap, with the input as that tap sees it.

use super::layout::flip;
use super::{Grads, MAX_TAPS, Site};
use crate::expr::ConvAttrs;
use crate::ops::{Geometry, taps};
use crate::{Attrs, Error, Expr, Result};

/// Elements in one tile of rows; see [`banded`].
const BAND: usize = 1 << 22;

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
            // y[o, s·h + d·i − p] += x[c, h] w[c, o, i]: the roles of x and g are swapped.
            weight_gradient(g, x, &geometry, group).reshape(&w.shape())
        } else {
            weight_gradient(x, g, &geometry, group).reshape(&w.shape())
        }
    });
    let db = s.input(2).map(|_| g.sum(&[&[0], &spatial[..]].concat(), false));
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
    let flipped: Vec<i64> = (0..2 * d).map(|i| geometry.reach(i % d) - 1 - geometry.pads[i]).collect();
    if geometry.strides.iter().all(|&s| s == 1) && flipped.iter().all(|&p| p >= 0) {
        let back = ConvAttrs { pads: flipped, ..conv.clone() };
        return g.conv(swapped(w, conv.group as usize), &back);
    }
    // If the windows do not reach the last rows of x, output_padding restores them.
    let extra: Vec<i64> = (0..d)
        .map(|i| {
            let covered = (g.dim(2 + i) as i64 - 1) * geometry.strides[i] + geometry.reach(i);
            size[2 + i] as i64 + geometry.pads[i] + geometry.pads[d + i] - covered
        })
        .collect();
    // CUDA has no kernel for asymmetric padding: pad by the smaller of both ends, and crop the rest.
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
        w // depthwise: there is nothing to transpose
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

/// `dw[o, c, i] = Σₙₕ g[n, o, h] · x[n, c, s·h + d·i − p]`, as `[G·O/g, C/g, k…]` flattened. Each tap is a
/// matrix product that sums over n and h. One matrix for all taps (im2col) would need the memory of x times
/// the number of taps.
///
/// On the CPU, a large image is processed in tiles of rows that are summed, so that the padded copies of one
/// tile are freed before the next.
///
/// The values of x that a tap sees form one contiguous range: g is padded to the row length of the padded x,
/// and the values between two rows are multiplied by zeros. For stride s this holds within each of the s
/// phases of x.
fn weight_gradient<'g>(x: Expr<'g>, g: Expr<'g>, geometry: &Geometry, group: usize) -> Expr<'g> {
    let d = geometry.kernel.len();
    let (n, channels, outputs) = (x.dim(0), x.dim(1), g.dim(1));
    let Geometry { strides, pads, .. } = geometry;
    let offsets = taps(geometry);
    let taps = offsets.len();
    if let (2.., Some(sum)) = (taps, banded(x, g, geometry, group)) {
        return sum;
    }

    // A phase of x extends as far as its last tap needs. The first axis gets one more row if a tap's range
    // ends after its last row. Extreme sizes saturate; shape inference rejects them later.
    let positions: Vec<i64> = g.shape()[2..].iter().map(|&n| n as i64).collect();
    let shift = |i: usize| (geometry.reach(i) - 1) / strides[i];
    let mut phase: Vec<i64> = (0..d).map(|i| positions[i] + shift(i)).collect();
    phase[0] += i64::from((1..d).any(|i| shift(i) > 0));
    // Elements between neighboring positions of axis i.
    let row = |i: usize| phase[i + 1..].iter().fold(1, |n: i64, &p| n.saturating_mul(p));
    let length = positions[0].saturating_mul(row(0));

    // `length` consecutive elements of the `size` that each sample and channel has, starting at `from`, as
    // [C, N·length].
    let flat = |e: Expr<'g>, c: usize, size: i64, from: i64| {
        let (e, axis) = match n {
            1 => (e.reshape(&[c, size as usize]), 1),
            _ => (e.reshape(&[n, c, size as usize]).transpose(&[1, 0, 2]), 2),
        };
        let range = e.slice(&[axis], &[from], &[from.saturating_add(length)], &[1]);
        range.reshape(&[c, n.saturating_mul(length as usize)])
    };
    let all: Vec<i64> = (0..d).map(|i| phase[i].saturating_mul(strides[i])).collect();
    let after = (0..d).map(|i| (all[i] - pads[i] - x.dim(2 + i) as i64).max(0));
    let padded = x.pad(&[&[0; 2], &pads[..d]].concat(), &[0; 2].into_iter().chain(after).collect::<Vec<_>>());
    // For 2-D data, one SpaceToDepth makes all phases, stacked along the channels. A strided Slice would copy
    // element by element.
    let block = match strides[..] {
        [s, t] if s == t && s > 1 => Some(s),
        _ => None,
    };
    let axes: Vec<usize> = (2..d + 2).collect();
    let phases = block.map(|s| {
        let exact = padded.slice(&axes, &[0, 0], &all, &[1, 1]);
        x.builder().op("SpaceToDepth", &[Some(exact)], Attrs::new().int("blocksize", s))[0]
    });
    let tap = |at: &Vec<i64>| {
        let from: Vec<i64> = (0..d).map(|i| at[i] % strides[i]).collect();
        let first = (0..d).map(|i| (at[i] / strides[i]).saturating_mul(row(i))).fold(0, i64::saturating_add);
        let size = phase[0].saturating_mul(row(0));
        let seen = match (phases, block) {
            (Some(phases), Some(s)) => {
                let channel = (from[0] * s + from[1]) * channels as i64;
                phases.slice(&[1], &[channel], &[channel + channels as i64], &[1])
            }
            _ => padded.slice(&axes, &from, &all, strides),
        };
        flat(seen, channels, size, first)
    };
    let between: Vec<i64> = (0..d).map(|i| if i == 0 { 0 } else { phase[i] - positions[i] }).collect();
    let g = flat(g.pad(&vec![0; d + 2], &[&[0; 2], &between[..]].concat()), outputs, length, 0);

    let b = x.builder();
    if group == 1 {
        let products: Vec<_> = offsets.iter().map(|at| g.gemm(tap(at), false, true)).collect();
        return match taps {
            1 => products[0],
            _ => b.concat(&products, 0).reshape(&[taps, outputs, channels]).transpose(&[1, 2, 0]),
        };
    }
    // Grouped: one batched product over the groups, with the taps side by side.
    let (cg, og, numbers) = (channels / group, outputs / group, n.saturating_mul(length as usize));
    let split: Vec<_> = offsets.iter().map(|at| tap(at).reshape(&[group, cg, numbers])).collect();
    let seen = b.concat(&split, 1).transpose(&[0, 2, 1]); // [G, n·length, taps·C/g]
    g.reshape(&[group, og, numbers]).matmul(seen).reshape(&[group, og, taps, cg]).transpose(&[0, 1, 3, 2])
}

/// [`weight_gradient`] as a sum over tiles of rows, for large images on the CPU. `None` if tiling does not
/// apply.
fn banded<'g>(x: Expr<'g>, g: Expr<'g>, geometry: &Geometry, group: usize) -> Option<Expr<'g>> {
    let [_, _, height, _] = *x.shape() else { return None };
    let (height, rows) = (height as i64, g.dim(2) as i64);
    if !x.builder().with(|graph| graph.for_processor) {
        return None;
    }
    let bands = (x.size().max(g.size()) / BAND) as i64;
    let rows_of_band = (rows + bands - 1) / bands.max(1);
    if bands < 2 || rows_of_band < geometry.reach(0) {
        return None;
    }
    let starts = (0..rows).step_by(usize::try_from(rows_of_band).ok()?);
    let parts = starts.map(|from| {
        let to = rows.min(from + rows_of_band);
        // The rows of x that these rows of g read; some may be padding.
        let first = from * geometry.strides[0] - geometry.pads[0];
        let end = (to - 1) * geometry.strides[0] + geometry.reach(0) - geometry.pads[0];
        let (above, below) = ((-first).max(0), (end - height).max(0));
        let pads = [above, geometry.pads[1], below, geometry.pads[3]].to_vec();
        let seen = x.slice(&[2], &[first.max(0)], &[end.min(height)], &[1]);
        let part = Geometry { pads, ..geometry.clone() };
        weight_gradient(seen, g.slice(&[2], &[from], &[to], &[1]), &part, group)
    });
    parts.reduce(|sum, part| sum + part)
}
