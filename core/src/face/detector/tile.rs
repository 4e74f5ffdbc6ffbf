//! Square tiles of an image, in which the detector looks for faces.

use super::SIDE;
use crate::photo::{Affine, FloatImage};

/// Distance between tiles as a fraction of their side. Faces larger than the overlap of 0.3 are found in larger tiles.
const STRIDE: f64 = 0.7;
/// Side of the smallest tile: 90 % of the network's input.
pub(super) const MIN_TILE: f64 = SIDE as f64 * 0.9;

/// A square tile of the image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tile {
    pub left: f64,
    pub top: f64,
    pub side: f64,
    /// Clockwise quarter turns of the image that make a face in it upright.
    pub turn: usize,
}

impl Tile {
    /// The map from the network's input to the image.
    pub fn map(&self) -> Affine {
        let step = self.side / SIDE as f64;
        // A clockwise turn of the image shows its left edge at the top.
        let right = [[1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 1.0]][self.turn % 4].map(|v: f64| v * step);
        let down = [-right[1], right[0]];
        let half = SIDE as f64 / 2.0;
        let origin = [self.left, self.top];
        let corner = [0, 1].map(|i| origin[i] + self.side / 2.0 - half * (right[i] + down[i]));
        Affine::from_axes(if self.turn == 0 { origin } else { corner }, right, down)
    }

    /// The tile resampled to the network's input. Black outside the image.
    pub fn view(&self, image: &FloatImage) -> FloatImage {
        let map = self.map();
        let mut view = image.resample(&map, SIDE, SIDE);
        let [width, height] = [image.width as f64, image.height as f64];
        for (i, pixel) in view.data.iter_mut().enumerate() {
            let [x, y] = map.apply([(i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5]);
            if x < 0.0 || y < 0.0 || x > width || y > height {
                *pixel = [-1.0; 3];
            }
        }
        view
    }

    /// Whether the box crosses an edge of the tile inside the image. Another tile contains the whole face.
    pub fn truncates(&self, [left, top, right, bottom]: &[f64; 4], width: f64, height: f64) -> bool {
        let (end_x, end_y) = (self.left + self.side, self.top + self.side);
        (self.left > 0.0 && *left < self.left)
            || (self.top > 0.0 && *top < self.top)
            || (end_x < width && *right > end_x)
            || (end_y < height && *bottom > end_y)
    }
}

/// Overlapping tiles with each of these sides, as long as they have at least 90 % of the network's input size. A tile as large as
/// the image is always included.
pub(super) fn tiles(width: f64, height: f64, sides: &[f64], turn: usize) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for &side in sides {
        if side < MIN_TILE && side < width.max(height) {
            break;
        }
        let starts = |length: f64| -> Vec<f64> {
            if length <= side {
                return vec![(length - side) / 2.0];
            }
            let steps = ((length - side) / (side * STRIDE)).ceil();
            (0..=steps as usize).map(|i| (length - side) * i as f64 / steps).collect()
        };
        for top in starts(height) {
            tiles.extend(starts(width).into_iter().map(|left| Tile { left, top, side, turn }));
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_image() {
        let small = [Tile { left: 0.0, top: -50.0, side: 200.0, turn: 0 }];
        assert_eq!(tiles(200.0, 100.0, &[200.0, 100.0, 50.0], 0), small);
        let all = tiles(1920.0, 1350.0, &[1920.0, 960.0, 480.0], 0);
        assert!(all.len() > 20 && all.len() < 40, "{}", all.len());
        for side in [960.0, 480.0] {
            let level: Vec<_> = all.iter().filter(|t| t.side == side).collect();
            for (x, y) in [(1.0, 1.0), (1919.0, 1349.0), (700.0, 500.0)] {
                let inside = |t: &Tile| t.left <= x && t.top <= y && x <= t.left + side && y <= t.top + side;
                assert!(level.iter().any(|t| inside(t)), "{side} {x} {y}");
            }
        }
    }
}
