//! Pooling ops.

use super::context::{Grads, MAX_CONSTANT, MAX_TAPS, VjpContext};
use super::layout::dilate;
use crate::ops::{Geometry, taps};
use crate::{Attrs, Error, Expr, Result};

pub(super) fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Option<Grads<'g>>> {
    let Some(x) = ctx.input(0) else { return Ok(None) };
    Ok(match ctx.op() {
        "GlobalAveragePool" => {
            let area: usize = x.shape()[2..].iter().product();
            Some(ctx.single((ctx.g() / area as f32).expand(&x.shape())))
        }
        "GlobalMaxPool" => Some(ctx.single(global_max(ctx, x))),
        "AveragePool" => Some(ctx.single(average(ctx, x)?)),
        "MaxPool" => {
            if ctx.g.get(1).is_some_and(Option::is_some) {
                return Err(ctx.unsupported("its indices carry no gradient"));
            }
            Some(ctx.single(max(ctx, x)?))
        }
        _ => None,
    })
}

fn geometry(ctx: &VjpContext<'_, '_>, x: Expr<'_>) -> Result<Geometry> {
    let kernel = ctx.attrs().get_ints("kernel_shape").unwrap_or_default();
    let kernel: Vec<usize> = kernel.iter().map(|&k| k as usize).collect();
    Geometry::new(ctx.attrs(), &kernel, &x.shape()[2..]).map_err(Error::Model)
}

/// Adds up `parts` on a zero canvas of at least the spatial size `canvas`. Each part has one value for each
/// window, placed at its tap. With strides, the taps of equal remainder share a grid: each grid is summed at
/// the lower resolution, then the grids are interleaved.
fn scatter<'g>(parts: &[(Vec<i64>, Expr<'g>)], geometry: &Geometry, canvas: &[i64]) -> Option<Expr<'g>> {
    let strides = &geometry.strides;
    let (_, first) = parts.first()?;
    let (b, windows) = (first.builder(), first.shape());
    let d = canvas.len();
    let cells: Vec<i64> = (0..d).map(|i| (canvas[i] + strides[i] - 1) / strides[i]).collect();
    let to_usize = |v: &[i64]| v.iter().map(|&n| n as usize).collect::<Vec<_>>();
    let cell_shape = [&windows[..2], &to_usize(&cells)].concat();
    let grid = |phase: &Vec<i64>| {
        let of_phase = parts.iter().filter(|(t, _)| (0..d).all(|i| t[i] % strides[i] == phase[i]));
        let placed = of_phase.map(|(t, part)| {
            let before: Vec<i64> = (0..d).map(|i| t[i] / strides[i]).collect();
            let after: Vec<i64> = (0..d).map(|i| cells[i] - before[i] - windows[2 + i] as i64).collect();
            part.pad(&[&[0, 0], &before[..]].concat(), &[&[0, 0], &after[..]].concat())
        });
        placed.reduce(|a, b| a + b).unwrap_or_else(|| first.number(0.0).expand(&cell_shape))
    };
    let phases = taps(&Geometry { kernel: strides.clone(), dilations: vec![1; d], ..geometry.clone() });
    if let [phase] = &phases[..] {
        return Some(grid(phase));
    }
    // [N, C, phases, cells…] → [N, C, s…, cells…] → [N, C, cell, s, cell, s, …]
    let stacked = [&windows[..2], &[1], &cell_shape[2..]].concat();
    let grids: Vec<_> = phases.iter().map(|phase| grid(phase).reshape(&stacked)).collect();
    let apart = [&windows[..2], &to_usize(strides), &cell_shape[2..]].concat();
    let perm: Vec<usize> = [0, 1].into_iter().chain((0..d).flat_map(|i| [2 + d + i, 2 + i])).collect();
    let interleaved: Vec<usize> = (0..d).map(|i| (cells[i] * strides[i]) as usize).collect();
    let interleaved = [&windows[..2], &interleaved].concat();
    Some(b.concat(&grids, 2).reshape(&apart).transpose(&perm).reshape(&interleaved))
}

/// Size of the padded canvas that contains every window.
fn canvas(geometry: &Geometry, size: &[usize], windows: &[usize]) -> Vec<i64> {
    let d = size.len();
    (0..d)
        .map(|i| {
            let covered = (windows[i] as i64 - 1) * geometry.strides[i] + geometry.extent(i);
            covered.max(size[i] as i64 + geometry.pads[i] + geometry.pads[d + i])
        })
        .collect()
}

/// Crops the canvas to the input.
fn crop<'g>(e: Expr<'g>, geometry: &Geometry, size: &[usize]) -> Expr<'g> {
    let before = geometry.pads[..size.len()].iter().map(|&p| -p);
    let before: Vec<i64> = [0, 0].into_iter().chain(before).collect();
    let kept = [&[0, 0], size].concat();
    let after: Vec<i64> = (0..kept.len())
        .map(|i| if i < 2 { 0 } else { kept[i] as i64 - before[i] - e.dim(i) as i64 })
        .collect();
    e.pad(&before, &after)
}

