//! Resizing as Pillow's `BILINEAR` does it: a triangle whose width follows the reduction, so nothing aliases.

use ndarray::{Array4, ArrayView4, Axis};

/// For one output pixel: the first input pixel that counts, and the weights from there on, summing to 1.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// Resizes an image `[N, C, H, W]` to `height` × `width`, in any value range.
///
/// Pixels are areas (`align_corners` false). Unlike Pillow on 8-bit pictures, nothing is rounded between the two
/// passes; on its mode `F` the numbers agree to the last bits. Sizes must be above zero.
pub fn resize(image: ArrayView4<'_, f32>, height: usize, width: usize) -> Array4<f32> {
    let (_, _, from_height, from_width) = image.dim();
    let wide =
        if from_width == width { image.to_owned() } else { pass(image, Axis(3), &taps(from_width, width)) };
    if from_height == height { wide } else { pass(wide.view(), Axis(2), &taps(from_height, height)) }
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let weight = |pixel: usize| (1.0 - ((pixel as f64 - centre + 0.5) / reach).abs()).max(0.0);
            let mut weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

/// Replaces `axis` by the weighted sums that `taps` describe.
fn pass(image: ArrayView4<'_, f32>, axis: Axis, taps: &[Taps]) -> Array4<f32> {
    let mut shape = image.raw_dim();
    shape[axis.index()] = taps.len();
    let mut out = Array4::zeros(shape);
    for (from, mut to) in image.lanes(axis).into_iter().zip(out.lanes_mut(axis)) {
        for (value, taps) in to.iter_mut().zip(taps) {
            let pixels = from.iter().skip(taps.first);
            *value = taps
                .weights
                .iter()
                .zip(pixels)
                .map(|(weight, &pixel)| weight * f64::from(pixel))
                .sum::<f64>() as f32;
        }
    }
    out
}
