//! Face detection with BlazeFace (the 256-pixel back-camera model), over the whole picture and over tiles of it.

use crate::runtime::{Cancel, Runtime, Session};
use crate::{Error, Result};

use crate::photo::Photo;
use crate::photo::warp::{Affine, Border, Raster};

/// The network's input side, in pixels.
const SIDE: usize = 256;
/// Anchors: cells per side, and boxes per cell.
const GRIDS: [(usize, usize); 2] = [(16, 2), (8, 6)];
/// Detections below this are dropped.
const MIN_SCORE: f32 = 0.5;
/// From one tile to the next, as a part of its side. Faces above the other 0.3 of a tile are found in larger ones.
const STRIDE: f64 = 0.7;
/// Two boxes that share more than this part of the smaller one are the same face.
const MAX_OVERLAP: f64 = 0.5;

/// A face box with the eyes, nose, mouth and ears that the detector places roughly.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom in photo pixels; may reach beyond the photo.
    pub rect: [f64; 4],
    /// Eye, eye (each left in the picture first), nose tip, mouth, ear, ear, in photo pixels.
    pub keypoints: [[f64; 2]; 6],
    /// From 0.5 to 1.
    pub score: f32,
}

impl Detection {
    /// The middle of the box.
    pub fn center(&self) -> [f64; 2] {
        let [left, top, right, bottom] = self.rect;
        [(left + right) / 2.0, (top + bottom) / 2.0]
    }

    /// The longer side of the box, in pixels.
    pub fn size(&self) -> f64 {
        let [left, top, right, bottom] = self.rect;
        (right - left).max(bottom - top)
    }

    /// The shared area, as a part of the smaller box.
    fn overlap(&self, other: &Detection) -> f64 {
        let ([al, at, ar, ab], [bl, bt, br, bb]) = (self.rect, other.rect);
        let shared = (ar.min(br) - al.max(bl)).max(0.0) * (ab.min(bb) - at.max(bt)).max(0.0);
        let smaller = ((ar - al) * (ab - at)).min((br - bl) * (bb - bt));
        if smaller > 0.0 { shared / smaller } else { 0.0 }
    }
}

#[derive(Debug)]
pub(super) struct Detector {
    session: Session,
}

/// A square part of the picture that the network looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    left: f64,
    top: f64,
    side: f64,
}

impl Detector {
    pub fn new(runtime: &Runtime, onnx: &[u8]) -> Result<Detector> {
        let session = runtime.session("face detector", onnx)?;
        let takes_pictures = session.inputs().iter().map(|p| &p.shape[..]).eq([&[1, SIDE, SIDE, 3][..]]);
        let is_blazeface = GRIDS.iter().all(|(grid, boxes)| {
            [16, 1].iter().all(|&n| session.outputs().iter().any(|p| p.shape == [1, grid * grid * boxes, n]))
        });
        if !takes_pictures || !is_blazeface {
            return Err(Error::Model("the face detector is not BlazeFace for 256 × 256 pixels".into()));
        }
        Ok(Detector { session })
    }

