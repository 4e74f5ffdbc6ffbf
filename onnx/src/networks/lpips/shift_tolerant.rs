//! Shift-tolerant LPIPS (AlexNet), built from its published two-image network.

use super::features::phi;
use crate::{Attrs, Builder, ConvAttrs, Expr, Graph, Result, Tensor};

/// Names of the backbone's convolutions in the file.
const CONVOLUTIONS: [&str; 5] = ["slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13"];

/// The features of shift-tolerant LPIPS (AlexNet), built from its published two-image network.
///
/// Input: `image` `[1, 3, size, size]`, RGB in `[-1, 1]`. Outputs: `phi0` … `phi4`, `[1, C, H, W]` each, not
/// divided by H·W. The graph is fully convolutional and may be read again for another size.
///
/// # Errors
/// [`crate::Error::Input`] or [`crate::Error::Model`] naming a weight that `two_images` lacks or that does
/// not fit.
pub fn shift_tolerant(two_images: &Graph, size: usize) -> Result<Graph> {
    let b = Builder::new();
    let image = b.input("image", &[1, 3, size, size]);
    let conv = |x, i: usize, pad| convolution(two_images, x, CONVOLUTIONS[i], pad);
    let x = (image - weight(&b, two_images, "shift")?) / weight(&b, two_images, "scale")?;
    let r1 = first_layer(two_images, x)?.relu();
    let r2 = conv(blur_pool(max_pool(r1)), 1, 2)?.relu();
    let r3 = conv(blur_pool(max_pool(r2)), 2, 1)?.relu();
    let r4 = conv(r3, 3, 1)?.relu();
    let r5 = conv(r4, 4, 1)?.relu();
    for (l, f) in [r1, r2, r3, r4, r5].into_iter().enumerate() {
        let lin = two_images.find_constant(&format!("lin{l}"))?;
        b.output(&format!("phi{l}"), phi(&b, l, f, lin)?);
    }
    b.finish()
}

fn weight<'g>(b: &'g Builder, from: &Graph, name: &str) -> Result<Expr<'g>> {
    Ok(b.weight(name, from.find_constant(name)?.clone()))
}

fn convolution<'g>(from: &Graph, x: Expr<'g>, name: &str, pad: i64) -> Result<Expr<'g>> {
    let b = x.builder();
    let (w, bias) = (weight(b, from, &format!("net.{name}.w"))?, weight(b, from, &format!("net.{name}.b"))?);
    Ok(b.op("Conv", &[Some(x), Some(w), Some(bias)], Attrs::new().ints("pads", &[pad; 4]))[0])
}

/// 3×3 max pooling with stride 1, as rows and then columns: the gradient has six taps instead of nine.
fn max_pool(x: Expr<'_>) -> Expr<'_> {
    let b = x.builder();
    let rows = b.op("MaxPool", &[Some(x)], Attrs::new().ints("kernel_shape", &[3, 1]))[0];
    b.op("MaxPool", &[Some(rows)], Attrs::new().ints("kernel_shape", &[1, 3]))[0]
}

/// The first convolution, 11×11 with padding 2, and the [`blur_pool`] that follows it, as one 13×13
/// convolution with stride 2: a third of the work, and a seventh in the gradient.
///
/// With an even number n of conv_op rows c, the pooled row k ≥ 1 is `(c[2k−2] + 2c[2k−1] + c[2k])/4`. At
/// the reflected border, row 0 equals row 1, and the last row is `(c[n−2] + c[n−1])/2`: the same convolution
/// with another kernel.
fn first_layer<'g>(from: &Graph, x: Expr<'g>) -> Result<Expr<'g>> {
    let (b, name) = (x.builder(), CONVOLUTIONS[0]);
    let w = from.find_constant(&format!("net.{name}.w"))?;
    let bias = weight(b, from, &format!("net.{name}.b"))?;
    if !x.dim(2).is_multiple_of(2) || !x.dim(3).is_multiple_of(2) || w.shape()[2..] != [11, 11] {
        return Ok(blur_pool(convolution(from, x, name, 2)?));
    }
    let (blur, last): (&[f64], &[f64]) = (&[0.25, 0.5, 0.25], &[0.5, 0.5]);
    let padded = x.pad(&[0, 0, 2, 2], &[0, 0, 2, 2]);
    // The part of the result along rows and columns: all but the last, or the last.
    let part = |rows: &[f64], columns: &[f64], label: &str| {
        let w = b.weight(&format!("net.{name}.{label}"), compose_kernels(w, rows, columns)?);
        let seen = [(2, rows), (3, columns)].into_iter().filter(|(_, taps)| taps.len() == 2);
        let seen = seen.fold(padded, |x, (axis, _)| x.slice(&[axis], &[-12], &[i64::MAX], &[1]));
        let attrs = Attrs::new().ints("strides", &[2, 2]);
        Ok::<_, crate::Error>(b.op("Conv", &[Some(seen), Some(w), Some(bias)], attrs)[0])
    };
    let upper = b.concat(&[part(blur, blur, "pooled")?, part(blur, last, "right")?], 3);
    let lower = b.concat(&[part(last, blur, "lower")?, part(last, last, "corner")?], 3);
    let y = b.concat(&[upper, lower], 2);
    let y = b.concat(&[y.slice(&[2], &[0], &[1], &[1]), y], 2);
    Ok(b.concat(&[y.slice(&[3], &[0], &[1], &[1]), y], 3))
}

/// The kernel that convolves with w `[O, C, h, w]` and then takes sums of neighboring results, weighted by
/// `rows` ⊗ `columns`.
fn compose_kernels(w: &Tensor, rows: &[f64], columns: &[f64]) -> Result<Tensor> {
    let [o, c, h, v] = *w.shape() else { return Err(crate::Error::Model("a kernel that is not 2-D".into())) };
    let (tall, wide) = (h + rows.len() - 1, v + columns.len() - 1);
    let mut out = vec![0.0; o * c * tall * wide];
    for (plane, kernel) in out.chunks_exact_mut(tall * wide).zip(w.to_f64().chunks_exact(h * v)) {
        for (i, &value) in kernel.iter().enumerate() {
            for (dy, row) in rows.iter().enumerate() {
                for (dx, column) in columns.iter().enumerate() {
                    plane[(i / v + dy) * wide + i % v + dx] += value * row * column;
                }
            }
        }
    }
    Tensor::from_f64(&[o, c, tall, wide], &out, crate::DType::F32)
        .ok_or_else(|| crate::Error::Model("an empty kernel".into()))
}

/// Antialiased downsampling by two: `[1,2,1]`⊗`[1,2,1]`/16 with stride 2 and reflection padding of 2.
fn blur_pool(x: Expr<'_>) -> Expr<'_> {
    let (b, c) = (x.builder(), x.dim(1));
    let pads = b.constant(Tensor::ints(&[0, 0, 2, 2, 0, 0, 2, 2]));
    let padded = b.op("Pad", &[Some(x), Some(pads)], Attrs::new().str("mode", "reflect"))[0];
    let kernel = [1.0f32, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|v| v / 16.0);
    padded.conv(b.values(&[c, 1, 3, 3], &kernel.repeat(c)), &ConvAttrs::same(0).stride(2).groups(c))
}
