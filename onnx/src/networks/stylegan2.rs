//! StyleGAN2 from a checkpoint in rosinality's or NVlabs' layout: mapping (z → w) and synthesis (ws → image).
//!
//! The resolution, the channel widths and the number of mapping layers are read from the tensors. The
//! formulas are those of rosinality's `model.py`, in forms that are fast in ONNX Runtime: a layer's style
//! modulates the activations or the weights, whichever is smaller. The graph contains the raw weights and
//! demodulates them at run time, so that a tuned weight is demodulated again.

mod layout;

pub use layout::Layout;
pub(super) use layout::SIGNATURE_KEYS;

use super::layers::named_weight;
use super::signature;
use crate::ConvAttrs;
use crate::checkpoint::{Checkpoint, Setting};
use crate::{Attrs, Builder, Error, Expr, Graph, Result, Tensor};
use std::f32::consts::SQRT_2;

/// A generator with its mapping network.
#[derive(Clone, Debug)]
pub struct StyleGan2 {
    /// `z` `[1, 512]` → `w` `[1, 512]`.
    pub mapping: Graph,
    /// `ws` `[1, n, 512]` → `image` `[1, 3, R, R]`, about `[-1, 1]`.
    pub generator: Graph,
    /// Names of the convolution weights that tuning changes, in forward order, each `[O, I, 3, 3]`.
    pub tunable: Vec<String>,
    /// Mean of w, shape `[512]`, if the checkpoint has it.
    pub w_avg: Option<Tensor>,
    /// Height and width R of the image.
    pub resolution: usize,
}

/// Builds both graphs. The generator may be under any key prefix (`g_ema.`, `state_dict.decoder.`, …).
///
/// Weights that are used unchanged share the checkpoint's memory.
///
/// # Errors
/// [`Error::Model`] naming a key that is missing or has an unexpected shape; [`Error::Unsupported`] for a
/// class-conditional generator.
pub fn build(file: &Checkpoint) -> Result<StyleGan2> {
    // NVlabs' `.pkl` files store the bound beside the tensors; it is the same for all layers.
    let clamp = file.settings().filter(|(key, _)| key.ends_with("conv_clamp")).find_map(|(_, v)| match v {
        Setting::Int(bound) => Some(*bound as f32),
        Setting::Float(bound) => Some(*bound as f32),
        _ => None,
    });
    let prefix = SIGNATURE_KEYS.into_iter().find_map(|keys| signature::prefix(file, keys));
    let prefix = prefix.ok_or_else(|| file.bad("contains no supported StyleGAN2 generator".into()))?;
    let checkpoint = layout::checked(&file.clone().scoped(&prefix))?;
    let synthesis = Synthesis::new(&checkpoint, clamp)?;
    let b = Builder::new();
    let ws = b.input("ws", &[1, synthesis.num_ws(), synthesis.w_dim]);
    let mut tunable = Vec::new();
    b.output("image", synthesis.image(ws, &mut tunable)?);
    // e4e repeats the row for every style.
    let mean = checkpoint.unscoped("latent_avg").or_else(|| file.unscoped("latent_avg"));
    let mean = mean.and_then(|t| t.as_f32()?.get(..synthesis.w_dim).map(<[f32]>::to_vec));
    Ok(StyleGan2 {
        mapping: mapping(&checkpoint)?,
        generator: b.finish()?,
        tunable,
        w_avg: mean.and_then(|row| Tensor::f32(&[row.len()], row)),
        resolution: 4 << synthesis.blocks,
    })
}

/// A one-line description of the generator under the file's prefix.
pub(super) fn describe(file: &Checkpoint) -> String {
    let (layout, stem, first) = match Layout::detect(file) {
        Layout::Rosinality => ("rosinality", "style.", 1),
        Layout::Nvlabs => ("NVlabs", "mapping.fc", 0),
    };
    let (size, layers) = (4usize << layout::blocks(file).min(16), file.count(stem).saturating_sub(first));
    format!("StyleGAN2, {size} px, {layers} mapping layers ({layout}'s layout)")
}