    /// Faces of the photo, best score first, each once.
    pub fn detect(&self, photo: &Photo, cancel: &Cancel) -> Result<Vec<Detection>> {
        // Read once, to between 1024 and 2048 pixels: tiles of a quarter of that are still 256 pixels or more.
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let shrink = (width.max(height) / (4 * SIDE)).max(1);
        let size = [width.div_ceil(shrink), height.div_ceil(shrink)];
        let picture = photo.read([0, 0], size, shrink, Border::Reflect);

        let mut found = Vec::new();
        for window in windows(size[0] as f64, size[1] as f64) {
            found.extend(self.look(&picture, window, cancel)?);
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut faces: Vec<Detection> = Vec::new();
        for candidate in found {
            if faces.iter().all(|face| face.overlap(&candidate) < MAX_OVERLAP) {
                faces.push(candidate);
            }
        }
        let full = |v: f64| v * shrink as f64;
        Ok(faces
            .into_iter()
            .map(|d| Detection { rect: d.rect.map(full), keypoints: d.keypoints.map(|p| p.map(full)), ..d })
            .collect())
    }

    /// Detections inside one window, in the picture's pixels.
    fn look(&self, picture: &Raster, window: Window, cancel: &Cancel) -> Result<Vec<Detection>> {
        let step = window.side / SIDE as f64;
        let map = Affine::from_axes([window.left, window.top], [step, 0.0], [0.0, step]);
        let mut view = picture.resample(&map, SIDE, SIDE);
        let [width, height] = [picture.width as f64, picture.height as f64];
        for (i, pixel) in view.data.iter_mut().enumerate() {
            let [x, y] = map.apply([(i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5]);
            if x < 0.0 || y < 0.0 || x > width || y > height {
                *pixel = [-1.0; 3];
            }
        }
        let input = &self.session.inputs()[0].name;
        let outputs = self.session.run(&[(input, view.to_nhwc(|v| v).view().into_dyn())], cancel)?;
        let output =
            |shape: [usize; 3]| outputs.iter().find(|o| o.shape() == shape).and_then(|o| o.as_slice());

        let mut found = Vec::new();
        for (grid, boxes) in GRIDS {
            let count = grid * grid * boxes;
            let (Some(raw), Some(scores)) = (output([1, count, 16]), output([1, count, 1])) else { continue };
            for (i, (raw, score)) in raw.chunks_exact(16).zip(scores).enumerate() {
                let score = 1.0 / (1.0 + (-score).exp());
                if score < MIN_SCORE {
                    continue;
                }
                let cell = i / boxes;
                let anchor = [cell % grid, cell / grid].map(|c| (c as f64 + 0.5) / grid as f64);
                // Offsets from the anchor are in pixels of the view.
                let point = |at: usize| {
                    let [x, y] = [0, 1].map(|axis| anchor[axis] + f64::from(raw[at + axis]) / SIDE as f64);
                    [window.left + x * window.side, window.top + y * window.side]
                };
                let half = [2, 3].map(|at| f64::from(raw[at]) / SIDE as f64 * window.side / 2.0);
                let [x, y] = point(0);
                let rect = [x - half[0], y - half[1], x + half[0], y + half[1]];
                if !window.cuts(&rect, width, height) {
                    found.push(Detection { rect, keypoints: [4, 6, 8, 10, 12, 14].map(point), score });
                }
            }
        }
        Ok(found)
    }
}

impl Window {
    /// Whether the box runs over an edge of the window behind which the picture goes on: another window shows it whole.
    fn cuts(&self, [left, top, right, bottom]: &[f64; 4], width: f64, height: f64) -> bool {
        let (end_x, end_y) = (self.left + self.side, self.top + self.side);
        (self.left > 0.0 && *left < self.left)
            || (self.top > 0.0 && *top < self.top)
            || (end_x < width && *right > end_x)
            || (end_y < height && *bottom > end_y)
    }
}

/// The whole picture, then overlapping squares of a half and a quarter of its longer side, while those have at
/// least the pixels that the network takes.
fn windows(width: f64, height: f64) -> Vec<Window> {
    let longer = width.max(height);
    let mut windows =
        vec![Window { left: (width - longer) / 2.0, top: (height - longer) / 2.0, side: longer }];
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
            windows.extend(starts(width).into_iter().map(|left| Window { left, top, side }));
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_picture() {
        assert_eq!(windows(200.0, 100.0), [Window { left: 0.0, top: -50.0, side: 200.0 }]);
        let all = windows(1920.0, 1350.0);
        assert!(all.len() > 20 && all.len() < 40, "{}", all.len());
        for side in [960.0, 480.0] {
            let level: Vec<_> = all.iter().filter(|w| w.side == side).collect();
            for (x, y) in [(1.0, 1.0), (1919.0, 1349.0), (700.0, 500.0)] {
                let inside =
                    |w: &&&Window| w.left <= x && w.top <= y && x <= w.left + side && y <= w.top + side;
                assert!(level.iter().any(|w| inside(&w)), "{side} {x} {y}");
            }
        }
    }

    #[test]
    fn overlap_is_of_the_smaller_box() {
        let at = |rect| Detection { rect, keypoints: [[0.0; 2]; 6], score: 1.0 };
        let (big, small) = (at([0.0, 0.0, 10.0, 10.0]), at([5.0, 5.0, 7.0, 7.0]));
        assert_eq!(big.overlap(&small), 1.0);
        assert_eq!(small.overlap(&at([6.0, 5.0, 8.0, 7.0])), 0.5);
        assert_eq!(big.overlap(&at([20.0, 0.0, 30.0, 10.0])), 0.0);
    }
}
