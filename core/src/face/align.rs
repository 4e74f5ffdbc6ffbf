//! FFHQ alignment: the square that puts eyes and mouth where the generator expects them.

use ndarray::Array4;
use serde::{Deserialize, Serialize};

use super::landmarks::Landmarks;
use crate::photo::{Affine, Border, FloatImage, Photo, Sampler, resize};
use crate::{Error, Result};

/// FaceMesh points in place of dlib's points 36 to 41, the eye on the left.
const EYE_LEFT: [usize; 6] = [33, 160, 158, 133, 153, 144];
/// FaceMesh points in place of dlib's points 42 to 47, the eye on the right.
const EYE_RIGHT: [usize; 6] = [362, 385, 387, 263, 373, 380];
/// FaceMesh points in place of dlib's points 48 and 54, the corners of the mouth.
const MOUTH: [usize; 2] = [61, 291];

/// The square of a photo that corresponds to the generator's image of a face. It may be rotated and may extend beyond the photo.
///
/// Inversion files store it, so that an edit can be pasted back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Corners in photo pixels, named as in the crop: top left, bottom left, bottom right, top right.
    pub quad: [[f64; 2]; 4],
}

impl Alignment {
    /// `align_faces` of FFHQ (Karras et al. 2019), with FaceMesh points in place of dlib's.
    ///
    /// With e the vector from the left to the right eye and m the vector from the midpoint of the eyes to the mouth:
    /// x ∥ e − rot90(m), |x| = max(2 |e|, 1.8 |m|); y = rot90(x); center = eyes + 0.1 m; corners = center ± x ± y.
    ///
    /// Deviation from dlib's alignment on 32 generated faces (mean ± σ): center −0.2 % ± 0.3 % of the side in x and −0.3 % ±
    /// 0.3 % in y, side length 0.998 ± 0.032, angle −0.1° ± 0.7°; mean IoU with the image frame 0.95. Faces themselves vary
    /// more than that, so the method has no correction terms.
    pub fn from_landmarks(landmarks: &Landmarks) -> Alignment {
        let [eye_left, eye_right] = [EYE_LEFT, EYE_RIGHT].map(|eye| landmarks.mean(&eye));
        let mouth = landmarks.mean(&MOUTH);
        let eyes = midpoint(eye_left, eye_right);
        let e = sub(eye_right, eye_left);
        let m = sub(mouth, eyes);
        let direction = sub(e, rot90(m));
        let length = (2.0 * norm(e)).max(1.8 * norm(m)) / norm(direction).max(f64::MIN_POSITIVE);
        let x = direction.map(|v| v * length);
        let y = rot90(x);
        let center = [eyes[0] + 0.1 * m[0], eyes[1] + 0.1 * m[1]];
        let corner = |sx: f64, sy: f64| [0, 1].map(|i| center[i] + sx * x[i] + sy * y[i]);
        Alignment { quad: [corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0)] }
    }

    /// Side length in photo pixels.
    pub fn side_length(&self) -> f64 {
        norm(sub(self.quad[3], self.quad[0]))
    }

    /// Center in photo pixels.
    pub fn center(&self) -> [f64; 2] {
        midpoint(self.quad[0], self.quad[2])
    }

    /// Resamples the square to `[1,3,size,size]` in `[-1,1]`, without aliasing.
    ///
    /// Outside the photo, the crop is mirrored, blurred, and faded to a uniform color, as in FFHQ.
    ///
    /// # Errors
    /// [`Error::Input`] if the quad is not a square or is not on this photo.
    pub fn crop(&self, photo: &Photo, size: usize) -> Result<Array4<f32>> {
        let map = self.crop_to_photo(photo, size)?;
        let mut crop = photo.warp(&map, size, Border::Reflect);
        let limits = [f64::from(photo.width()), f64::from(photo.height())];
        if self.quad.iter().any(|p| (0..2).any(|i| p[i] < 0.0 || p[i] > limits[i])) {
            blur_padding(&mut crop, &map, limits, self.side_length());
        }
        Ok(crop.to_nchw())
    }

    /// The map from pixels of a `size` × `size` crop to pixels of the photo. Fails if the quad is not a square on the photo.
    pub(super) fn crop_to_photo(&self, photo: &Photo, size: usize) -> Result<Affine> {
        let [top_left, bottom_left, bottom_right, top_right] = self.quad;
        let (right, down) = (sub(top_right, top_left), sub(bottom_left, top_left));
        let map = Affine::from_axes(top_left, right.map(|v| v / size as f64), down.map(|v| v / size as f64));
        let side = norm(right);
        let photo_side = f64::from(photo.width().max(photo.height()));
        // In a square, `down` is `right` rotated by 90°, and the fourth corner follows from the other three.
        let deviation = norm(sub(down, rot90(right)))
            .max(norm(sub(bottom_right, [0, 1].map(|i| bottom_left[i] + right[i]))));
        let [x, y] = self.center();
        let inside = (0.0..=photo.width().into()).contains(&x) && (0.0..=photo.height().into()).contains(&y);
        let square =
            self.quad.iter().flatten().all(|v| v.is_finite()) && side >= 1.0 && deviation <= side * 0.05;
        if square && inside && side <= 8.0 * photo_side && map.inverse().is_some() {
            return Ok(map);
        }
        Err(Error::Input(format!(
            "the face alignment {:?} does not fit {} ({} × {} pixels); use the photo that was inverted",
            self.quad,
            photo.path.display(),
            photo.width(),
            photo.height()
        )))
    }

    /// Whether two squares belong to the same face: their centers are closer than a quarter of the smaller side.
    pub(super) fn is_duplicate_of(&self, other: &Alignment) -> bool {
        let smaller = self.side_length().min(other.side_length());
        norm(sub(self.center(), other.center())) < 0.25 * smaller
    }
}