/// z ← z / √(mean z² + 1e-8); then for each layer √2 · lrelu(0.01 (W z / √n + b)), with learning-rate
/// multiplier 0.01 and slope 0.2.
fn mapping(c: &Checkpoint) -> Result<Graph> {
    let b = Builder::new();
    let width = |i: usize| c.get(&format!("style.{i}.weight")).map(Tensor::shape);
    let [_, z] = *width(1)? else { return Err(c.bad("`style.1.weight` is not a matrix".into())) };
    let input = b.input("z", &[1, z]);
    let mut x = input / (input.square().mean(&[1], true) + 1e-8).sqrt();
    for i in (1..).take_while(|i| width(*i).is_ok()) {
        let n = x.dim(1);
        let out = width(i)?.first().copied().unwrap_or(0);
        let (scale, lr) = (0.01 / (n as f32).sqrt(), 0.01);
        let w = c.values(&format!("style.{i}.weight"), &[out, n])?;
        let bias = c.values(&format!("style.{i}.bias"), &[out])?;
        let w = named_weight(&b, &format!("style.{i}.weight"), &[out, n], scaled(w, scale * SQRT_2));
        let bias = named_weight(&b, &format!("style.{i}.bias"), &[out], scaled(bias, lr * SQRT_2));
        x = (x.gemm(w, false, true) + bias).leaky_relu(0.2);
    }
    b.output("w", x);
    b.finish()
}

fn scaled(values: &[f32], factor: f32) -> Vec<f32> {
    values.iter().map(|v| v * factor).collect()
}

struct Synthesis<'c> {
    checkpoint: &'c Checkpoint,
    /// Number of upsampling blocks after 4 px.
    blocks: usize,
    /// Dimension of w.
    w_dim: usize,
    /// Bound of activations and RGB values, in generators that were trained with f16 layers.
    clamp: Option<f32>,
}

impl<'c> Synthesis<'c> {
    /// `checkpoint` must have passed [`layout::checked`].
    fn new(checkpoint: &'c Checkpoint, clamp: Option<f32>) -> Result<Self> {
        let [_, w_dim] = *checkpoint.get("conv1.conv.modulation.weight")?.shape() else {
            return Err(checkpoint.bad("`conv1.conv.modulation.weight` is not a matrix".into()));
        };
        Ok(Synthesis { checkpoint, blocks: layout::blocks(checkpoint), w_dim, clamp })
    }

