//! The edited face as a rectangle of the input layer, and the geometry of the face's square.

use crate::pixels::RgbaBuffer;
use gani_core::Result;
use gani_core::face::{Alignment, EditedFace, Keep, PasteOptions, Region, paste_edit_into};

/// A rectangle of the input layer, with and without the edited face.
pub struct Patch {
    /// Its first column and row, in the layer.
    pub offset: [u32; 2],
    /// The layer's own pixels.
    pub original: RgbaBuffer,
    /// The same pixels with the edited face pasted in.
    pub edited: RgbaBuffer,
    /// `edited`, transparent outside the face's square: the content of a new layer.
    pub cutout: RgbaBuffer,
}

impl Patch {
    /// Pastes `face` into the rectangle around `alignment`, the face's square in `layer`.
    pub fn new(
        layer: &RgbaBuffer,
        face: &EditedFace<'_>,
        alignment: &Alignment,
        keep: Keep,
    ) -> Result<Patch> {
        let region = bounding_rect(alignment, layer.width, layer.height);
        let (x, y) = (f64::from(region.x), f64::from(region.y));
        let alignment = Alignment { quad: alignment.quad.map(|p| [p[0] - x, p[1] - y]) };
        let original = layer.crop(region)?;
        let mut edited = original.clone();
        let options = PasteOptions { keep, ..PasteOptions::default() };
        paste_edit_into(&mut edited.image_mut()?, face, &alignment, &options)?;
        let mut cutout = edited.clone();
        cutout.clear_alpha_unless(|x, y| contains(&alignment, x, y));
        Ok(Patch { offset: [region.x, region.y], original, edited, cutout })
    }
}

/// The bounding rectangle of a face's square with a margin for resampling, clipped to `width` × `height` pixels.
fn bounding_rect(alignment: &Alignment, width: u32, height: u32) -> Region {
    const MARGIN: f64 = 8.0;
    let range = |axis: usize, side: u32| {
        let values = alignment.quad.iter().map(|p| p[axis]);
        let low = values.clone().fold(f64::MAX, f64::min).floor() - MARGIN;
        let high = values.fold(f64::MIN, f64::max).ceil() + MARGIN;
        (low.clamp(0.0, f64::from(side)) as u32, high.clamp(0.0, f64::from(side)) as u32)
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    Region { x: left, y: top, width: right - left, height: bottom - top }
}

/// Whether the face's square contains the center of pixel (`x`, `y`).
fn contains(alignment: &Alignment, x: usize, y: usize) -> bool {
    let [origin, down, _, right] = alignment.quad;
    let from_origin = |p: [f64; 2]| [p[0] - origin[0], p[1] - origin[1]];
    let (u, v, p) = (from_origin(right), from_origin(down), from_origin([x as f64 + 0.5, y as f64 + 0.5]));
    let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
    // Cramer's rule for p = s·u + t·v. The center is inside if 0 ≤ s < 1 and 0 ≤ t < 1.
    let area = cross(u, v);
    let inside = |numerator: f64| (0.0..1.0).contains(&(numerator / area));
    inside(cross(p, v)) && inside(cross(u, p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn square_of_a_face_has_bounds_and_an_inside() {
        let alignment = Alignment { quad: [[10.0, 20.0], [10.0, 60.0], [50.0, 60.0], [50.0, 20.0]] };
        assert_eq!(bounding_rect(&alignment, 55, 300), Region { x: 2, y: 12, width: 53, height: 56 });
        assert!(contains(&alignment, 10, 20) && contains(&alignment, 49, 59));
        assert!(
            !contains(&alignment, 9, 30) && !contains(&alignment, 50, 30) && !contains(&alignment, 30, 60)
        );
    }
}
