//! The 468 points of FaceMesh, from a level crop around a detected face.

use crate::runtime::{Cancel, Runtime, Session};
use crate::{Error, Result};

use super::detector::Detection;
use crate::photo::Photo;
use crate::photo::warp::{Affine, Border};

/// The network's input side, in pixels.
const SIDE: usize = 192;
/// Points of the mesh.
const POINTS: usize = 468;
/// MediaPipe's crop: this many times the box.
const MARGIN: f64 = 1.5;
/// Below this FaceMesh does not see a face.
const MIN_PRESENCE: f32 = 0.5;

/// The corners of the eyes that a level face has on one height: outer left, outer right (of the picture).
const EYE_CORNERS: [usize; 2] = [33, 263];

/// Where the parts of a face are: FaceMesh's 468 points.
#[derive(Debug, Clone, PartialEq)]
pub struct Landmarks {
    /// x, y in photo pixels and depth on the same scale (smaller is nearer to the camera), in FaceMesh's order.
    pub points: Vec<[f64; 3]>,
    /// How sure FaceMesh is that this is a face, 0 to 1.
    pub presence: f32,
}

impl Landmarks {
    /// The mean position of some of the points.
    ///
    /// # Panics
    /// Where an index is not below 468.
    pub fn mean(&self, indices: &[usize]) -> [f64; 2] {
        let n = indices.len() as f64;
        [0, 1].map(|axis| indices.iter().map(|&i| self.points[i][axis]).sum::<f64>() / n)
    }
}

#[derive(Debug)]
pub(super) struct Mesh {
    session: Session,
}

impl Mesh {
    pub fn new(runtime: &Runtime, onnx: &[u8]) -> Result<Mesh> {
        let session = runtime.session("face mesh", onnx)?;
        let takes_crops = session.inputs().iter().map(|p| &p.shape[..]).eq([&[1, SIDE, SIDE, 3][..]]);
        let gives = |n: usize| session.outputs().iter().any(|p| p.len() == n);
        if !takes_crops || !gives(3 * POINTS) || !gives(1) {
            return Err(Error::Model("the landmark network is not FaceMesh for 192 × 192 pixels".into()));
        }
        Ok(Mesh { session })
    }

    /// The landmarks of a detected face, or `None` where FaceMesh sees no face there.
    pub fn landmarks(
        &self,
        photo: &Photo,
        detection: &Detection,
        cancel: &Cancel,
    ) -> Result<Option<Landmarks>> {
        let [eye_left, eye_right, ..] = detection.keypoints;
        let first = Affine::square(
            detection.center(),
            detection.size() * MARGIN,
            (eye_right[1] - eye_left[1]).atan2(eye_right[0] - eye_left[0]),
            SIDE as f64,
        );
        let rough = self.look(photo, &first, cancel)?;
        if rough.presence < MIN_PRESENCE {
            return Ok(None);
        }
        // Once more with the crop that the points themselves ask for, as MediaPipe does from frame to frame.
        let [left, right] = EYE_CORNERS.map(|i| rough.points[i]);
        let range = |axis: usize| {
            let values = rough.points.iter().map(|p| p[axis]);
            (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max))
        };
        let ((x0, x1), (y0, y1)) = (range(0), range(1));
        let second = Affine::square(
            [(x0 + x1) / 2.0, (y0 + y1) / 2.0],
            (x1 - x0).max(y1 - y0) * MARGIN,
            (right[1] - left[1]).atan2(right[0] - left[0]),
            SIDE as f64,
        );
        let fine = self.look(photo, &second, cancel)?;
        Ok((fine.presence >= MIN_PRESENCE).then_some(fine))
    }

    /// Landmarks in one crop, `map` from its pixels to the photo's.
    fn look(&self, photo: &Photo, map: &Affine, cancel: &Cancel) -> Result<Landmarks> {
        let nothing = Landmarks { points: Vec::new(), presence: 0.0 };
        if !map.stretch().iter().all(|s| s.is_normal()) {
            return Ok(nothing);
        }
        let crop = photo.warped(map, SIDE, Border::Black).to_nhwc(|v| (v + 1.0) / 2.0);
        let outputs =
            self.session.run(&[(&self.session.inputs()[0].name, crop.view().into_dyn())], cancel)?;
        let output = |n: usize| outputs.iter().find(|o| o.len() == n).and_then(|o| o.as_slice());
        let (Some(points), Some(&[presence])) = (output(3 * POINTS), output(1)) else { return Ok(nothing) };
        let scale = map.stretch()[0];
        let to_photo = |p: &[f32]| {
            let [x, y] = map.apply([p[0].into(), p[1].into()]);
            [x, y, f64::from(p[2]) * scale]
        };
        Ok(Landmarks { points: points.chunks_exact(3).map(to_photo).collect(), presence })
    }
}