impl Photo {
    /// Resamples a photo that is an aligned crop already to `[1,3,h,w]` in `[-1,1]`.
    ///
    /// # Errors
    /// [`Error::Input`] if its aspect ratio differs from h : w by more than 2 %.
    pub fn to_crop(&self, [h, w]: [usize; 2]) -> Result<Array4<f32>> {
        let (width, height) = (f64::from(self.width()), f64::from(self.height()));
        if (width / height * h as f64 / w as f64 - 1.0).abs() > 0.02 {
            return Err(Error::Input(format!(
                "{} has {width} × {height} pixels, but an aligned crop for this model has the aspect ratio {w} : {h}. Crop \
                 the photo to this aspect ratio, or use face detection and alignment",
                self.path.display()
            )));
        }
        if h != w {
            return Ok(resize(self.to_tensor().view(), h, w));
        }
        Alignment { quad: [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]] }.crop(self, w)
    }
}

/// Blurs and fades the part of the crop outside the photo, so that no mirrored second face is inverted.
fn blur_padding(crop: &mut FloatImage, map: &Affine, limits: [f64; 2], side: f64) {
    /// Distance from the photo's edge at which the crop is fully blurred, as a fraction of the square's side.
    const BLURRED: f64 = 0.03;
    /// Distance at which the crop has a uniform color.
    const UNIFORM: f64 = 0.3;
    const COARSE: usize = 48;
    let size = crop.width;
    let step = size as f64 / COARSE as f64;
    let coarse = crop.resample(&Affine::from_scale(step), COARSE, COARSE).box_blur(1);
    let mut sum = [0.0; 3];
    for pixel in &coarse.data {
        sum = [0, 1, 2].map(|c| sum[c] + pixel[c]);
    }
    let mean = sum.map(|v| v / (COARSE * COARSE) as f32);
    let mut sampler = Sampler::new(&coarse, [1.0; 2]);
    for (i, pixel) in crop.data.iter_mut().enumerate() {
        let position = [(i % size) as f64 + 0.5, (i / size) as f64 + 0.5];
        let point = map.apply(position);
        let outside = [0, 1].map(|i| (-point[i]).max(point[i] - limits[i]).max(0.0));
        let distance = norm(outside) / side;
        if distance > 0.0 {
            let (blur, fade) = ((distance / BLURRED).min(1.0) as f32, (distance / UNIFORM).min(1.0) as f32);
            let blurred = sampler.sample(position.map(|v| v / step));
            *pixel = [0, 1, 2].map(|c| {
                let soft = pixel[c] + blur * (blurred[c] - pixel[c]);
                soft + fade * (mean[c] - soft)
            });
        }
    }
}

fn sub(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn midpoint(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]
}

fn norm(a: [f64; 2]) -> f64 {
    a[0].hypot(a[1])
}

/// Rotation by 90°, clockwise on screen because y points down: right becomes down.
fn rot90([x, y]: [f64; 2]) -> [f64; 2] {
    [-y, x]
}