    fn clamped<'g>(&self, x: Expr<'g>) -> Expr<'g> {
        let Some(bound) = self.clamp else { return x };
        let b = x.builder();
        b.op("Clip", &[Some(x), Some(b.scalar(-bound)), Some(b.scalar(bound))], Attrs::new())[0]
    }

    /// Adds a weight under its own name, reshaped to `shape`; it shares the checkpoint's memory.
    fn weight<'g>(&self, b: &'g Builder, key: &str, shape: &[usize]) -> Result<Expr<'g>> {
        let tensor = self.checkpoint.get(key)?;
        let tensor = tensor.reshaped(shape).filter(|t| t.as_f32().is_some());
        let tensor = tensor.ok_or_else(|| self.checkpoint.bad(format!("`{key}` is not f32 {shape:?}")))?;
        Ok(b.weight(key, tensor))
    }

    /// conv1 and to_rgb1 read ws 0 and 1. Block k reads 2k+1 and 2k+2, and 2k+3 for its toRGB.
    fn num_ws(&self) -> usize {
        2 * self.blocks + 2
    }

    fn image<'g>(&self, ws: Expr<'g>, tunable: &mut Vec<String>) -> Result<Expr<'g>> {
        let b = ws.builder();
        let w = |i: usize| ws.slice(&[1], &[i as i64], &[i as i64 + 1], &[1]).reshape(&[1, self.w_dim]);
        let constant = self.checkpoint.get("input.input")?.clone();
        let mut x = b.weight("input.input", constant); // [1, C, 4, 4]
        let mut layer = |x, name: &str, noise: usize, w, up: bool| {
            tunable.push(format!("{name}.conv.weight"));
            self.styled_conv(x, name, noise, w, up)
        };
        x = layer(x, "conv1", 0, w(0), false)?;
        let mut rgb = self.to_rgb(x, "to_rgb1", w(1))?;
        for k in 0..self.blocks {
            let (up, same) = (2 * k, 2 * k + 1);
            x = layer(x, &format!("convs.{up}"), up + 1, w(2 * k + 1), true)?;
            x = layer(x, &format!("convs.{same}"), same + 1, w(2 * k + 2), false)?;
            let name = format!("to_rgbs.{k}");
            rgb = self.upsample(rgb, &name)? + self.to_rgb(x, &name, w(2 * k + 3))?;
        }
        Ok(rgb)
    }

    /// The style s = A w / √n + b, shape `[1, channels]`.
    fn style<'g>(&self, name: &str, w: Expr<'g>, channels: usize) -> Result<Expr<'g>> {
        let b = w.builder();
        let (weight, bias) =
            (format!("{name}.conv.modulation.weight"), format!("{name}.conv.modulation.bias"));
        let a = self.checkpoint.values(&weight, &[channels, self.w_dim])?;
        let a =
            named_weight(b, &weight, &[channels, self.w_dim], scaled(a, 1.0 / (self.w_dim as f32).sqrt()));
        Ok(w.gemm(a, false, true) + self.weight(b, &bias, &[channels])?)
    }

    /// lrelu(demodulated convolution + noise + bias) · √2. lrelu is homogeneous, so the factor √2 moves
    /// inside.
    fn styled_conv<'g>(
        &self,
        x: Expr<'g>,
        name: &str,
        noise: usize,
        w: Expr<'g>,
        up: bool,
    ) -> Result<Expr<'g>> {
        let (b, c) = (x.builder(), self.checkpoint);
        let key = format!("{name}.conv.weight");
        let [1, o, i, 3, 3] = *c.get(&key)?.shape() else {
            return Err(
                c.bad(format!("`{key}` has the shape {:?}; expected [1, O, I, 3, 3]", c.get(&key)?.shape()))
            );
        };
        let weight = self.weight(b, &key, &[o, i, 3, 3])?;
        let style = self.style(name, w, i)?; // [1, I]
        let kernel = if up { Some(self.kernel(&format!("{name}.conv.blur.kernel"))?) } else { None };
        let y = modulated_conv(x, weight, style, kernel);

        let size = y.dim(2);
        let strength = c.values(&format!("{name}.noise.weight"), &[1])?[0] * SQRT_2;
        let noise = format!("noises.noise_{noise}");
        let values = scaled(c.values(&noise, &[1, 1, size, size])?, strength);
        let bias = format!("{name}.activate.bias");
        let bias_values = scaled(c.values(&bias, &[o])?, SQRT_2);
        let y = y + named_weight(b, &noise, &[1, 1, size, size], values);
        Ok(self.clamped((y + named_weight(b, &bias, &[1, o, 1, 1], bias_values)).leaky_relu(0.2)))
    }

    /// toRGB: a modulated 1×1 convolution to three channels, without demodulation. The style is folded into
    /// the small weight.
    fn to_rgb<'g>(&self, x: Expr<'g>, name: &str, w: Expr<'g>) -> Result<Expr<'g>> {
        let (b, c) = (x.builder(), self.checkpoint);
        let (i, key, bias) = (x.dim(1), format!("{name}.conv.weight"), format!("{name}.bias"));
        let values = c.values(&key, &[1, 3, i, 1, 1])?;
        let weight = named_weight(b, &key, &[3, i, 1, 1], scaled(values, 1.0 / (i as f32).sqrt()));
        let style = self.style(name, w, i)?.reshape(&[1, i, 1, 1]);
        let bias = self.weight(b, &bias, &[1, 3, 1, 1])?;
        Ok(self.clamped(x.conv(weight * style, &ConvAttrs::same(0)) + bias))
    }

    /// Upsamples the image by two: zero insertion and the 4×4 kernel (gain 4), as one transposed convolution.
    fn upsample<'g>(&self, rgb: Expr<'g>, name: &str) -> Result<Expr<'g>> {
        let kernel = self.kernel(&format!("{name}.upsample.kernel"))?;
        let weight = rgb.builder().values(&[3, 1, 4, 4], &kernel.repeat(3));
        let attrs = ConvAttrs { pads: vec![1; 4], ..ConvAttrs::same(0) }.stride(2).groups(3);
        Ok(rgb.conv_transpose(weight, &attrs, &[]))
    }

    /// A stored 4×4 kernel, including the gain.
    fn kernel(&self, key: &str) -> Result<Vec<f32>> {
        Ok(self.checkpoint.values(key, &[4, 4])?.to_vec())
    }
}

