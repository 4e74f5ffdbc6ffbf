//! Face detection with BlazeFace (the back-camera model for 256 × 256 pixels), on the whole photo and on tiles.

mod tile;

use crate::photo::{Affine, Border, FloatImage, Photo};
use crate::runtime::{Cancel, Runtime, Session};
use crate::{Error, Result};
use tile::{MIN_TILE, Tile, tiles};

/// Width and height of the network's input, in pixels.
const SIDE: usize = 256;
/// Anchor grids: cells per side, anchors per cell.
const GRIDS: [(usize, usize); 2] = [(16, 2), (8, 6)];
/// Minimum score of a detection.
const MIN_SCORE: f32 = 0.5;
/// Side of the tile that confirms a face, relative to its box.
const CONFIRM_MARGIN: f64 = 2.5;
/// Maximum angle between a face and the vertical of a tile that shows it upright, in degrees.
const MAX_TILT: f64 = 60.0;
/// Maximum overlap of two faces, as a fraction of the smaller box. Above it, both detections show the same face.
pub(super) const MAX_OVERLAP: f64 = 0.5;

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

    /// Angle of the line through the eyes, in degrees; clockwise is positive.
    pub(super) fn roll(&self) -> f64 {
        let [left, right, ..] = self.keypoints;
        (right[1] - left[1]).atan2(right[0] - left[0]).to_degrees()
    }

    /// Area of the intersection as a fraction of the smaller box.
    pub(super) fn overlap(&self, other: &Detection) -> f64 {
        let ([al, at, ar, ab], [bl, bt, br, bb]) = (self.rect, other.rect);
        let intersection = (ar.min(br) - al.max(bl)).max(0.0) * (ab.min(bb) - at.max(bt)).max(0.0);
        let smaller = ((ar - al) * (ab - at)).min((br - bl) * (bb - bt));
        if smaller > 0.0 { intersection / smaller } else { 0.0 }
    }
}

/// The angle between two directions in degrees, 0 to 180.
pub(super) fn angle_between(a: f64, b: f64) -> f64 {
    ((a - b + 180.0).rem_euclid(360.0) - 180.0).abs()
}

#[derive(Debug)]
pub(super) struct Detector {
    session: Session,
}

/// The pixels that tiles are cut from.
enum Source<'p> {
    /// The photo itself.
    Photo(&'p Photo),
    /// The photo, reduced by a factor.
    Reduced(FloatImage, f64),
}

