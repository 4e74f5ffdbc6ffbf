//! MobileStyleGAN (1024 px, in the W space of StyleGAN2-FFHQ), built from its published OpenVINO network.
//!
//! The published network takes one w for all layers. This module recovers the layers from the graph and
//! rebuilds the network with one style for each layer, in a mathematically equivalent form that runs and
//! differentiates faster (measured in `docs/performance.md`):
//!
//! - A style multiplies the 1×1 weight that follows the depthwise convolution, never the activations. Both
//!   are diagonal in the channels, so they commute.
//! - The inverse Haar transform is one transposed convolution in groups of four channels, with the style
//!   folded in. The preceding layer therefore produces its channels in group order: the rows of its weight
//!   are permuted.

mod structure;

use super::layers::named_weight;
use crate::ConvAttrs;
use crate::{Attrs, Builder, Expr, Graph, Result, Tensor};
use structure::{Block, Layer, Style, bad};

/// The generator in the form that a bundle uses.
#[derive(Clone, Debug)]
pub struct MobileStyleGan {
    /// `ws` `[1, 23, 512]` → `image` `[1, 3, 1024, 1024]`, about `[-1, 1]`.
    pub generator: Graph,
    /// Names of the dense convolution weights, in forward order: `conv1.weight` `[O, I, 3, 3]`, the others `[O, I, 1, 1]`.
    pub tunable: Vec<String>,
    /// Height and width of the image.
    pub resolution: usize,
}

/// Builds the generator from the synthesis network that [`crate::openvino::read`] returns.
///
/// The style layers are, in order: `conv1` at 4 px; `up`, `conv1`, `conv2` for each further resolution; `to_img`.
///
/// # Errors
/// [`crate::Error::Model`] if the graph is not MobileStyleGAN's; it says what was found instead.
pub fn build(synthesis: &Graph) -> Result<MobileStyleGan> {
    let s = structure::read(synthesis)?;
    let b = Builder::new();
    let ws = b.input("ws", &[1, 2 + 3 * s.blocks.len(), s.style_width]);
    let mut net = SynthesisBuilder { b: &b, ws, next: 0, tunable: vec![] };
    let constant = b.weight("constant", s.constant.clone()); // [1, C, 4, 4]
    let mut x = net.layer("conv1", constant, &s.conv1, true)?;
    for (k, block) in s.blocks.iter().enumerate() {
        x = net.block(&format!("layers.{k}"), x, block, k + 1 < s.blocks.len())?;
    }
    let wavelets = net.layer("to_img", x, &s.to_img, true)?;
    let image = inverse_haar(wavelets, None);
    let (tunable, resolution) = (net.tunable, image.dim(2));
    b.output("image", image);
    Ok(MobileStyleGan { generator: b.finish()?, tunable, resolution })
}

struct SynthesisBuilder<'g> {
    b: &'g Builder,
    ws: Expr<'g>,
    /// Number of style layers added so far.
    next: usize,
    tunable: Vec<String>,
}

