//! Crops for face recognition networks: five landmarks fitted to ArcFace's template.

use ndarray::Array4;

use super::finder::Face;
use super::landmarks::Landmarks;
use crate::photo::{Affine, Border, Photo};

/// Width and height of the crop, in pixels.
const SIDE: usize = 112;

/// ArcFace's template: left eye, right eye, tip of the nose, left and right corner of the mouth. Here, (0, 0) is the center of
/// the first pixel.
const TEMPLATE: [[f64; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];

/// FaceMesh points whose means correspond to the points of the template.
const MESH_INDICES: [&[usize]; 5] = [&[33, 133, 159, 145], &[362, 263, 386, 374], &[4], &[61], &[291]];

impl Face {
    /// The face aligned to ArcFace's template: `[1,112,112,3]`, RGB in 0..255. Black outside the photo.
    pub fn arcface_crop(&self, photo: &Photo) -> Array4<f32> {
        photo
            .warp(&fit_similarity(&self.landmarks), SIDE, Border::Black)
            .to_nhwc(|value| (value + 1.0) * 127.5)
    }
}

/// The least-squares similarity transform (rotation, uniform scale, translation) from pixels of the crop to pixels of the photo.
fn fit_similarity(landmarks: &Landmarks) -> Affine {
    let from = TEMPLATE.map(|point| point.map(|value| value + 0.5));
    let to = MESH_INDICES.map(|indices| landmarks.mean(indices));
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
    fn the_fit_recovers_a_rotation() {
        let map = Affine::rotated_square([300.0, 200.0], 90.0, 0.4, SIDE as f64);
        let mut landmarks = Landmarks { points: vec![[0.0; 3]; 468], presence: 1.0 };
        for (indices, point) in MESH_INDICES.iter().zip(TEMPLATE) {
            let [x, y] = map.apply(point.map(|value| value + 0.5));
            indices.iter().for_each(|&index| landmarks.points[index] = [x, y, 0.0]);
        }
        let fitted = fit_similarity(&landmarks);
        for (fitted, expected) in fitted.x.iter().chain(&fitted.y).zip(map.x.iter().chain(&map.y)) {
            assert!((fitted - expected).abs() < 1e-9, "{fitted} {expected}");
        }
    }
}
