//! Resizing with Pillow's `BILINEAR` filter: a triangle kernel, widened by the scale factor when an image shrinks.

use ndarray::{Array4, ArrayView4, Axis};

/// Filter taps of one output pixel: the first input pixel, and weights that sum to 1.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// Resizes `[N,C,H,W]` to `height` × `width`, for any range of values.
///
/// Pixels are areas (`align_corners` is false). Results equal those of Pillow's mode `F` to the last bits; Pillow on 8-bit
/// images also rounds between the two passes. All sizes must be above zero.
pub fn resize(image: ArrayView4<'_, f32>, height: usize, width: usize) -> Array4<f32> {
    let (_, _, in_height, in_width) = image.dim();
    let horizontal = if in_width == width {
        image.to_owned()
    } else {
        resample_axis(image, Axis(3), &filter_taps(in_width, width))
    };
    if in_height == height {
        horizontal
    } else {
        resample_axis(horizontal.view(), Axis(2), &filter_taps(in_height, height))
    }
}

/// The taps of each of `out_len` output pixels.
fn filter_taps(in_len: usize, out_len: usize) -> Vec<Taps> {
    let scale = in_len as f64 / out_len as f64;
    let support = scale.max(1.0);
    (0..out_len)
        .map(|index| {
            let center = (index as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(in_len);
            let weight = |pixel: usize| (1.0 - ((pixel as f64 - center + 0.5) / support).abs()).max(0.0);
            let mut weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

/// Applies `taps` along `axis`, whose length becomes their number.
fn resample_axis(image: ArrayView4<'_, f32>, axis: Axis, taps: &[Taps]) -> Array4<f32> {
    let mut shape = image.raw_dim();
    shape[axis.index()] = taps.len();
    let mut out = Array4::zeros(shape);
    for (input, mut output) in image.lanes(axis).into_iter().zip(out.lanes_mut(axis)) {
        for (value, taps) in output.iter_mut().zip(taps) {
            let pixels = input.iter().skip(taps.first);
            let products = taps.weights.iter().zip(pixels).map(|(weight, &pixel)| weight * f64::from(pixel));
            *value = products.sum::<f64>() as f32;
        }
    }
    out
}
