//! ArcFace IR-SE50 for the identity loss (pSp's `id_loss`), and CurricularFace IR-101 for evaluation.

use super::layers::{BatchNorm, l2_normalize, linear};
use super::spec::Spec;
use super::{identity, ir};
use crate::checkpoint::Checkpoint;
use crate::{Builder, Expr, Graph, Result};

/// Input resolution of both networks.
const RESOLUTION: usize = 112;

/// Resolution of their last feature map.
const FEATURE_SIZE: usize = RESOLUTION / 16;

fn checked(c: &Checkpoint, affine: bool) -> Result<()> {
    let mut spec = Spec::default();
    ir::spec(&mut spec, c)?;
    spec.batch_norm("output_layer.0", "d")
        .layer("output_layer.3", &format!("e {}*d", FEATURE_SIZE * FEATURE_SIZE));
    match affine {
        true => spec.batch_norm("output_layer.4", "e"),
        false => spec.batch_norm_stats("output_layer.4", "e"),
    };
    spec.check(c)
}

/// ArcFace identity features for a loss, to be compared by 1 − cos.
///
/// Input: `image` `[1, 3, 256, 256]`, an FFHQ-aligned face, RGB in `[-1, 1]`. Output: `identity` `[1, 512]`,
/// a unit vector.
///
/// # Errors
/// [`crate::Error::Model`] naming a key that is missing or has an unexpected shape.
pub fn identity(c: &Checkpoint) -> Result<Graph> {
    checked(c, true)?;
    let b = Builder::new();
    let image = b.input("image", &[1, 3, identity::RESOLUTION, identity::RESOLUTION]);
    let face = adaptive_avg_pool(identity::face(image), RESOLUTION);
    b.output("identity", l2_normalize(embedding(c, face)?));
    b.finish()
}

/// CurricularFace identity features for evaluation.
///
/// Input: `face` `[1, 112, 112, 3]`, aligned by five landmarks, RGB in 0 … 255. Output: `identity` `[1,
/// 512]`, not normalized.
///
/// # Errors
/// As [`identity()`].
pub fn evaluation(c: &Checkpoint) -> Result<Graph> {
    checked(c, false)?;
    let b = Builder::new();
    let face = b.input("face", &[1, RESOLUTION, RESOLUTION, 3]).transpose(&[0, 3, 1, 2]);
    b.output("identity", embedding(c, face * (1.0 / 127.5) - 1.0)?);
    b.finish()
}

/// A face `[1, 3, 112, 112]` in `[-1, 1]` → `[1, 512]`.
fn embedding<'g>(c: &Checkpoint, face: Expr<'g>) -> Result<Expr<'g>> {
    let x = ir::backbone(c, face)?.c3;
    let x = BatchNorm::read(c, "output_layer.0", x.dim(1))?.apply(x, "output_layer.0");
    let y = linear(c, x.reshape(&[1, x.size()]), "output_layer.3", 1.0)?;
    Ok(BatchNorm::read(c, "output_layer.4", y.dim(1))?.apply(y, "output_layer.4"))
}

/// AdaptiveAvgPool2d of a square image to `size`: output i is the mean of inputs ⌊n·i/size⌋ … ⌈n·(i+1)/size⌉,
/// so the windows overlap. Computed as two products with one matrix.
fn adaptive_avg_pool(x: Expr<'_>, size: usize) -> Expr<'_> {
    let (b, n) = (x.builder(), x.dim(2));
    let mut rows = vec![0.0; size * n];
    for (i, row) in rows.chunks_exact_mut(n).enumerate() {
        let window = n * i / size..(n * (i + 1)).div_ceil(size);
        let weight = 1.0 / window.len() as f32;
        row[window].fill(weight);
    }
    let matrix = b.values(&[size, n], &rows); // [size, n]
    matrix.matmul(x).matmul(matrix.transpose(&[1, 0])) // A · x · Aᵀ
}