/// √2 times the modulated and demodulated 3×3 convolution of x `[1, I, H, W]`; with a blur kernel, it
/// upsamples.
///
/// y = d ⊙ conv(s ⊙ x, a·W),  a = 1/√(9 I),  d = 1/√(Σ (a W s)² + 1e-8).
fn modulated_conv<'g>(x: Expr<'g>, weight: Expr<'g>, style: Expr<'g>, kernel: Option<Vec<f32>>) -> Expr<'g> {
    let (o, i) = (weight.dim(0), weight.dim(1));
    let a = 1.0 / (9.0 * i as f32).sqrt();
    // Rows of the weight, one for each output, and the style for each element of a row. ONNX Runtime
    // multiplies equally shaped matrices, or outer products of vectors, several times faster than it
    // broadcasts one value over nine.
    let rows = weight.reshape(&[o, 9 * i]);
    let styles = style.reshape(&[i, 1]).expand(&[i, 9]).reshape(&[1, 9 * i]);
    let power = styles.square().gemm(rows.square(), false, true); // [1, O]
    let demodulate = (a * SQRT_2) / (power * (a * a) + 1e-8).sqrt();
    let convolve = |x: Expr<'g>, w: Expr<'g>| match &kernel {
        None => x.conv(w, &ConvAttrs::same(1)),
        Some(kernel) => {
            let wide = x.conv_transpose(w.transpose(&[1, 0, 2, 3]), &ConvAttrs::same(0).stride(2), &[]);
            blur(wide, kernel)
        }
    };
    if modulates_weights(&x.shape(), o) {
        let w = rows * demodulate.gemm(styles, true, false); // d ⊗ s
        convolve(x, w.reshape(&[o, i, 3, 3]))
    } else {
        convolve(x * style.reshape(&[1, i, 1, 1]), weight) * demodulate.reshape(&[1, o, 1, 1])
    }
}

/// Whether the style modulates the weights `[O, I, 3, 3]` or the activations: the smaller of the two.
fn modulates_weights(x: &[usize], o: usize) -> bool {
    let [_, i, h, w] = *x else { return false };
    9 * i * o < (i + o) * h * w
}

/// The 4×4 blur of `[1, C, 2H+1, 2W+1]` to 2H × 2W, as a depthwise convolution. A separable blur is not
/// faster.
fn blur<'g>(x: Expr<'g>, kernel: &[f32]) -> Expr<'g> {
    let c = x.dim(1);
    // upfirdn2d convolves; ONNX's Conv correlates.
    let flipped: Vec<f32> = kernel.iter().rev().copied().collect();
    let attrs = ConvAttrs { pads: vec![1; 4], ..ConvAttrs::same(0) }.groups(c);
    x.conv(x.builder().values(&[c, 1, 4, 4], &flipped.repeat(c)), &attrs)
}

impl StyleGan2 {
    /// Number n of styles in `ws`.
    ///
    /// # Errors
    /// None for a graph made by [`build`].
    pub fn num_ws(&self) -> Result<usize> {
        match *self.generator.input_shape("ws")? {
            [1, n, _] => Ok(n),
            ref other => Err(Error::Model(format!("`ws` has the shape {other:?}; expected [1, n, 512]"))),
        }
    }
}
