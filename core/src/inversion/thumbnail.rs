//! A small copy of the inverted crop, by which the photo is recognized when an edit is pasted.

use crate::photo::resize;
use ndarray::ArrayView4;

/// Width and height in pixels.
const SIDE: usize = 16;
/// Minimum correlation of two thumbnails of the same photo. `docs/photos.md` has the measurements.
const SAME: f32 = 0.9;

/// 16 × 16 RGB pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail(Vec<u8>);

impl Thumbnail {
    /// Shape of the pixels.
    pub const SHAPE: [usize; 3] = [SIDE, SIDE, 3];

    /// Of a crop `[1,3,h,w]` in `[-1,1]`.
    pub fn of(crop: ArrayView4<'_, f32>) -> Thumbnail {
        let small = resize(crop, SIDE, SIDE);
        let byte = |v: &f32| (v.clamp(-1.0, 1.0) * 127.5 + 127.5).round() as u8;
        Thumbnail(small.permuted_axes([0, 2, 3, 1]).iter().map(byte).collect())
    }

    /// Of pixels in the order of [`Thumbnail::SHAPE`]; `None` for another number of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Thumbnail> {
        (bytes.len() == SIDE * SIDE * 3).then(|| Thumbnail(bytes.to_vec()))
    }

    /// The pixels in the order of [`Thumbnail::SHAPE`].
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are of the same photo. Brightness, contrast and color may differ.
    pub fn shows_same(&self, other: &Thumbnail) -> bool {
        self.correlation(other) >= SAME
    }

    /// Correlation of the gray values, -1 to 1. 1 if both are uniform, 0 if one of them is.
    pub fn correlation(&self, other: &Thumbnail) -> f32 {
        let gray = |t: &Thumbnail| -> Vec<f32> {
            let sums = t.0.chunks_exact(3).map(|p| p.iter().copied().map(f32::from).sum::<f32>());
            let sums: Vec<f32> = sums.collect();
            let mean = sums.iter().sum::<f32>() / sums.len() as f32;
            sums.into_iter().map(|v| v - mean).collect()
        };
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let (a, b) = (gray(self), gray(other));
        let (square_a, square_b) = (product(&a, &a), product(&b, &b));
        // Below the rounding of 8 bits.
        let uniform = (SIDE * SIDE) as f32;
        match (square_a <= uniform, square_b <= uniform) {
            (true, true) => 1.0,
            (false, false) => product(&a, &b) / (square_a * square_b).sqrt(),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn another_brightness_is_the_same_photo_and_another_place_is_not() {
        let wave = |shift: f32| {
            move |(_, c, y, x): (usize, usize, usize, usize)| {
                ((x as f32 + shift) / 9.0).sin() * 0.4 + (y as f32 / 13.0).cos() * 0.3 + c as f32 * 0.1
            }
        };
        let crop = Array4::from_shape_fn((1, 3, 96, 96), wave(0.0));
        let thumbnail = Thumbnail::of(crop.view());
        assert_eq!(Thumbnail::from_bytes(thumbnail.bytes()), Some(thumbnail.clone()));
        assert!(Thumbnail::from_bytes(&thumbnail.bytes()[1..]).is_none());
        let darker = Thumbnail::of(crop.mapv(|v| v * 0.6 - 0.2).view());
        assert!(darker != thumbnail && darker.shows_same(&thumbnail), "{}", darker.correlation(&thumbnail));
        let moved = Thumbnail::of(Array4::from_shape_fn((1, 3, 96, 96), wave(12.0)).view());
        assert!(!moved.shows_same(&thumbnail), "{}", moved.correlation(&thumbnail));
        // Without structure there is nothing to compare: equal only to another uniform picture.
        let [gray, white] = [0.0, 1.0].map(|v| Thumbnail::of(Array4::from_elem((1, 3, 20, 20), v).view()));
        assert!(gray.shows_same(&white) && !gray.shows_same(&thumbnail));
    }
}
