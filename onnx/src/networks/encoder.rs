//! This project's encoder: aligned face → w, by a linear head on feature maps of the identity network's
//! backbone.
//!
//! The encoder and the identity features share one graph with two outputs, so that the backbone's weights are
//! stored once.

use super::faceres::{Weights, backbone};
use super::identity;
use crate::{Attrs, Builder, Error, Expr, Graph, Result};

/// Builds the encoder together with the identity features.
///
/// Input: `image` `[1, 3, 256, 256]`, RGB in `[-1, 1]`. Outputs: `w` `[1, 512]`, and `identity` `[1, 1024]`,
/// a unit vector. Select one with [`only_outputs`](super::only_outputs).
///
/// `published` is the encoder as this project publishes it.
///
/// # Errors
/// [`Error::Input`] or [`Error::Model`] naming a weight that `published` lacks or that has the wrong type.
pub fn with_identity(published: &Graph) -> Result<Graph> {
    let b = Builder::new();
    let image = b.input("image", &[1, 3, identity::RESOLUTION, identity::RESOLUTION]);
    let weights = Weights::new(&b, published)?;
    b.output("w", w(&b, &weights, published, image)?);
    b.output("identity", identity::features(&weights, image));
    b.finish()
}

fn w<'g>(b: &'g Builder, weights: &Weights<'g>, published: &Graph, image: Expr<'g>) -> Result<Expr<'g>> {
    let weight = |name: &str| Ok::<_, Error>(b.weight(name, published.find_constant(name)?.clone()));
    let pool = |x: Expr<'g>, factor: i64| {
        let attrs = Attrs::new().ints("kernel_shape", &[factor; 2]).ints("strides", &[factor; 2]);
        b.op("AveragePool", &[Some(x)], attrs)[0]
    };
    let t = backbone(weights, image.slice(&[2, 3], &[1, 1], &[255, 255], &[1, 1]));
    // Each feature map is projected to its principal components; one matrix then maps the concatenation to w.
    let project = |x: Expr<'g>, name: &str| {
        let y = b.op("Conv", &[Some(x), Some(weight(name)?)], Attrs::new())[0];
        Ok::<_, Error>(y.reshape(&[1, y.size()]))
    };
    let colors = pool(image, 16);
    let parts = [
        project(t.last, "pcaA")?,
        project(pool(t.block11.relu(), 2), "pcaB")?,
        project(pool(t.block5.relu(), 2), "pcaC")?,
        colors.reshape(&[1, colors.size()]),
        t.last.mean(&[2, 3], false).sqrt(),
    ];
    Ok(b.concat(&parts, 1).gemm(weight("head")?, false, false) + weight("head_b")?)
}
