//! Layers that several networks share, built from a checkpoint's tensors; batch normalization is folded into
//! convolutions.

use crate::checkpoint::Checkpoint;
use crate::{Attrs, Builder, Error, Expr, Result, Tensor};

/// Added to the variance in PyTorch's batch normalization.
const BN_EPS: f32 = 1e-5;

/// Added to the squared norm: a zero vector stays zero, and its gradient is zero instead of NaN.
const EPSILON: f32 = 1e-12;

/// A batch normalization in inference mode: y = factor ⊙ (x − mean) + bias.
pub(super) struct BatchNorm {
    factor: Vec<f32>,
    mean: Vec<f32>,
    bias: Vec<f32>,
}

impl BatchNorm {
    /// Reads a batch normalization of `n` channels. Gain and bias are optional, as with PyTorch's
    /// `affine=False`.
    pub fn read(c: &Checkpoint, prefix: &str, n: usize) -> Result<BatchNorm> {
        let get = |part: &str| c.values(&format!("{prefix}.{part}"), &[n]);
        let learned = |part: &str, default: f32| match c.shape(&format!("{prefix}.{part}")) {
            Some(_) => get(part).map(<[f32]>::to_vec),
            None => Ok(vec![default; n]),
        };
        let (gain, bias) = (learned("weight", 1.0)?, learned("bias", 0.0)?);
        let factor = gain.iter().zip(get("running_var")?).map(|(g, v)| g / (v + BN_EPS).sqrt()).collect();
        Ok(BatchNorm { factor, mean: get("running_mean")?.to_vec(), bias })
    }

    /// Its result for a value that is constant within each channel.
    fn map_constant(&self, constant: impl Fn(usize) -> f32) -> Vec<f32> {
        let channel = |i| (constant(i) - self.mean[i]) * self.factor[i] + self.bias[i];
        (0..self.mean.len()).map(channel).collect()
    }

    /// Applies it to x `[N, C, …]`. It cannot be folded into a zero-padded convolution that follows it.
    pub fn apply<'g>(&self, x: Expr<'g>, name: &str) -> Expr<'g> {
        let (b, n) = (x.builder(), self.factor.len());
        let shape: Vec<usize> = (0..x.shape().len()).map(|i| if i == 1 { n } else { 1 }).collect();
        let factor = named_weight(b, &format!("{name}.factor"), &shape, self.factor.clone());
        x * factor + named_weight(b, &format!("{name}.shift"), &shape, self.map_constant(|_| 0.0))
    }
}

/// The convolution `key` `[O, I, k, k]` with padding k/2, with the batch normalization `bn` that follows it
/// folded in.
pub(super) fn conv_bn<'g>(
    c: &Checkpoint,
    x: Expr<'g>,
    key: &str,
    bn: &str,
    stride: usize,
) -> Result<Expr<'g>> {
    let weight = c.get(&format!("{key}.weight"))?;
    let shape = weight.shape();
    let (o, k) = (shape.first().copied().unwrap_or(0), shape.last().copied().unwrap_or(1));
    let norm = BatchNorm::read(c, bn, o)?;
    let weight = c.values(&format!("{key}.weight"), shape)?;
    let rows = weight.chunks_exact((weight.len() / o.max(1)).max(1));
    let w = rows.zip(&norm.factor).flat_map(|(row, &f)| row.iter().map(move |v| v * f)).collect();
    let shift = match c.shape(&format!("{key}.bias")) {
        Some(_) => {
            let bias = c.values(&format!("{key}.bias"), &[o])?;
            norm.map_constant(|i| bias[i])
        }
        None => norm.map_constant(|_| 0.0),
    };
    // The two are now one layer: `conv1.0` and `conv1.1` become `conv1`.
    let (b, name) = (x.builder(), key.trim_end_matches(".0"));
    let w = named_weight(b, &format!("{name}.weight"), shape, w);
    let shift = named_weight(b, &format!("{name}.bias"), &[o], shift);
    Ok(conv_op(x, w, Some(shift), stride, k / 2))
}

/// The convolution `key` with padding `pad`; its bias is optional.
pub(super) fn conv<'g>(
    c: &Checkpoint,
    x: Expr<'g>,
    key: &str,
    stride: usize,
    pad: usize,
) -> Result<Expr<'g>> {
    let b = x.builder();
    let weight = b.weight(&format!("{key}.weight"), c.get(&format!("{key}.weight"))?.clone());
    let bias = c.get(&format!("{key}.bias")).ok().map(|t| b.weight(&format!("{key}.bias"), t.clone()));
    Ok(conv_op(x, weight, bias, stride, pad))
}

fn conv_op<'g>(x: Expr<'g>, w: Expr<'g>, bias: Option<Expr<'g>>, stride: usize, pad: usize) -> Expr<'g> {
    let attrs = Attrs::new().ints("pads", &[pad as i64; 4]);
    let attrs = if stride == 1 { attrs } else { attrs.ints("strides", &[stride as i64; 2]) };
    x.builder().op("Conv", &[Some(x), Some(w), bias], attrs)[0]
}

/// The fully connected layer `key` on x `[N, I]`, with its weights multiplied by `scale`.
pub(super) fn linear<'g>(c: &Checkpoint, x: Expr<'g>, key: &str, scale: f32) -> Result<Expr<'g>> {
    let (b, bias) = (x.builder(), format!("{key}.bias"));
    let weight = b.weight(&format!("{key}.weight"), c.get(&format!("{key}.weight"))?.clone());
    let bias = b.weight(&bias, c.get(&bias)?.clone());
    let y = x.gemm(weight, false, true);
    Ok(if scale == 1.0 { y + bias } else { y * scale + bias })
}

/// Normalizes the rows of x `[N, C]` to length 1.
pub(super) fn l2_normalize(x: Expr<'_>) -> Expr<'_> {
    x / (x.square().sum(&[1], true) + EPSILON).sqrt()
}

/// A weight: a constant that keeps its name in the written file.
pub(super) fn named_weight<'g>(b: &'g Builder, name: &str, shape: &[usize], values: Vec<f32>) -> Expr<'g> {
    match Tensor::f32(shape, values) {
        Some(t) => b.weight(name, t),
        None => b.fail(Error::Model(format!("`{name}` does not fill the shape {shape:?}"))),
    }
}
