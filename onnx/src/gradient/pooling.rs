//! Pooling.

use super::{Grads, Site};
use crate::ops::Geometry;
use crate::{Attrs, Error, Expr, Result};

pub(super) fn vjp<'g>(s: &Site<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = s.input(0) else { return Ok(None) };
    Ok(match s.op() {
        "GlobalAveragePool" => {
            let area: usize = x.shape()[2..].iter().product();
            Some(s.one((s.g() / area as f32).expand(&x.shape())))
        }
        "AveragePool" => Some(s.one(average(s, x)?)),
        "MaxPool" => {
            if s.g.get(1).is_some_and(Option::is_some) {
                return Err(s.refuse("its indices carry no gradient"));
            }
            Some(s.one(max(s, x)?))
        }
        _ => None,
    })
}

fn geometry(s: &Site<'_, '_>, x: Expr<'_>) -> Result<Geometry> {
    let kernel = s.attrs().get_ints("kernel_shape").unwrap_or_default();
    let kernel: Vec<usize> = kernel.iter().map(|&k| k as usize).collect();
    Geometry::of(s.attrs(), &kernel, &x.shape()[2..]).map_err(Error::Model)
}

/// Places `g` (one value per window) at tap `at` of each window, in a padded canvas of spatial size `canvas`.
fn scatter<'g>(g: Expr<'g>, at: &[i64], geometry: &Geometry, canvas: &[i64]) -> Expr<'g> {
    let mut out = g;
    for (i, &first) in at.iter().enumerate() {
        let axis = 2 + i;
        let step = geometry.strides[i];
        let shape = out.shape();
        let rank = shape.len();
        if step > 1 {
            // step − 1 zeros after each element
            let mut wide = shape.clone();
            wide.insert(axis + 1, 1);
            let mut after = vec![0; rank + 1];
            after[axis + 1] = step - 1;
            let mut flat = shape.clone();
            flat[axis] *= step as usize;
            out = out.reshape(&wide).pad(&vec![0; rank + 1], &after).reshape(&flat);
        }
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        before[axis] = first;
        after[axis] = canvas[i] - first - out.dim(axis) as i64;
        out = out.pad(&before, &after); // a negative pad cuts the zeros that stick out
    }
    out
}

/// Every tap of the window: its offset along each axis.
fn taps(geometry: &Geometry) -> Vec<Vec<i64>> {
    let mut all = vec![vec![]];
    for (k, d) in geometry.kernel.iter().zip(&geometry.dilations) {
        all = all.iter().flat_map(|t| (0..*k).map(move |i| [&t[..], &[i * d]].concat())).collect();
    }
    all
}

/// Size of the padded canvas on which every window lies whole.
fn canvas(geometry: &Geometry, size: &[usize], windows: &[usize]) -> Vec<i64> {
    let d = size.len();
    (0..d)
        .map(|i| {
            let covered = (windows[i] as i64 - 1) * geometry.strides[i] + geometry.reach(i);
            covered.max(size[i] as i64 + geometry.pads[i] + geometry.pads[d + i])
        })
        .collect()
}

/// The part of the canvas that is the input.
fn crop<'g>(e: Expr<'g>, geometry: &Geometry, size: &[usize]) -> Expr<'g> {
    let d = size.len();
    let axes: Vec<usize> = (2..2 + d).collect();
    let starts = &geometry.pads[..d];
    let ends: Vec<i64> = (0..d).map(|i| starts[i] + size[i] as i64).collect();
    e.slice(&axes, starts, &ends, &vec![1; d])
}

/// Each window hands g / (elements that it averaged) to its elements.
fn average<'g>(s: &Site<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let geometry = geometry(s, x)?;
    let (size, g) = (x.shape()[2..].to_vec(), s.g());
    let windows = g.shape()[2..].to_vec();
    let d = size.len();
    let include = s.attrs().get_int("count_include_pad", 0) != 0;
    // How many elements each window averages: known now.
    let count = |i: usize, w: usize| {
        let start = w as i64 * geometry.strides[i] - geometry.pads[i];
        let (low, high) = if include {
            (-geometry.pads[i], size[i] as i64 + geometry.pads[d + i])
        } else {
            (0, size[i] as i64)
        };
        let inside = (0..geometry.kernel[i]).map(|k| start + k * geometry.dilations[i]);
        inside.filter(|p| (low..high).contains(p)).count() as f32
    };
    let mut share = g;
    for i in 0..d {
        let inverse: Vec<f32> = (0..windows[i]).map(|w| 1.0 / count(i, w).max(1.0)).collect();
        let mut shape = vec![1; d + 2];
        shape[2 + i] = windows[i];
        share = share * s.builder.values(&shape, &inverse);
    }
    let canvas = canvas(&geometry, &size, &windows);
    let parts = taps(&geometry).into_iter().map(|t| scatter(share, &t, &geometry, &canvas));
    let sum = parts.reduce(|a, b| a + b).unwrap_or(share);
    Ok(crop(sum, &geometry, &size))
}

/// The gradient goes to the first element of each window, in row-major order, that equals the maximum: taps are
/// visited in order, and a window that has found its element stops taking part.
fn max<'g>(s: &Site<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let geometry = geometry(s, x)?;
    let (size, y) = (x.shape()[2..].to_vec(), s.y());
    let windows = y.shape()[2..].to_vec();
    let d = size.len();
    let canvas = canvas(&geometry, &size, &windows);
    let axes: Vec<usize> = (2..2 + d).collect();
    let before = [&[0, 0], &geometry.pads[..d]].concat();
    let after: Vec<i64> = (0..d).map(|i| canvas[i] - geometry.pads[i] - size[i] as i64).collect();
    let after = [&[0, 0], &after[..]].concat();
    // Padding must never win.
    let low = s.builder.scalar(f32::MIN);
    let pads: Vec<i64> = before.iter().chain(&after).copied().collect();
    let padded = if pads.iter().all(|&p| p == 0) {
        x
    } else {
        s.builder.op1("Pad", &[x, s.builder.constant(crate::Tensor::ints(&pads)), low], Attrs::new())
    };
    let zero = s.builder.scalar(0.0);
    let (mut left, mut sum): (_, Option<Expr<'g>>) = (s.g(), None);
    for t in taps(&geometry) {
        let ends: Vec<i64> =
            (0..d).map(|i| t[i] + (windows[i] as i64 - 1) * geometry.strides[i] + 1).collect();
        let hit = padded.slice(&axes, &t, &ends, &geometry.strides).binary("Equal", y);
        let taken = hit.select(left, zero);
        left = hit.select(zero, left);
        let part = scatter(taken, &t, &geometry, &canvas);
        sum = Some(sum.map_or(part, |s| s + part));
    }
    Ok(crop(sum.unwrap_or(zero), &geometry, &size))
}
