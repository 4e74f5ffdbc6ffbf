//! Face detection with BlazeFace (the back-camera model for 256 × 256 pixels), on the whole photo and on tiles.

use crate::photo::{Affine, Border, FloatImage, Photo};
use crate::runtime::{Cancel, Runtime, Session};
use crate::{Error, Result};

/// Width and height of the network's input, in pixels.
const SIDE: usize = 256;
/// Anchor grids: cells per side, anchors per cell.
const GRIDS: [(usize, usize); 2] = [(16, 2), (8, 6)];
/// Minimum score of a detection.
const MIN_SCORE: f32 = 0.5;
/// Distance between tiles as a fraction of their side. Faces larger than the overlap of 0.3 are found in larger tiles.
const STRIDE: f64 = 0.7;
/// Maximum overlap of two faces, as a fraction of the smaller box. Above it, both detections show the same face.
const MAX_OVERLAP: f64 = 0.5;

/// A face box with approximate positions of eyes, nose, mouth and ears.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom in photo pixels. May extend beyond the photo.
    pub rect: [f64; 4],
    /// Left eye, right eye, tip of the nose, mouth, left ear, right ear, in photo pixels.
    pub keypoints: [[f64; 2]; 6],
    /// Confidence, 0.5 to 1.
    pub score: f32,
}

impl Detection {
    /// Center of the box.
    pub fn box_center(&self) -> [f64; 2] {
        let [left, top, right, bottom] = self.rect;
        [(left + right) / 2.0, (top + bottom) / 2.0]
    }

    /// Longer side of the box, in pixels.
    pub fn box_size(&self) -> f64 {
        let [left, top, right, bottom] = self.rect;
        (right - left).max(bottom - top)
    }

    /// Area of the intersection as a fraction of the smaller box.
    fn overlap(&self, other: &Detection) -> f64 {
        let ([al, at, ar, ab], [bl, bt, br, bb]) = (self.rect, other.rect);
        let intersection = (ar.min(br) - al.max(bl)).max(0.0) * (ab.min(bb) - at.max(bt)).max(0.0);
        let smaller = ((ar - al) * (ab - at)).min((br - bl) * (bb - bt));
        if smaller > 0.0 { intersection / smaller } else { 0.0 }
    }
}

#[derive(Debug)]
pub(super) struct Detector {
    session: Session,
}

/// A square tile of the image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tile {
    left: f64,
    top: f64,
    side: f64,
}

impl Detector {
    pub fn new(runtime: &Runtime, onnx: &[u8]) -> Result<Detector> {
        let session = runtime.session("face detector", onnx)?;
        let takes_images = session.inputs().iter().map(|p| &p.shape[..]).eq([&[1, SIDE, SIDE, 3][..]]);
        let is_blazeface = GRIDS.iter().all(|(grid, anchors)| {
            [16, 1]
                .iter()
                .all(|&n| session.outputs().iter().any(|p| p.shape == [1, grid * grid * anchors, n]))
        });
        if !takes_images || !is_blazeface {
            return Err(Error::Model("the face detector is not BlazeFace for 256 × 256 pixels".into()));
        }
        Ok(Detector { session })
    }

    /// The faces of the photo, highest score first, without duplicates.
    pub fn detect(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Detection>> {
        // Large photos are reduced to 1024 to 2047 pixels on the longer side, so that the smallest tiles have at least 256.
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let shrink = (width.max(height) / (4 * SIDE)).max(1);
        let size = [width.div_ceil(shrink), height.div_ceil(shrink)];
        let image = photo.read_rgb([0, 0], size, shrink, Border::Reflect);

        let mut candidates = Vec::new();
        for tile in tiles(size[0] as f64, size[1] as f64) {
            candidates.extend(self.detect_in_tile(&image, tile, cancel)?);
        }
        let to_photo = |v: f64| v * shrink as f64;
        Ok(without_duplicates(candidates)
            .into_iter()
            .map(|d| Detection {
                rect: d.rect.map(to_photo),
                keypoints: d.keypoints.map(|p| p.map(to_photo)),
                ..d
            })
            .collect())
    }

    /// Detections in one tile, in pixels of the image.
    fn detect_in_tile(&self, image: &FloatImage, tile: Tile, cancel: &Cancel) -> Result<Vec<Detection>> {
        let view = tile.view(image);
        let input = &self.session.inputs()[0].name;
        let outputs = self.session.run(&[(input, view.to_nhwc(|v| v).view().into_dyn())], cancel)?;
        let output =
            |shape: [usize; 3]| outputs.iter().find(|o| o.shape() == shape).and_then(|o| o.as_slice());

        let [width, height] = [image.width as f64, image.height as f64];
        let mut detections = Vec::new();
        for (grid, anchors) in GRIDS {
            let count = grid * grid * anchors;
            let (Some(raw), Some(scores)) = (output([1, count, 16]), output([1, count, 1])) else { continue };
            for (i, (raw, score)) in raw.chunks_exact(16).zip(scores).enumerate() {
                let score = 1.0 / (1.0 + (-score).exp());
                if score < MIN_SCORE {
                    continue;
                }
                let cell = i / anchors;
                let anchor = [cell % grid, cell / grid].map(|c| (c as f64 + 0.5) / grid as f64);
                let detection = tile.decode(raw, anchor, score);
                if !tile.truncates(&detection.rect, width, height) {
                    detections.push(detection);
                }
            }
        }
        Ok(detections)
    }
}

/// Non-maximum suppression: keeps the detections with the highest scores that do not overlap, in this order.
fn without_duplicates(mut candidates: Vec<Detection>) -> Vec<Detection> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces: Vec<Detection> = Vec::new();
    for candidate in candidates {
        if faces.iter().all(|face| face.overlap(&candidate) < MAX_OVERLAP) {
            faces.push(candidate);
        }
    }
    faces
}

