//! Multi-layer face-parsing features: the contracting path of the CelebAMask-HQ U-Net (E2Style's loss).
//!
//! The features are the outputs of the four pooling layers and of the center, each to be compared by 1 − cos.
//! Batch normalization is folded into the convolutions.

use super::layers::conv_bn;
use super::spec::Spec;
use crate::checkpoint::Checkpoint;
use crate::{Attrs, Builder, Expr, Graph, Result};

/// Builds the features.
///
/// Input: `image` `[1, 3, size, size]`, RGB in `[-1, 1]`, with size a multiple of 16. Outputs: `pool1` …
/// `pool4`, `center`.
///
/// # Errors
/// [`crate::Error::Model`] naming a key that is missing or has an unexpected shape.
pub fn contracting_path(checkpoint: &Checkpoint, size: usize) -> Result<Graph> {
    spec().check(checkpoint)?;
    let b = Builder::new();
    let mut x = b.input("image", &[1, 3, size, size]);
    for level in 1..=4 {
        let y = conv_block(checkpoint, &format!("conv{level}"), x)?;
        let halves = Attrs::new().ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]);
        x = b.op("MaxPool", &[Some(y)], halves)[0];
        b.output(&format!("pool{level}"), x);
    }
    b.output("center", conv_block(checkpoint, "center", x)?);
    b.finish()
}

/// Twice: 3×3 convolution, batch normalization, ReLU.
fn conv_block<'g>(c: &Checkpoint, name: &str, x: Expr<'g>) -> Result<Expr<'g>> {
    ["conv1", "conv2"].into_iter().try_fold(x, |x, half| {
        let layer = format!("{name}.{half}");
        Ok(conv_bn(c, x, &format!("{layer}.0"), &format!("{layer}.1"), 1)?.relu())
    })
}

/// The keys of the whole U-Net, as in the file.
fn spec() -> Spec {
    let mut spec = Spec::default();
    let conv_block = |spec: &mut Spec, name: &str, from: &str, to: &str| {
        for (half, from) in [("conv1", from), ("conv2", to)] {
            spec.layer(&format!("{name}.{half}.0"), &format!("{to} {from} 3 3"));
            spec.batch_norm(&format!("{name}.{half}.1"), to);
        }
    };
    let widths = ["3", "f1", "f2", "f3", "f4", "f5"];
    for level in 1..=4 {
        conv_block(&mut spec, &format!("conv{level}"), widths[level - 1], widths[level]);
    }
    conv_block(&mut spec, "center", "f4", "f5");
    for level in (1..=4).rev() {
        let (below, here, name) = (widths[level + 1], widths[level], format!("up_concat{level}"));
        // The upsampled deeper map is concatenated with the map of the contracting path: twice the output
        // channels.
        conv_block(&mut spec, &format!("{name}.conv"), &format!("2*{here}"), here);
        spec.tensor(format!("{name}.up.weight"), &format!("{below} {here} 2 2"));
        spec.tensor(format!("{name}.up.bias"), here);
    }
    spec.layer("final", "19 f1 1 1");
    spec
}
