//! The encoders of e4e and of HyperStyle (its W encoder): image → styles, on the IR-SE50 backbone.

use super::ir;
use super::layers::{conv, linear, named_weight};
use super::spec::Spec;
use crate::checkpoint::Checkpoint;
use crate::{Attrs, Builder, Error, Expr, Graph, Result, Tensor};

/// Styles with an index below COARSE are read from the coarse map, those below MIDDLE from the middle map.
const COARSE: usize = 3;
const MIDDLE: usize = 7;

/// LeakyReLU slope of the heads.
const SLOPE: f32 = 0.01;

/// e4e's encoder.
///
/// Input: `image` `[1, 3, h, w]`, RGB in `[-1, 1]` (256 × 256; cars 192 × 256). Output: `ws` `[1, n, 512]`:
/// the mean latent plus w0 plus each style's offset.
///
/// # Errors
/// [`Error::Model`] naming a key that is missing or has an unexpected shape; [`Error::Input`] if the heads do
/// not reduce an image of this resolution to one pixel.
pub fn e4e(c: &Checkpoint, latent_avg: &Tensor, [h, w]: [usize; 2]) -> Result<Graph> {
    let mut spec = Spec::default();
    ir::spec(&mut spec, c)?;
    spec.layer("latlayer1", "d s2 1 1").layer("latlayer2", "d s1 1 1");
    let styles = c.count("styles.").max(1);
    for i in 0..styles {
        for k in 0..convolutions(i) {
            spec.layer(&format!("styles.{i}.convs.{}", 2 * k), "d d 3 3");
        }
        spec.layer(&format!("styles.{i}.linear"), "d d");
    }
    spec.check(c)?;

    let b = Builder::new();
    let backbone = ir::backbone(c, b.input("image", &[1, 3, h, w]))?;
    // p2 = up(c3) + latlayer1(c2), p1 = up(p2) + latlayer2(c1)
    let p2 = resize_like(backbone.c3, backbone.c2) + conv(c, backbone.c2, "latlayer1", 1, 0)?;
    let p1 = resize_like(p2, backbone.c1) + conv(c, backbone.c1, "latlayer2", 1, 0)?;
    let head = |i: usize| {
        let map = if i < COARSE {
            backbone.c3
        } else if i < MIDDLE {
            p2
        } else {
            p1
        };
        style(c, map, i)
    };
    let w0 = head(0)?;
    let mut ws = vec![w0];
    for i in 1..styles {
        ws.push(w0 + head(i)?);
    }
    let ws = b.concat(&ws, 0); // [n, 512]
    b.output("ws", (ws + mean(c, &b, latent_avg, styles, ws.dim(1))?).reshape(&[1, styles, ws.dim(1)]));
    b.finish()
}

/// HyperStyle's W encoder. Input: as for [`e4e`]. Output: `w` `[1, 512]`, with the mean latent added.
///
/// # Errors
/// As [`e4e`].
pub fn w_encoder(c: &Checkpoint, latent_avg: &Tensor, [h, w]: [usize; 2]) -> Result<Graph> {
    let mut spec = Spec::default();
    ir::spec(&mut spec, c)?;
    spec.layer("linear", "d d").check(c)?;
    let b = Builder::new();
    let pooled = ir::backbone(c, b.input("image", &[1, 3, h, w]))?.c3.mean(&[2, 3], false); // [1, 512]
    let y = equal_linear(c, pooled, "linear")?;
    b.output("w", y + mean(c, &b, latent_avg, 1, y.dim(1))?);
    b.finish()
}

/// Number of convolutions of head i: it reduces the head's map to one pixel for an image of 256 px.
fn convolutions(i: usize) -> usize {
    4 + usize::from(i >= COARSE) + usize::from(i >= MIDDLE)
}

/// 3×3 convolutions with stride 2 down to one pixel, then a linear layer: `[1, 512]`.
fn style<'g>(c: &Checkpoint, map: Expr<'g>, i: usize) -> Result<Expr<'g>> {
    let mut x = map;
    for k in 0..convolutions(i) {
        x = conv(c, x, &format!("styles.{i}.convs.{}", 2 * k), 2, 1)?.leaky_relu(SLOPE);
    }
    if x.shape()[2..] != [1, 1] {
        return Err(Error::Input(format!(
            "{}: this encoder's head {i} leaves {:?} of the picture; it is made for pictures of 256 px",
            c.name(),
            &x.shape()[2..]
        )));
    }
    equal_linear(c, x.reshape(&[1, x.dim(1)]), &format!("styles.{i}.linear"))
}

/// An equalized linear layer: the stored weights are √n times too large.
fn equal_linear<'g>(c: &Checkpoint, x: Expr<'g>, key: &str) -> Result<Expr<'g>> {
    linear(c, x, key, 1.0 / (x.dim(1) as f32).sqrt())
}

/// The mean latent for n styles, `[n, 512]` or `[1, 512]`. The file may hold one row, or more rows than
/// needed.
fn mean<'g>(c: &Checkpoint, b: &'g Builder, latent: &Tensor, n: usize, width: usize) -> Result<Expr<'g>> {
    let values = latent.as_f32().unwrap_or_default();
    let rows = values.len() / width.max(1);
    let fits = values.len() == rows * width && (rows == 1 || rows >= n);
    if !fits {
        return Err(c.bad(format!(
            "`latent_avg` has the shape {:?}; expected [{width}] or [{n}, {width}]",
            latent.shape()
        )));
    }
    let rows = rows.min(n);
    Ok(named_weight(b, "latent_avg", &[rows, width], values[..rows * width].to_vec()))
}

/// Bilinear resize with aligned corners to the size of `like`.
fn resize_like<'g>(x: Expr<'g>, like: Expr<'g>) -> Expr<'g> {
    let [h, w] = [like.dim(2) as i64, like.dim(3) as i64];
    let sizes = x.builder().constant(Tensor::ints(&[1, x.dim(1) as i64, h, w]));
    let attrs = Attrs::new().str("mode", "linear").str("coordinate_transformation_mode", "align_corners");
    x.builder().op("Resize", &[Some(x), None, None, Some(sizes)], attrs)[0]
}