impl<'g> SynthesisBuilder<'g> {
    /// `[4c, h, w]` → `[O, 2h, 2w]`. `grouped`: an inverse Haar transform follows.
    fn block(&mut self, name: &str, x: Expr<'g>, block: &Block, grouped: bool) -> Result<Expr<'g>> {
        let order = group_order(x.dim(1));
        let style = self.style(&format!("{name}.up"), &block.up, &order)?;
        let x = inverse_haar(x, Some(style));
        let x = self.layer(&format!("{name}.conv1"), x, &block.conv1, false)?;
        self.layer(&format!("{name}.conv2"), x, &block.conv2, grouped)
    }

    /// lrelu(W ⊙ style · depthwise(x) + bias + noise). `grouped`: the output channels are in the order of
    /// [`group_order`].
    fn layer(&mut self, name: &str, x: Expr<'g>, layer: &Layer, grouped: bool) -> Result<Expr<'g>> {
        let [o, i, k, _] = *layer.weight.shape() else {
            return Err(bad("a weight is not of shape [O, I, k, k]"));
        };
        if i != x.dim(1) {
            return Err(bad(&format!(
                "`{name}` takes {i} channels, but the preceding layer has {}",
                x.dim(1)
            )));
        }
        let rows: Vec<usize> = if grouped { group_order(o) } else { (0..o).collect() };
        let weight = format!("{name}.weight");
        let w = self.permuted(&weight, &layer.weight, &rows)?;
        self.tunable.push(weight);
        let style = self.style(name, &layer.style, &(0..i).collect::<Vec<_>>())?;
        let style = style.reshape(&[1, i, 1, 1]);
        // The 3×3 weight at 4 px is much larger than the feature map: modulate the feature map.
        let (x, w) = if k > 1 { (x * style, w) } else { (x, w * style) };
        let x = match &layer.depthwise {
            Some(kernel) => {
                let kernel = self.b.weight(&format!("{name}.depthwise"), kernel.clone());
                x.conv(kernel, &ConvAttrs::same(1).groups(i))
            }
            None => x,
        };
        let bias = self.permuted(&format!("{name}.bias"), &layer.bias, &rows)?;
        let pads = Attrs::new().ints("pads", &[k as i64 / 2; 4]);
        let y = self.b.op("Conv", &[Some(x), Some(w), Some(bias)], pads)[0];
        Ok(match &layer.noise {
            Some(noise) => (y + self.b.weight(&format!("{name}.noise"), noise.clone())).leaky_relu(0.2),
            None => y,
        })
    }

    /// `scale · (A ws[k] + b)` of the next style layer k, `[1, C]`, with the channels in the order of `rows`.
    fn style(&mut self, name: &str, style: &Style, rows: &[usize]) -> Result<Expr<'g>> {
        let k = self.next as i64;
        self.next += 1;
        let w = self.ws.slice(&[1], &[k], &[k + 1], &[1]).reshape(&[1, self.ws.dim(2)]);
        let scaled = |t: &Tensor| {
            let values = t.as_f32().map(|v| v.iter().map(|x| x * style.scale).collect());
            values.and_then(|v| Tensor::f32(t.shape(), v)).ok_or_else(|| bad("a style is not f32"))
        };
        let a = self.permuted(&format!("{name}.modulation.weight"), &scaled(&style.weight)?, rows)?;
        let bias = self.permuted(&format!("{name}.modulation.bias"), &scaled(&style.bias)?, rows)?;
        Ok(w.gemm(a, false, true) + bias)
    }

    /// The weight whose row r is row `rows[r]` of `t`.
    fn permuted(&self, name: &str, t: &Tensor, rows: &[usize]) -> Result<Expr<'g>> {
        let values = t.as_f32().filter(|v| t.shape().first() == Some(&rows.len()) && !v.is_empty());
        let values = values.ok_or_else(|| bad(&format!("`{name}` has the shape {:?}", t.shape())))?;
        let width = values.len() / rows.len();
        let moved = rows.iter().flat_map(|&r| &values[r * width..(r + 1) * width]).copied().collect();
        Ok(named_weight(self.b, name, t.shape(), moved))
    }
}

/// The published order of 4c wavelet channels is c averages, then c triples of details. In group order, each
/// channel's average is followed by its three details. Element r is the published index of channel r.
fn group_order(channels: usize) -> Vec<usize> {
    let c = channels / 4;
    (0..c).flat_map(|g| [g, c + 3 * g, c + 3 * g + 1, c + 3 * g + 2]).collect()
}

/// The inverse Haar transform, `[1, 4c, h, w]` in group order → `[1, c, 2h, 2w]`:
/// `y[2h+i, 2w+j] = ½ (a + (−1)ⁱ r + (−1)ʲ s + (−1)ⁱ⁺ʲ t)`, with each channel first
/// multiplied by its style `[1, 4c]`.
fn inverse_haar<'g>(x: Expr<'g>, style: Option<Expr<'g>>) -> Expr<'g> {
    let (b, channels) = (x.builder(), x.dim(1));
    #[rustfmt::skip]
    let kernels = [
        0.5,  0.5,  0.5,  0.5,
        0.5,  0.5, -0.5, -0.5,
        0.5, -0.5,  0.5, -0.5,
        0.5, -0.5, -0.5,  0.5,
    ];
    let kernels = b.values(&[channels, 1, 2, 2], &kernels.repeat(channels / 4));
    let kernels = style.map_or(kernels, |s| kernels * s.reshape(&[channels, 1, 1, 1]));
    x.conv_transpose(kernels, &ConvAttrs::same(0).stride(2).groups(channels / 4), &[])
}
