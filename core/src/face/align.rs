//! FFHQ's alignment: the square that puts eyes and mouth where the generator expects them.

use ndarray::Array4;
use serde::{Deserialize, Serialize};

use super::landmarks::Landmarks;
use crate::photo::warp::{Affine, Border, Raster, Sampler};
use crate::photo::{Photo, crop_from_image, resize};
use crate::{Error, Result};

/// Mesh points that stand for dlib's six points of the eye on the left of the picture (its 36 to 41).
const EYE_LEFT: [usize; 6] = [33, 160, 158, 133, 153, 144];
/// The same for the eye on the right (42 to 47).
const EYE_RIGHT: [usize; 6] = [362, 385, 387, 263, 373, 380];
/// The corners of the mouth (48, 54).
const MOUTH: [usize; 2] = [61, 291];

/// A square of the photo, turned and perhaps reaching beyond its edges, that is the generator's picture of a face.
///
/// Saved in inversion files, so that an edit finds its place again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Its corners in photo pixels, as the crop has them: top left, bottom left, bottom right, top right.
    pub quad: [[f64; 2]; 4],
}

impl Alignment {
    /// FFHQ's recipe (`align_faces`, FACTS §2), on mesh points in place of dlib's.
    ///
    /// With e the way from eye to eye and m from the eyes' middle to the mouth:
    /// x ∥ e − rot90(m), |x| = max(2 |e|, 1.8 |m|); y = rot90(x); centre = eyes + 0.1 m; corners = centre ± x ± y.
    ///
    /// Measured against 32 generated faces, which are aligned by dlib's points: centre off by −0.2 % ± 0.3 % of the side
    /// across and −0.3 % ± 0.3 % down, side 0.998 ± 0.032, turn −0.1° ± 0.7° (mean ± σ); IoU with the whole frame 0.95
    /// in the mean. That is less than faces differ, so nothing is added to the recipe.
    pub fn from_landmarks(landmarks: &Landmarks) -> Alignment {
        let [eye_left, eye_right] = [EYE_LEFT, EYE_RIGHT].map(|eye| landmarks.mean(&eye));
        let mouth = landmarks.mean(&MOUTH);
        let eyes = mid(eye_left, eye_right);
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

    /// The length of the square's side in photo pixels.
    pub fn size(&self) -> f64 {
        norm(sub(self.quad[3], self.quad[0]))
    }

    /// The middle of the square in photo pixels.
    pub fn center(&self) -> [f64; 2] {
        mid(self.quad[0], self.quad[2])
    }

    /// Cuts the face out: `[1,3,size,size]` in `[-1,1]`. Where the square reaches beyond the photo, this is mirrored, soon
    /// blurred and fading to one colour, as FFHQ does it; pixels are averaged where the square is larger than `size`,
    /// cubic between them where it is smaller.
    ///
    /// # Errors
    /// [`Error::Input`] where the square does not lie on this photo.
    pub fn crop(&self, photo: &Photo, size: usize) -> Result<Array4<f32>> {
        let map = self.map(photo, size)?;
        let mut crop = photo.warped(&map, size, Border::Reflect);
        let limits = [f64::from(photo.width()), f64::from(photo.height())];
        if self.quad.iter().any(|p| (0..2).any(|i| p[i] < 0.0 || p[i] > limits[i])) {
            fade_outside(&mut crop, &map, limits, self.size());
        }
        Ok(crop.into_crop())
    }

    /// The map from pixels of a crop of `size` to the photo's, once the quad is known to be a sane square.
    pub(super) fn map(&self, photo: &Photo, size: usize) -> Result<Affine> {
        let [top_left, bottom_left, bottom_right, top_right] = self.quad;
        let (right, down) = (sub(top_right, top_left), sub(bottom_left, top_left));
        let map = Affine::from_axes(top_left, right.map(|v| v / size as f64), down.map(|v| v / size as f64));
        let side = norm(right);
        let photo_side = f64::from(photo.width().max(photo.height()));
        // Square: `down` is `right` turned by 90°, and the fourth corner is where the others say.
        let off = norm(sub(down, rot90(right)))
            .max(norm(sub(bottom_right, [0, 1].map(|i| bottom_left[i] + right[i]))));
        let [x, y] = self.center();
        let inside = (0.0..=photo.width().into()).contains(&x) && (0.0..=photo.height().into()).contains(&y);
        let square = self.quad.iter().flatten().all(|v| v.is_finite()) && side >= 1.0 && off <= side * 0.05;
        if square && inside && side <= 8.0 * photo_side && map.inverse().is_some() {
            return Ok(map);
        }
        Err(Error::Input(format!(
            "the face's place {:?} does not lie on {} ({} × {} pixels): is this the photo that was inverted?",
            self.quad,
            photo.path.display(),
            photo.width(),
            photo.height()
        )))
    }

    /// Whether two squares are of one face: nearly the same centre and size.
    pub(super) fn is_same_face(&self, other: &Alignment) -> bool {
        let smaller = self.size().min(other.size());
        norm(sub(self.center(), other.center())) < 0.25 * smaller
    }
}

impl Photo {
    /// A photo that is an aligned crop already, resampled to `[1,3,h,w]` in `[-1,1]`.
    ///
    /// # Errors
    /// [`Error::Input`] if its aspect ratio differs from h : w by more than 2 %.
    pub fn to_crop(&self, [h, w]: [usize; 2]) -> Result<Array4<f32>> {
        let (width, height) = (f64::from(self.width()), f64::from(self.height()));
        if (width / height * h as f64 / w as f64 - 1.0).abs() > 0.02 {
            return Err(Error::Input(format!(
                "{} has {width} × {height} pixels; an aligned crop for this model has the aspect ratio {w} : {h}. Crop the \
                 photo to that shape, or have its face found and aligned",
                self.path.display()
            )));
        }
        if h != w {
            return Ok(resize(crop_from_image(&self.pixels).view(), h, w));
        }
        Alignment { quad: [[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]] }.crop(self, w)
    }
}

/// Softens what lies beyond the photo, so that no mirrored second face is there to be inverted.
fn fade_outside(crop: &mut Raster, map: &Affine, limits: [f64; 2], side: f64) {
    /// Beyond the photo's edge by these parts of the square's side all is blurred, and all is one colour.
    const BLURRED: f64 = 0.03;
    const UNIFORM: f64 = 0.3;
    const COARSE: usize = 48;
    let size = crop.width;
    let step = size as f64 / COARSE as f64;
    let coarse =
        crop.resample(&Affine::from_axes([0.0; 2], [step, 0.0], [0.0, step]), COARSE, COARSE).blurred(1);
    let mut sum = [0.0; 3];
    for pixel in &coarse.data {
        sum = [0, 1, 2].map(|c| sum[c] + pixel[c]);
    }
    let mean = sum.map(|v| v / (COARSE * COARSE) as f32);
    let mut smooth = Sampler::new(&coarse, [1.0; 2]);
    for (i, pixel) in crop.data.iter_mut().enumerate() {
        let at = [(i % size) as f64 + 0.5, (i / size) as f64 + 0.5];
        let point = map.apply(at);
        let outside = [0, 1].map(|i| (-point[i]).max(point[i] - limits[i]).max(0.0));
        let distance = norm(outside) / side;
        if distance > 0.0 {
            let (blur, fade) = ((distance / BLURRED).min(1.0) as f32, (distance / UNIFORM).min(1.0) as f32);
            let blurred = smooth.at(at.map(|v| v / step));
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

fn mid(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]
}

fn norm(a: [f64; 2]) -> f64 {
    a[0].hypot(a[1])
}

/// Turned by 90° clockwise as seen, y being down: right becomes down.
fn rot90([x, y]: [f64; 2]) -> [f64; 2] {
    [-y, x]
}
