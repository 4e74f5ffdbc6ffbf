//! MoCo v2's ResNet-50: the identity features for images that do not show faces (e4e's `moco_loss`).

use super::layers::{conv_bn, l2_normalize};
use super::spec::Spec;
use crate::checkpoint::Checkpoint;
use crate::{Attrs, Builder, Expr, Graph, Result, Tensor};

/// Residual units of each stage.
const UNITS: [usize; 4] = [3, 4, 6, 3];

/// Input resolution of the network.
const RESOLUTION: i64 = 224;

/// Builds the features, to be compared by 1 − cos. The classifier (`fc`) is omitted.
///
/// Input: `image` `[1, 3, h, w]`, RGB in `[-1, 1]`, of any size. Output: `identity` `[1, 2048]`, a unit
/// vector.
///
/// # Errors
/// [`crate::Error::Model`] naming a key that is missing or has an unexpected shape.
pub fn features(c: &Checkpoint, [h, w]: [usize; 2]) -> Result<Graph> {
    spec().check(c)?;
    let b = Builder::new();
    let mut x = conv_bn(c, resize_nearest(b.input("image", &[1, 3, h, w])), "conv1", "bn1", 2)?.relu();
    let pool = Attrs::new().ints("kernel_shape", &[3, 3]).ints("strides", &[2, 2]).ints("pads", &[1; 4]);
    x = b.op("MaxPool", &[Some(x)], pool)[0];
    for (stage, units) in UNITS.into_iter().enumerate() {
        for i in 0..units {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            x = bottleneck(c, x, &format!("layer{}.{i}", stage + 1), stride)?;
        }
    }
    b.output("identity", l2_normalize(x.mean(&[2, 3], false)));
    b.finish()
}

/// torchvision's bottleneck: 1×1, 3×3 with the stride, 1×1; the first unit of a stage projects the shortcut.
fn bottleneck<'g>(c: &Checkpoint, x: Expr<'g>, name: &str, stride: usize) -> Result<Expr<'g>> {
    let layer =
        |x, n: usize, stride| conv_bn(c, x, &format!("{name}.conv{n}"), &format!("{name}.bn{n}"), stride);
    let y = layer(x, 1, 1)?.relu();
    let y = layer(layer(y, 2, stride)?.relu(), 3, 1)?;
    let downsample = format!("{name}.downsample");
    let shortcut = match c.get(&format!("{downsample}.0.weight")) {
        Ok(_) => conv_bn(c, x, &format!("{downsample}.0"), &format!("{downsample}.1"), stride)?,
        Err(_) => x,
    };
    Ok((y + shortcut).relu())
}

/// `F.interpolate(x, size=224)`: pixel ⌊i·n/224⌋, without antialiasing.
fn resize_nearest(x: Expr<'_>) -> Expr<'_> {
    let sizes = x.builder().constant(Tensor::ints(&[1, 3, RESOLUTION, RESOLUTION]));
    let attrs = Attrs::new()
        .str("mode", "nearest")
        .str("nearest_mode", "floor")
        .str("coordinate_transformation_mode", "asymmetric");
    x.builder().op("Resize", &[Some(x), None, None, Some(sizes)], attrs)[0]
}

fn spec() -> Spec {
    let mut spec = Spec::default();
    spec.tensor("conv1.weight", "stem 3 7 7").batch_norm("bn1", "stem");
    let mut from = "stem".to_owned();
    for (stage, units) in UNITS.into_iter().enumerate() {
        let (inner, to) = (format!("p{stage}"), format!("o{stage}"));
        for i in 0..units {
            let name = format!("layer{}.{i}", stage + 1);
            let convs = [(&inner, &from, 1), (&inner, &inner, 3), (&to, &inner, 1)];
            for (n, (o, i, k)) in convs.into_iter().enumerate() {
                spec.tensor(format!("{name}.conv{}.weight", n + 1), &format!("{o} {i} {k} {k}"));
                spec.batch_norm(&format!("{name}.bn{}", n + 1), o);
            }
            if i == 0 {
                spec.tensor(format!("{name}.downsample.0.weight"), &format!("{to} {from} 1 1"));
                spec.batch_norm(&format!("{name}.downsample.1"), &to);
            }
            from.clone_from(&to);
        }
    }
    spec
}
