//! Identity features: aligned face → unit vector, to be compared by 1 − cos.

use super::faceres::{Weights, backbone};
use super::layers::l2_normalize;
use crate::Expr;

/// Resolution of the image that the crop refers to.
pub(super) const RESOLUTION: usize = 256;

/// Rows and columns of the face in an FFHQ-aligned 256 px image: the crop of pSp's identity loss.
const ROWS: [i64; 2] = [35, 223];
const COLUMNS: [i64; 2] = [32, 220];

/// `image` `[1, 3, 256, 256]`, RGB in `[-1, 1]` → unit vector `[1, 1024]`.
pub(super) fn features<'g>(weights: &Weights<'g>, image: Expr<'g>) -> Expr<'g> {
    l2_normalize(backbone(weights, face(image)).last.mean(&[2, 3], false))
}

/// Crops an FFHQ-aligned image to the face, `[1, 3, 188, 188]`.
pub(super) fn face(image: Expr<'_>) -> Expr<'_> {
    image.slice(&[2, 3], &[ROWS[0], COLUMNS[0]], &[ROWS[1], COLUMNS[1]], &[1, 1])
}
