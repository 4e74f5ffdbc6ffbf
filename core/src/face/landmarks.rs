//! FaceMesh: 468 landmarks, from a rotated crop around a detected face.

use super::detector::{Detection, angle_between};
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

/// The corners of the mouth.
const MOUTH_CORNERS: [usize; 2] = [61, 291];
/// Maximum difference between the rolls of landmarks and detector, in degrees.
const MAX_ROLL_DIFFERENCE: f64 = 12.0;
/// Maximum deviation of the axis from eyes to mouth from the normal of the eyes, in degrees. Turned heads have up to 25.
const MAX_SKEW: f64 = 35.0;

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

    /// Why these landmarks are not reliable: they disagree with the detector about where up is, or with each other.
    pub(super) fn doubt(&self, detection: &Detection) -> Option<&'static str> {
        let angle = |[a, b]: [[f64; 2]; 2]| (b[1] - a[1]).atan2(b[0] - a[0]).to_degrees();
        let flat = |i: usize| [self.points[i][0], self.points[i][1]];
        let eyes = EYE_CORNERS.map(flat);
        let middle = [0, 1].map(|i| (eyes[0][i] + eyes[1][i]) / 2.0);
        let [left, right, _, mouth, ..] = detection.keypoints;
        if angle_between(angle(eyes), detection.roll()) > MAX_ROLL_DIFFERENCE {
            return Some("its landmarks and its box disagree about its orientation");
        }
        let between = [0, 1].map(|i| (left[i] + right[i]) / 2.0);
        if angle_between(angle(eyes) + 90.0, angle([middle, self.mean(&MOUTH_CORNERS)])) > MAX_SKEW
            || angle_between(detection.roll() + 90.0, angle([between, mouth])) > MAX_SKEW
        {
            return Some("its eyes and its mouth disagree about its orientation");
        }
        None
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

    /// The landmarks of a face in an image that is aligned as in FFHQ; `None` if FaceMesh does not confirm a face there.
    pub fn aligned_landmarks(&self, image: &Photo, cancel: &Cancel) -> Result<Option<Landmarks>> {
        // Center and side of the square that holds the face, as fractions of the image's side.
        const CENTER: [f64; 2] = [0.5, 0.5625];
        const FACE: f64 = 0.83;
        let side = f64::from(image.width());
        let coarse = Affine::rotated_square(CENTER.map(|v| v * side), FACE * side, 0.0, SIDE as f64);
        let coarse = self.run(image, &coarse, cancel)?;
        if coarse.presence < MIN_PRESENCE {
            return Ok(None);
        }
        let fine = self.run(image, &coarse.crop(), cancel)?;
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
