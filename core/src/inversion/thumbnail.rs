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
