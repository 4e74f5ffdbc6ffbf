//! Multi-layer face-parsing features: the contracting path of the CelebAMask-HQ U-Net (E2Style's loss).
//!
//! Features are the four outputs of the pooling layers and the centre, to be compared one by one with 1 − cos.
//! Batch normalisation is folded into the convolutions.

use super::named;
use crate::checkpoint::Checkpoint;
use crate::{Attrs, Builder, Expr, Graph, Result};

/// Added to the variance in PyTorch's batch normalisation.
const BN_EPS: f32 = 1e-5;

/// In: `image` `[1, 3, size, size]`, RGB in `[-1, 1]`, size a multiple of 16. Out: `pool1` … `pool4`, `center`.
///
/// # Errors
/// [`crate::Error::Model`] naming a key that is missing or of an unexpected shape.
pub fn contracting_path(checkpoint: &Checkpoint, size: usize) -> Result<Graph> {
    let b = Builder::new();
    let mut x = b.input("image", &[1, 3, size, size]);
    for level in 1..=4 {
        let y = double(checkpoint, &format!("conv{level}"), x)?;
        let halves = Attrs::new().ints("kernel_shape", &[2, 2]).ints("strides", &[2, 2]);
        x = b.op("MaxPool", &[Some(y)], halves)[0];
        b.output(&format!("pool{level}"), x);
    }
    b.output("center", double(checkpoint, "center", x)?);
    b.finish()
}

/// Twice convolution 3×3, batch normalisation, ReLU.
fn double<'g>(c: &Checkpoint, name: &str, x: Expr<'g>) -> Result<Expr<'g>> {
    let mut x = x;
    for half in ["conv1", "conv2"] {
        let prefix = format!("{name}.{half}");
        let o = c.get(&format!("{prefix}.0.bias"))?.len();
        let get = |part: &str| c.values(&format!("{prefix}.{part}"), &[o]);
        let shape = [o, x.dim(1), 3, 3];
        let weight = c.values(&format!("{prefix}.0.weight"), &shape)?;
        let (bias, gain, shift) = (get("0.bias")?, get("1.weight")?, get("1.bias")?);
        let (mean, var) = (get("1.running_mean")?, get("1.running_var")?);
        // y = gain (w·x + bias − mean) / √(var + ε) + shift
        let factor: Vec<f32> = gain.iter().zip(var).map(|(g, v)| g / (v + BN_EPS).sqrt()).collect();
        let rows = weight.chunks_exact(weight.len() / o);
        let w: Vec<f32> = rows.zip(&factor).flat_map(|(row, &f)| row.iter().map(move |v| v * f)).collect();
        let offset = bias.iter().zip(mean).zip(shift.iter().zip(&factor));
        let offset: Vec<f32> = offset.map(|((b, m), (s, f))| (b - m) * f + s).collect();
        let b = x.builder();
        let w = named(b, &format!("{prefix}.weight"), &shape, w);
        let offset = named(b, &format!("{prefix}.bias"), &[o], offset);
        let padded = Attrs::new().ints("pads", &[1; 4]);
        x = b.op("Conv", &[Some(x), Some(w), Some(offset)], padded)[0].relu();
    }
    Ok(x)
}