/// Each window distributes g / (number of elements averaged) to its elements.
fn average<'g>(ctx: &VjpContext<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let geometry = geometry(ctx, x)?;
    let (shape, g) = (x.shape(), ctx.g());
    let (size, windows) = (&shape[2..], &g.shape()[2..]);
    let (d, strides, kernel) = (size.len(), &geometry.strides, &geometry.kernel);

    // The windows tile the input: repeat.
    let tiles_input = |i: usize| strides[i] == kernel[i] && windows[i] as i64 * strides[i] == size[i] as i64;
    if geometry.pads.iter().all(|&p| p == 0) && (0..d).all(tiles_input) {
        let area: i64 = kernel.iter().product();
        let pairs = |last: &dyn Fn(usize) -> usize| {
            let spatial = (0..d).flat_map(|i| [windows[i], last(i)]);
            shape[..2].iter().copied().chain(spatial).collect::<Vec<_>>()
        };
        let apart = (g / area as f32).reshape(&pairs(&|_| 1));
        return Ok(apart.expand(&pairs(&|i| kernel[i] as usize)).reshape(&shape));
    }

    // For a window that extends past the padding, ONNX Runtime at opset 18 divides by the whole window size;
    // PyTorch and opset 19 divide by the number of elements inside.
    let include = ctx.attrs().get_int("count_include_pad", 0) != 0;
    let end = |i: usize| (windows[i] as i64 - 1) * strides[i] + kernel[i];
    if include && (0..d).any(|i| end(i) > size[i] as i64 + geometry.pads[i] + geometry.pads[d + i]) {
        return Err(
            ctx.unsupported("ceil_mode with count_include_pad, and a window that extends past the padding")
        );
    }

    // The number of elements that window w averages along axis i, known at build time.
    let count = |i: usize, w: usize| {
        let start = w as i64 * strides[i] - geometry.pads[i];
        let (low, high) = match include {
            true => (-geometry.pads[i], size[i] as i64 + geometry.pads[d + i]),
            false => (0, size[i] as i64),
        };
        (start + kernel[i]).min(high) - start.max(low)
    };
    // dx[j] = Σₖ share[j + p − k], with the windows' shares `stride` apart. This is an average pooling with
    // stride 1, which itself divides by the kernel size.
    let mut share = g;
    for i in 0..d {
        ctx.limit("windows", &[windows[i] as i64], MAX_CONSTANT as i64)?;
        let weights: Vec<f32> =
            (0..windows[i]).map(|w| kernel[i] as f32 / count(i, w).max(1) as f32).collect();
        if weights.iter().any(|&w| w != 1.0) {
            let mut along = vec![1; d + 2];
            along[2 + i] = windows[i];
            share = share * ctx.values(&along, &weights);
        }
    }
    let apart = (0..d).fold(share, |e, i| dilate(e, 2 + i, strides[i]));
    let (mut before, mut after) = (vec![0; d + 2], vec![0; d + 2]);
    for i in 0..d {
        let p = geometry.pads[i];
        before[2 + i] = kernel[i] - 1 - p;
        after[2 + i] = size[i] as i64 + p - apart.dim(2 + i) as i64;
    }
    let attrs = Attrs::new().ints("kernel_shape", kernel);
    Ok(ctx.builder.op1("AveragePool", &[apart.pad(&before, &after)], attrs))
}

/// The gradient goes to the first element of each channel, in row-major order, that equals the maximum.
fn global_max<'g>(ctx: &VjpContext<'_, 'g>, x: Expr<'g>) -> Expr<'g> {
    let shape = x.shape();
    let area = shape[2..].iter().product();
    let (rows, flat) = ([shape[0], shape[1], 1], [shape[0], shape[1], area]);
    let along = Attrs::new().int("axis", 2);
    let first = ctx.builder.op1("ArgMax", &[x.reshape(&flat)], along.clone());
    let canvas = ctx.scalar(0.0).expand(&flat);
    ctx.builder.op1("ScatterElements", &[canvas, first, ctx.g().reshape(&rows)], along).reshape(&shape)
}

/// The gradient goes to the first element of each window, in row-major order, that equals the maximum. Taps
/// are visited in order, and a window that has found its element drops out.
fn max<'g>(ctx: &VjpContext<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let geometry = geometry(ctx, x)?;
    ctx.limit("kernel sizes", &geometry.kernel, MAX_TAPS)?;
    ctx.limit("strides", &geometry.strides, MAX_TAPS)?;
    let (size, y) = (x.shape()[2..].to_vec(), ctx.y());
    let windows = y.shape()[2..].to_vec();
    let d = size.len();
    let canvas = canvas(&geometry, &size, &windows);
    let axes: Vec<usize> = (2..2 + d).collect();
    let before = [&[0, 0], &geometry.pads[..d]].concat();
    let after: Vec<i64> = (0..d).map(|i| canvas[i] - geometry.pads[i] - size[i] as i64).collect();
    let after = [&[0, 0], &after[..]].concat();
    // Padding must never be the maximum.
    let low = ctx.scalar(f32::MIN.into());
    let pads: Vec<i64> = before.iter().chain(&after).copied().collect();
    let padded = if pads.iter().all(|&p| p == 0) {
        x
    } else {
        ctx.builder.op1("Pad", &[x, ctx.builder.constant(crate::Tensor::ints(&pads)), low], Attrs::new())
    };
    let zero = ctx.scalar(0.0);
    let (mut remaining, mut parts) = (ctx.g(), vec![]);
    for t in taps(&geometry) {
        let ends: Vec<i64> =
            (0..d).map(|i| t[i] + (windows[i] as i64 - 1) * geometry.strides[i] + 1).collect();
        let is_max = padded.slice(&axes, &t, &ends, &geometry.strides).binary("Equal", y);
        parts.push((t, is_max.select(remaining, zero)));
        remaining = is_max.select(zero, remaining);
    }
    Ok(crop(scatter(&parts, &geometry, &canvas).unwrap_or(zero), &geometry, &size))
}
