//! The backbone of faceres (MobileNet v1, 224 px), shared by the identity features and the encoder.
//!
//! The published graph is channels-last, with a Transpose around each convolution and ReLU6 as three ops.
//! This module builds the same network channels-first from the published weights.

use super::layers::named_weight;
use crate::{Attrs, Builder, Error, Expr, Graph, Result};

/// Stride of the depthwise convolutions of blocks 1 to 13.
const STRIDES: [i64; 13] = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1];

/// Channel means in the order blue, green, red, subtracted from values in 0 … 255.
const MEANS: [f32; 3] = [103.94, 116.78, 123.68];

/// The feature maps of the backbone.
pub(super) struct Backbone<'g> {
    /// The convolution of block 5 before its bias, `[1, 256, 28, 28]`.
    pub block5: Expr<'g>,
    /// The convolution of block 11 before its bias, `[1, 512, 14, 14]`.
    pub block11: Expr<'g>,
    /// The last feature map, `[1, 1024, 7, 7]`, in 0 … 6.
    pub last: Expr<'g>,
}

/// The backbone's weights: added to a builder once, and shared by all uses.
pub(super) struct Weights<'g> {
    conv1: (Expr<'g>, Expr<'g>),
    blocks: Vec<[(Expr<'g>, Expr<'g>); 2]>,
}

impl<'g> Weights<'g> {
    /// Takes the weights from the published network, or from any graph with the same weight names.
    pub fn new(b: &'g Builder, published: &Graph) -> Result<Weights<'g>> {
        let values = |name: &str| {
            let tensor = published.find_constant(name)?;
            let values = tensor.as_f32();
            let values = values.ok_or_else(|| Error::Model(format!("the weight `{name}` is not f32")))?;
            Ok::<_, Error>((tensor.shape().to_vec(), values.to_vec()))
        };
        let weight = |name: &str, to: &str| values(name).map(|(shape, v)| named_weight(b, to, &shape, v));
        let pair = |w: &str, bias: &str, to: &str| {
            Ok::<_, Error>((weight(w, &format!("{to}.weight"))?, weight(bias, &format!("{to}.bias"))?))
        };
        let block = |k: usize| {
            let (dw, pw) = (format!("conv_dw_{k}"), format!("conv_pw_{k}_bn/batchnorm_1"));
            // Depthwise: the batch normalization's factor is folded into the weight.
            let (shape, w) = values(&format!("{dw}/depthwise_w"))?;
            let (_, factor) = values(&format!("{dw}_bn/batchnorm_1/mul"))?;
            let scaled = w.chunks(9).zip(&factor).flat_map(|(taps, &f)| taps.iter().map(move |t| t * f));
            let depthwise = named_weight(b, &format!("{dw}.weight"), &shape, scaled.collect());
            let bias = weight(&format!("{dw}_bn/batchnorm_1/sub"), &format!("{dw}.bias"))?;
            let pointwise = pair(&format!("{pw}/mul_1_w"), &format!("{pw}/sub"), &format!("conv_pw_{k}"))?;
            Ok::<_, Error>([(depthwise, bias), pointwise])
        };
        Ok(Weights {
            conv1: pair("conv1_bn/batchnorm_1/mul_1_w", "conv1_bn/batchnorm_1/sub", "conv1")?,
            blocks: (1..=13).map(block).collect::<Result<_>>()?,
        })
    }
}

/// Runs the backbone on `image` `[1, 3, h, w]`, RGB in `[-1, 1]`: resizes to 224 px, swaps to BGR, subtracts
/// the means.
pub(super) fn backbone<'g>(weights: &Weights<'g>, image: Expr<'g>) -> Backbone<'g> {
    let b = image.builder();
    let small = resized(image, 224);
    let red_last = b.constant(crate::Tensor::ints(&[2, 1, 0]));
    let bgr = b.op("Gather", &[Some(small), Some(red_last)], Attrs::new().int("axis", 1))[0];
    let x = bgr * 127.5 + b.values(&[1, 3, 1, 1], &MEANS.map(|m| 127.5 - m));
    let x = relu6(conv(x, weights.conv1.0, Some(weights.conv1.1), 2, 1));

    let (mut x, mut before_bias) = (x, Vec::with_capacity(13));
    for ([depthwise, pointwise], stride) in weights.blocks.iter().zip(STRIDES) {
        let groups = x.dim(1);
        x = relu6(conv(x, depthwise.0, Some(depthwise.1), stride, groups));
        let y = conv(x, pointwise.0, None, 1, 1);
        before_bias.push(y);
        x = relu6(y + pointwise.1.reshape(&[1, y.dim(1), 1, 1]));
    }
    Backbone { block5: before_bias[4], block11: before_bias[10], last: x }
}

/// Convolution with TensorFlow's SAME padding of an even size: at stride 2, the odd pixel of padding is at
/// the end.
fn conv<'g>(x: Expr<'g>, w: Expr<'g>, bias: Option<Expr<'g>>, stride: i64, groups: usize) -> Expr<'g> {
    let pads = match (w.dim(2), stride) {
        (1, _) => [0; 4],
        (_, 2) => [0, 0, 1, 1],
        _ => [1; 4],
    };
    let attrs = Attrs::new().ints("pads", &pads).ints("strides", &[stride; 2]).int("group", groups as i64);
    x.builder().op("Conv", &[Some(x), Some(w), bias], attrs)[0]
}

fn relu6(x: Expr<'_>) -> Expr<'_> {
    let b = x.builder();
    b.op("Clip", &[Some(x), Some(b.scalar(0.0)), Some(b.scalar(6.0))], Attrs::new())[0]
}

/// Bilinear resize with half-pixel centers, without antialiasing.
fn resized(x: Expr<'_>, size: usize) -> Expr<'_> {
    let sizes = x.builder().constant(crate::Tensor::ints(&[1, x.dim(1) as i64, size as i64, size as i64]));
    let attrs = Attrs::new().str("mode", "linear").str("coordinate_transformation_mode", "half_pixel");
    x.builder().op("Resize", &[Some(x), None, None, Some(sizes)], attrs)[0]
}
