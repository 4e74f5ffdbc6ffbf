//! The face cut out as recognition networks want it: five points fitted to ArcFace's template.

use ndarray::Array4;

use super::finder::Face;
use super::landmarks::Landmarks;
use crate::photo::Photo;
use crate::photo::warp::{Affine, Border};

/// Side of the crop in pixels.
const SIDE: usize = 112;

/// Where ArcFace has the centres of the eyes (the one on the left of the picture first), the tip of the nose and the
/// corners of the mouth; here (0, 0) is the centre of the first pixel.
const TEMPLATE: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// The points of the face mesh whose means are those five: corners and lids of an eye, the tip, the corners.
const MESH: [&[usize]; 5] = [&[33, 133, 159, 145], &[362, 263, 386, 374], &[4], &[61], &[291]];

impl Face {
    /// Cuts the face out of its photo, turned and scaled so that eyes, nose and mouth are where ArcFace has them:
    /// `[1,112,112,3]`, RGB in 0..255. Black beyond the photo.
    pub fn arcface_crop(&self, photo: &Photo) -> Array4<f32> {
        photo.warped(&fit(&self.landmarks), SIDE, Border::Black).to_nhwc(|value| (value + 1.0) * 127.5)
    }
}

/// The least-squares map from the crop's pixels to the photo's that turns, scales and moves, and does not mirror or shear.
fn fit(landmarks: &Landmarks) -> Affine {
    let from = TEMPLATE.map(|point| point.map(|value| value + 0.5));
    let to = MESH.map(|indices| landmarks.mean(indices));
    let mean = |points: &[[f64; 2]; 5]| [0, 1].map(|axis| points.iter().map(|p| p[axis]).sum::<f64>() / 5.0);
    let (from_mean, to_mean) = (mean(&from), mean(&to));
    let (mut cos, mut sin, mut square) = (0.0, 0.0, 0.0);
    for (f, t) in from.iter().zip(&to) {
        let (fx, fy) = (f[0] - from_mean[0], f[1] - from_mean[1]);
        let (tx, ty) = (t[0] - to_mean[0], t[1] - to_mean[1]);
        cos += fx * tx + fy * ty;
        sin += fx * ty - fy * tx;
        square += fx * fx + fy * fy;
    }
    let (right, down) = ([cos / square, sin / square], [-sin / square, cos / square]);
    let origin = [0, 1].map(|axis| to_mean[axis] - from_mean[0] * right[axis] - from_mean[1] * down[axis]);
    Affine::from_axes(origin, right, down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fit_recovers_a_turn() {
        let map = Affine::square([300.0, 200.0], 90.0, 0.4, SIDE as f64);
        let mut landmarks = Landmarks { points: vec![[0.0; 3]; 468], presence: 1.0 };
        for (indices, point) in MESH.iter().zip(TEMPLATE) {
            let [x, y] = map.apply(point.map(|value| value + 0.5));
            indices.iter().for_each(|&index| landmarks.points[index] = [x, y, 0.0]);
        }
        let found = fit(&landmarks);
        for (found, expected) in found.x.iter().chain(&found.y).zip(map.x.iter().chain(&map.y)) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
}
