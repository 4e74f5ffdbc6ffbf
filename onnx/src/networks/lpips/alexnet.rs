//! LPIPS v0.1 as published: torchvision's AlexNet and the linear heads of `lpips/weights/v0.1/alex.pth`.

use super::features::phi;
use crate::checkpoint::Checkpoint;
use crate::networks::layers::conv;
use crate::networks::spec::Spec;
use crate::{Attrs, Builder, Expr, Graph, Result};

/// ImageNet mean and standard deviation for images in `[-1, 1]`.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// The convolutions: (index in `features`, shape, stride, padding).
const LAYERS: [(usize, &str, usize, usize); 5] = [
    (0, "64 3 11 11", 4, 2),
    (3, "192 64 5 5", 1, 2),
    (6, "384 192 3 3", 1, 1),
    (8, "256 384 3 3", 1, 1),
    (10, "256 256 3 3", 1, 1),
];

/// Builds the features from `backbone`, which holds `features.*`, and `heads`, which holds `lin*`; they may
/// be the same file. Input and outputs are those of [`shift_tolerant`](fn@super::shift_tolerant).
///
/// # Errors
/// [`crate::Error::Model`] naming a key that is missing or has an unexpected shape.
pub fn official(backbone: &Checkpoint, heads: &Checkpoint, size: usize) -> Result<Graph> {
    let mut features = Spec::default();
    let mut lins = Spec::default();
    for (l, (index, shape, ..)) in LAYERS.into_iter().enumerate() {
        let channels = shape.split(' ').next().unwrap_or_default();
        features.layer(&format!("features.{index}"), shape);
        lins.tensor(format!("lin{l}.model.1.weight"), &format!("1 {channels} 1 1"));
    }
    features.check(backbone)?;
    lins.check(heads)?;

    let b = Builder::new();
    let colors = |values: &[f32; 3]| b.values(&[1, 3, 1, 1], values);
    let mut x = (b.input("image", &[1, 3, size, size]) - colors(&SHIFT)) / colors(&SCALE);
    for (l, (index, _, stride, pad)) in LAYERS.into_iter().enumerate() {
        if l == 1 || l == 2 {
            x = max_pool(x);
        }
        x = conv(backbone, x, &format!("features.{index}"), stride, pad)?.relu();
        b.output(&format!("phi{l}"), phi(&b, l, x, heads.get(&format!("lin{l}.model.1.weight"))?)?);
    }
    b.finish()
}

/// 3×3 max pooling with stride 2.
fn max_pool(x: Expr<'_>) -> Expr<'_> {
    let attrs = Attrs::new().ints("kernel_shape", &[3, 3]).ints("strides", &[2, 2]);
    x.builder().op("MaxPool", &[Some(x)], attrs)[0]
}
