//! Shapes of network outputs.

use crate::{Error, Result};
use ndarray::{Array4, ArrayD, Ix4};

/// The first output of a run.
pub(crate) fn first_output(outputs: Vec<ArrayD<f32>>) -> Result<ArrayD<f32>> {
    outputs.into_iter().next().ok_or_else(|| Error::Model("a network of the bundle has no output".into()))
}

/// A generator's output as an image `[1,3,H,W]`.
pub(crate) fn as_image(output: ArrayD<f32>) -> Result<Array4<f32>> {
    let shape = output.shape().to_vec();
    output.into_dimensionality::<Ix4>().map_err(|_| {
        Error::Model(format!("the generator's output has the shape {shape:?}, not [1, 3, H, W]"))
    })
}

/// w `[dim]` repeated to `len` numbers: the same w in every style layer.
pub(crate) fn repeat(w: &[f32], len: usize) -> Vec<f32> {
    w.iter().copied().cycle().take(len).collect()
}