impl Source<'_> {
    /// Size, and photo pixels per pixel.
    fn size(&self) -> ([f64; 2], f64) {
        match self {
            Source::Photo(photo) => ([photo.width().into(), photo.height().into()], 1.0),
            Source::Reduced(image, scale) => ([image.width as f64, image.height as f64], *scale),
        }
    }
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

    /// Possible faces, highest score first, without duplicates: one list for each level of the search, from coarse to fine. The
    /// caller stops at the first level that shows a face.
    ///
    /// The first level searches tiles of at least a quarter of the photo's longer side. The next three do the same with the photo
    /// turned by quarters. The rest search smaller tiles, down to the photo's own pixels.
    pub fn levels<'a>(
        &'a self,
        photo: &'a Photo,
        cancel: &'a Cancel,
    ) -> impl Iterator<Item = Result<Vec<Detection>>> + 'a {
        // Large photos are reduced to 1024 to 2047 pixels on the longer side, so that tiles of a quarter have at least 256.
        let (width, height) = (photo.width() as usize, photo.height() as usize);
        let shrink = (width.max(height) / (4 * SIDE)).max(1);
        let size = [width.div_ceil(shrink), height.div_ceil(shrink)];
        let reduced = Source::Reduced(photo.read_rgb([0, 0], size, shrink, Border::Reflect), shrink as f64);
        let longer = size[0].max(size[1]) as f64;
        let coarse = [0, 1, 3, 2]
            .into_iter()
            .map(move |turn| self.search(&reduced, &[longer, longer / 2.0, longer / 4.0], turn, cancel));
        let finest = |side: &f64| *side >= MIN_TILE;
        let sides = std::iter::successors(Some(width.max(height) as f64 / 8.0), |side| Some(side / 2.0));
        let fine =
            sides.take_while(finest).map(|side| self.search(&Source::Photo(photo), &[side], 0, cancel));
        coarse.chain(fine)
    }

    /// Detects a face again, in a tile around it that is cut from the photo's own pixels and turned clockwise by `turn` quarters;
    /// `None` if the turned tile does not show it upright.
    pub fn again(
        &self,
        photo: &Photo,
        face: &Detection,
        turn: usize,
        cancel: &Cancel,
    ) -> Result<Option<Detection>> {
        let side = face.box_size() * CONFIRM_MARGIN;
        let [x, y] = face.box_center();
        let tile = Tile { left: x - side / 2.0, top: y - side / 2.0, side, turn };
        let found = self.detect_in_tile(&Source::Photo(photo), tile, cancel)?;
        let found = found.into_iter().filter(|d| d.overlap(face) >= MAX_OVERLAP);
        let upright = -90.0 * turn as f64;
        Ok(found
            .max_by(|a, b| a.score.total_cmp(&b.score))
            .filter(|d| angle_between(d.roll(), upright) <= MAX_TILT))
    }

    /// The detections in tiles with these sides, in pixels of the photo.
    fn search(
        &self,
        source: &Source<'_>,
        sides: &[f64],
        turn: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Detection>> {
        let ([width, height], scale) = source.size();
        let mut found = Vec::new();
        for tile in tiles(width, height, sides, turn) {
            found.extend(self.detect_in_tile(source, tile, cancel)?);
        }
        for face in &mut found {
            face.rect = face.rect.map(|v| v * scale);
            face.keypoints = face.keypoints.map(|p| p.map(|v| v * scale));
        }
        Ok(without_duplicates(found))
    }

    /// Detections in one tile, in pixels of the source.
    fn detect_in_tile(&self, source: &Source<'_>, tile: Tile, cancel: &Cancel) -> Result<Vec<Detection>> {
        let map = tile.map();
        let view = match source {
            Source::Photo(photo) => photo.warp(&map, SIDE, Border::Black),
            Source::Reduced(image, _) => tile.view(image),
        };
        let input = &self.session.inputs()[0].name;
        let outputs = self.session.run(&[(input, view.to_nhwc(|v| v).view().into_dyn())], cancel)?;
        let output =
            |shape: [usize; 3]| outputs.iter().find(|o| o.shape() == shape).and_then(|o| o.as_slice());

        let ([width, height], _) = source.size();
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
                let detection = decode(&map, raw, anchor, score);
                if !tile.truncates(&detection.rect, width, height) {
                    detections.push(detection);
                }
            }
        }
        Ok(detections)
    }
}

/// Decodes the 16 numbers of an anchor: center, size, then six key points. Points are offsets from `anchor` in pixels of the
/// network's input, which `map` maps to the image; `anchor` is in `[0,1]²`.
fn decode(map: &Affine, raw: &[f32], anchor: [f64; 2], score: f32) -> Detection {
    let point =
        |at: usize| map.apply([0, 1].map(|axis| anchor[axis] * SIDE as f64 + f64::from(raw[at + axis])));
    let half = [2, 3].map(|at| f64::from(raw[at]) / 2.0);
    let corner = |sign: f64| {
        map.apply([0, 1].map(|axis| anchor[axis] * SIDE as f64 + f64::from(raw[axis]) + sign * half[axis]))
    };
    let (a, b) = (corner(-1.0), corner(1.0));
    let rect = [a[0].min(b[0]), a[1].min(b[1]), a[0].max(b[0]), a[1].max(b[1])];
    Detection { rect, keypoints: [4, 6, 8, 10, 12, 14].map(point), score }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_relative_to_the_smaller_box() {
        let detection = |rect| Detection { rect, keypoints: [[0.0; 2]; 6], score: 1.0 };
        let (big, small) = (detection([0.0, 0.0, 10.0, 10.0]), detection([5.0, 5.0, 7.0, 7.0]));
        assert_eq!(big.overlap(&small), 1.0);
        assert_eq!(small.overlap(&detection([6.0, 5.0, 8.0, 7.0])), 0.5);
        assert_eq!(big.overlap(&detection([20.0, 0.0, 30.0, 10.0])), 0.0);
    }
}