impl Tile {
    /// The tile resampled to the network's input. Black outside the image.
    fn view(&self, image: &FloatImage) -> FloatImage {
        let step = self.side / SIDE as f64;
        let map = Affine::from_axes([self.left, self.top], [step, 0.0], [0.0, step]);
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

    /// Decodes the 16 numbers of an anchor: center, size, then six key points. Points are offsets from `anchor` in pixels of
    /// the network's input; `anchor` is in `[0,1]²`.
    fn decode(&self, raw: &[f32], anchor: [f64; 2], score: f32) -> Detection {
        let point = |at: usize| {
            let [x, y] = [0, 1].map(|axis| anchor[axis] + f64::from(raw[at + axis]) / SIDE as f64);
            [self.left + x * self.side, self.top + y * self.side]
        };
        let half = [2, 3].map(|at| f64::from(raw[at]) / SIDE as f64 * self.side / 2.0);
        let [x, y] = point(0);
        let rect = [x - half[0], y - half[1], x + half[0], y + half[1]];
        Detection { rect, keypoints: [4, 6, 8, 10, 12, 14].map(point), score }
    }

    /// Whether the box crosses an edge of the tile inside the image. Another tile contains the whole face.
    fn truncates(&self, [left, top, right, bottom]: &[f64; 4], width: f64, height: f64) -> bool {
        let (end_x, end_y) = (self.left + self.side, self.top + self.side);
        (self.left > 0.0 && *left < self.left)
            || (self.top > 0.0 && *top < self.top)
            || (end_x < width && *right > end_x)
            || (end_y < height && *bottom > end_y)
    }
}

/// A tile of the whole image, then overlapping tiles of 1/2 and 1/4 of its longer side, as long as these have at least 90 % of
/// the network's input size.
fn tiles(width: f64, height: f64) -> Vec<Tile> {
    let longer = width.max(height);
    let mut tiles = vec![Tile { left: (width - longer) / 2.0, top: (height - longer) / 2.0, side: longer }];
    for side in [longer / 2.0, longer / 4.0] {
        if side < SIDE as f64 * 0.9 {
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
            tiles.extend(starts(width).into_iter().map(|left| Tile { left, top, side }));
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_image() {
        assert_eq!(tiles(200.0, 100.0), [Tile { left: 0.0, top: -50.0, side: 200.0 }]);
        let all = tiles(1920.0, 1350.0);
        assert!(all.len() > 20 && all.len() < 40, "{}", all.len());
        for side in [960.0, 480.0] {
            let level: Vec<_> = all.iter().filter(|t| t.side == side).collect();
            for (x, y) in [(1.0, 1.0), (1919.0, 1349.0), (700.0, 500.0)] {
                let inside = |t: &Tile| t.left <= x && t.top <= y && x <= t.left + side && y <= t.top + side;
                assert!(level.iter().any(|t| inside(t)), "{side} {x} {y}");
            }
        }
    }

    #[test]
    fn overlap_is_relative_to_the_smaller_box() {
        let detection = |rect| Detection { rect, keypoints: [[0.0; 2]; 6], score: 1.0 };
        let (big, small) = (detection([0.0, 0.0, 10.0, 10.0]), detection([5.0, 5.0, 7.0, 7.0]));
        assert_eq!(big.overlap(&small), 1.0);
        assert_eq!(small.overlap(&detection([6.0, 5.0, 8.0, 7.0])), 0.5);
        assert_eq!(big.overlap(&detection([20.0, 0.0, 30.0, 10.0])), 0.0);
    }
}
