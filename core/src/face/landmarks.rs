//! FaceMesh: 468 landmarks, from a rotated crop around a detected face.

use super::detector::Detection;
use crate::photo::{Affine, Border, Photo};
use crate::runtime::{Cancel, Runtime, Session};
use crate::{Error, Result};

/// Width and height of the network's input, in pixels.
const SIDE: usize = 192;
/// Number of landmarks.
const POINTS: usize = 468;
/// Side of the crop relative to the face box, as in MediaPipe.
const MARGIN: f64 = 1.5;
/// Minimum confidence that the crop shows a face.
const MIN_PRESENCE: f32 = 0.5;

/// The outer corners of the left and the right eye. They are on one horizontal line in an upright face.
const EYE_CORNERS: [usize; 2] = [33, 263];

/// FaceMesh's 468 landmarks of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmarks {
    /// x, y in photo pixels, and depth on the same scale (smaller is closer to the camera), in FaceMesh's order.
    pub points: Vec<[f64; 3]>,
    /// Confidence that this is a face, 0 to 1.
    pub presence: f32,
}

impl Landmarks {
    /// Mean position of some of the points.
    ///
    /// # Panics
    /// If an index is 468 or more.
    pub fn mean(&self, indices: &[usize]) -> [f64; 2] {
        let n = indices.len() as f64;
        [0, 1].map(|axis| indices.iter().map(|&i| self.points[i][axis]).sum::<f64>() / n)
    }

    /// A crop around the points, rotated so that the eyes are level.
    fn crop(&self) -> Affine {
        let [left, right] = EYE_CORNERS.map(|i| self.points[i]);
        let range = |axis: usize| {
            let values = self.points.iter().map(|p| p[axis]);
            (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max))
        };
        let ((x0, x1), (y0, y1)) = (range(0), range(1));
        Affine::rotated_square(
            [(x0 + x1) / 2.0, (y0 + y1) / 2.0],
            (x1 - x0).max(y1 - y0) * MARGIN,
            (right[1] - left[1]).atan2(right[0] - left[0]),
            SIDE as f64,
        )
    }
}

#[derive(Debug)]
pub(super) struct FaceMesh {
    session: Session,
}

impl FaceMesh {
    pub fn new(runtime: &Runtime, onnx: &[u8]) -> Result<FaceMesh> {
        let session = runtime.session("face mesh", onnx)?;
        let takes_crops = session.inputs().iter().map(|p| &p.shape[..]).eq([&[1, SIDE, SIDE, 3][..]]);
        let has_output = |n: usize| session.outputs().iter().any(|p| p.len() == n);
        if !takes_crops || !has_output(3 * POINTS) || !has_output(1) {
            return Err(Error::Model("the landmark network is not FaceMesh for 192 × 192 pixels".into()));
        }
        Ok(FaceMesh { session })
    }

    /// The landmarks of a detected face; `None` if FaceMesh does not confirm a face there.
    pub fn landmarks(
        &self,
        photo: &Photo,
        detection: &Detection,
        cancel: &Cancel,
    ) -> Result<Option<Landmarks>> {
        let [eye_left, eye_right, ..] = detection.keypoints;
        let coarse_crop = Affine::rotated_square(
            detection.box_center(),
            detection.box_size() * MARGIN,
            (eye_right[1] - eye_left[1]).atan2(eye_right[0] - eye_left[0]),
            SIDE as f64,
        );
        let coarse = self.run(photo, &coarse_crop, cancel)?;
        if coarse.presence < MIN_PRESENCE {
            return Ok(None);
        }
        // A second pass uses a crop from the landmarks of the first, as MediaPipe does from frame to frame.
        let fine = self.run(photo, &coarse.crop(), cancel)?;
        Ok((fine.presence >= MIN_PRESENCE).then_some(fine))
    }

    /// Landmarks in one crop. `map` maps its pixels to pixels of the photo.
    fn run(&self, photo: &Photo, map: &Affine, cancel: &Cancel) -> Result<Landmarks> {
        let no_face = Landmarks { points: Vec::new(), presence: 0.0 };
        if !map.scale().iter().all(|s| s.is_normal()) {
            return Ok(no_face);
        }
        let crop = photo.warp(map, SIDE, Border::Black).to_nhwc(|v| (v + 1.0) / 2.0);
        let outputs =
            self.session.run(&[(&self.session.inputs()[0].name, crop.view().into_dyn())], cancel)?;
        let output = |n: usize| outputs.iter().find(|o| o.len() == n).and_then(|o| o.as_slice());
        let (Some(points), Some(&[presence])) = (output(3 * POINTS), output(1)) else { return Ok(no_face) };
        let scale = map.scale()[0];
        let to_photo = |p: &[f32]| {
            let [x, y] = map.apply([p[0].into(), p[1].into()]);
            [x, y, f64::from(p[2]) * scale]
        };
        Ok(Landmarks { points: points.chunks_exact(3).map(to_photo).collect(), presence })
    }
}
