//! Residual composite: what an edit does not change stays the photograph.
//!
//! P is the photo, R the reconstruction (the generator's image without edits) and E the edited image, at the same point:
//!
//! out = P + g·(E − R) − k·(P − R − T)
//!
//! - g is 0 where the edit changed nothing, and 1 elsewhere. The photo's pixels stay bit-exact where g = 0.
//! - k is 1 where the edit moved content. The residual P − R belongs to the old position there and would show as a ghost, so
//!   out = E + T. Where k = 0, the photo keeps its own texture and only receives the change E − R.
//! - T is the low-frequency part of P − R: the generator's error of color and brightness, which has no position.
//!
//! g and k are functions of D, the local mean of |E − R|; for k, slow changes of color count less than structure. Both are 0 if D
//! is small. Therefore `out` is continuous in the strength of an edit, and without an edit it is the photo.

mod grid;
mod outline;

use ndarray::ArrayView4;

use super::align::Alignment;
use super::keep::Keep;
use super::paste::{PasteOptions, Placement, Region, check_crop, feather_weight, paste_into};
use crate::photo::pixels::ImageMut;
use crate::photo::{Affine, Border, FloatImage, Photo, Sampler};
use crate::{Error, Result};
use grid::Grid;

/// One gray level of 255, in the range `[-1,1]`.
const LEVEL: f32 = 2.0 / 255.0;
/// Cells along a side of the maps g and k.
const CELLS: usize = 256;
/// Standard deviation of the blur of |E − R|, as a fraction of the crop's side.
const CHANGE_BLUR: f64 = 0.008;
/// D in gray levels where g starts to rise, and where it is 1.
const CHANGED: [f32; 2] = [1.5, 5.0];
/// D without slow changes of color, in gray levels, where k starts to rise, and where it is 1.
const MOVED: [f32; 2] = [6.0, 18.0];
/// Standard deviation of the blur that separates slow changes, such as hair that turns gray, from moved structure.
const SLOW_BLUR: f64 = 0.04;
/// Slow changes count as moved with this weight.
const SLOW_SHARE: f32 = 0.33;
/// Standard deviation of the blur of g and k, the gain after it, and the blur of the resulting rim.
const MASK_BLUR: f64 = 0.012;
const MOVED_GAIN: f32 = 1.7;
const RIM_BLUR: f64 = 0.004;
/// Cells along a side of T, the standard deviation of its blur, and the limit of P − R in gray levels.
const TONE_CELLS: usize = 64;
const TONE_BLUR: f64 = 0.04;
const TONE_LIMIT: f32 = 32.0;
/// Width of the soft rim of a face with [`Keep::Background`].
const FACE_RIM: f64 = 0.06;

/// An edited face, and the same face without edits. Both images are `[1,3,R,R]` in `[-1,1]`.
#[derive(Debug, Clone)]
pub struct EditedFace<'a> {
    /// The generator's image with edits.
    pub edited: ArrayView4<'a, f32>,
    /// The generator's image without edits.
    pub reconstruction: ArrayView4<'a, f32>,
    /// Points on the face, in fractions of the crop's side, for [`Keep::Background`]. Empty: where an average face is.
    pub face_points: Vec<[f64; 2]>,
}

impl<'a> EditedFace<'a> {
    /// Without known points on the face.
    pub fn new(edited: ArrayView4<'a, f32>, reconstruction: ArrayView4<'a, f32>) -> EditedFace<'a> {
        EditedFace { edited, reconstruction, face_points: Vec::new() }
    }
}

/// Applies the change from the reconstruction to the edited image to the square `alignment` of the photo.
///
/// [`PasteOptions::keep`] selects what stays of the photo; with [`Keep::None`] this is [`paste`](super::paste()) of the edited
/// image. Alpha and pixels outside the square stay bit-exact, and so do pixels that the edit does not change. Bit depth and color
/// type do not change. If all pixels of the square are gray, they stay gray. Returns a rectangle that contains all changed pixels.
///
/// # Errors
/// Those of [`paste`](super::paste()); [`Error::Input`] if the two images differ in size.
pub fn paste_edit(
    photo: &mut Photo,
    face: &EditedFace<'_>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    paste_edit_into(&mut ImageMut::from_photo(photo)?, face, alignment, options)
}

/// [`paste_edit`] into pixels of a host.
///
/// # Errors
/// Those of [`paste_edit`]; [`Error::Limits`] for images larger than a [`Photo`] may be.
pub fn paste_edit_into(
    image: &mut ImageMut<'_>,
    face: &EditedFace<'_>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    if options.keep == Keep::None {
        return paste_into(image, face.edited, alignment, options);
    }
    let side = check_crop(face.edited)?;
    if face.edited.dim() != face.reconstruction.dim() {
        return Err(Error::Input(format!(
            "the edited face has the shape {:?}, but the face without edits has {:?}",
            face.edited.shape(),
            face.reconstruction.shape()
        )));
    }
    let photo = image.as_image().to_photo("the picture")?;
    let placement = Placement::new(&photo, side, alignment, options)?;
    Composite::new(&photo, face, alignment, options.keep)?.add_to(image, &placement, options)
}

/// The terms of the composite, with everything needed to evaluate them at pixels of the photo.
struct Composite {
    /// (E − R) / 2. Halved because samplers clamp to `[-1,1]`.
    change: FloatImage,
    reconstruction: FloatImage,
    /// g and k.
    masks: Grid<2>,
    /// T.
    tone: Grid<3>,
}

impl Composite {
    fn new(photo: &Photo, face: &EditedFace<'_>, alignment: &Alignment, keep: Keep) -> Result<Composite> {
        let reconstruction = FloatImage::from_nchw(face.reconstruction);
        let mut change = FloatImage::from_nchw(face.edited);
        for (change, old) in change.data.iter_mut().zip(&reconstruction.data) {
            *change = [0, 1, 2].map(|c| (change[c] - old[c]) / 2.0);
        }
        let mut masks = masks(&change);
        if keep == Keep::Background {
            let face = match &face.face_points[..] {
                points @ [_, _, _, ..] => points.to_vec(),
                _ => outline::average_face(),
            };
            let face = outline::hull_mask(masks.side, &face, 0.0, FACE_RIM);
            for (mask, [face]) in masks.cells.iter_mut().zip(face.cells) {
                *mask = mask.map(|v| v.max(face));
            }
        }
        let tone = tone(photo, &reconstruction, alignment)?;
        Ok(Composite { change, reconstruction, masks, tone })
    }

    fn add_to(
        &self,
        image: &mut ImageMut<'_>,
        placement: &Placement,
        options: &PasteOptions<'_>,
    ) -> Result<Region> {
        let side = self.change.width as f64;
        let scale = placement.photo_to_crop.scale();
        let (mut change, mut old) =
            (Sampler::new(&self.change, scale), Sampler::new(&self.reconstruction, scale));
        let gray = image.is_gray(placement.bounds);
        image.add(placement.bounds, |x, y, pixel| {
            let point = placement.photo_to_crop.apply([x as f64 + 0.5, y as f64 + 0.5]);
            let position = point.map(|v| v / side);
            let selected = options.mask.map_or(1.0, |mask| f32::from(mask[[y, x]]) / 255.0);
            let weight = selected * feather_weight(position, options.feather) as f32;
            let [changed, moved] = self.masks.sample(position);
            if weight.is_nan() || weight <= 0.0 || (changed <= 0.0 && moved <= 0.0) {
                return None;
            }
            let mut delta = change.sample(point).map(|v| 2.0 * changed * v);
            if moved > 0.0 {
                let (old, tone) = (old.sample(point), self.tone.sample(position));
                delta = [0, 1, 2].map(|c| delta[c] - moved * (pixel[c] - old[c] - tone[c]));
            }
            Some((delta.map(|v| weight * v), gray))
        });
        Ok(placement.region())
    }
}

/// g and k of a halved change.
fn masks(change: &FloatImage) -> Grid<2> {
    let side = change.width.min(CELLS);
    let cells = |fraction: f64| fraction * side as f64;
    let mean = cell_means(change, side, |pixel, _| *pixel);
    let slow = mean.blur(cells(SLOW_BLUR));
    let largest = |pixel: [f32; 3]| pixel.iter().fold(0.0, |max, v| v.abs().max(max)) * 2.0 / LEVEL;
    let differences = cell_means(change, side, |pixel, cell| {
        let slow = slow.cells[cell];
        [largest(*pixel), largest([0, 1, 2].map(|c| pixel[c] - slow[c]))]
    });
    let differences = differences.blur(cells(CHANGE_BLUR));
    let threshold = |value: f32, [low, high]: [f32; 2]| ((value - low) / (high - low)).clamp(0.0, 1.0);
    let hard = differences
        .cells
        .iter()
        .map(|&[all, fast]| [threshold(all, CHANGED), threshold(fast.max(all * SLOW_SHARE), MOVED)]);
    let mut masks = Grid { side, cells: hard.collect() }.blur(cells(MASK_BLUR));
    for [g, k] in &mut masks.cells {
        // The gain closes gaps in moved content and includes its rim.
        *k = (*k * MOVED_GAIN).min(1.0);
        *g = (*g * MOVED_GAIN).min(1.0).max(*k);
    }
    masks.blur(cells(RIM_BLUR))
}

/// The mean of `value(pixel, cell)` over pixels of each of `side` × `side` cells: over all, or a quarter of them in large images.
fn cell_means<const C: usize>(
    image: &FloatImage,
    side: usize,
    value: impl Fn(&[f32; 3], usize) -> [f32; C],
) -> Grid<C> {
    let mut grid = Grid { side, cells: vec![[0.0; C]; side * side] };
    let mut counts = vec![0.0f32; side * side];
    let step = if image.width >= 2 * side { 2 } else { 1 };
    for (y, row) in image.data.chunks(image.width).enumerate().step_by(step) {
        for (x, pixel) in row.iter().enumerate().step_by(step) {
            let cell = y * side / image.height * side + x * side / image.width;
            let value = value(pixel, cell);
            grid.cells[cell].iter_mut().zip(value).for_each(|(sum, v)| *sum += v);
            counts[cell] += 1.0;
        }
    }
    for (cell, count) in grid.cells.iter_mut().zip(counts) {
        *cell = cell.map(|sum| sum / count);
    }
    grid
}

/// T of a photo.
fn tone(photo: &Photo, reconstruction: &FloatImage, alignment: &Alignment) -> Result<Grid<3>> {
    const N: usize = TONE_CELLS;
    let photo = photo.warp(&alignment.crop_to_photo(photo, N)?, N, Border::Reflect);
    let old = reconstruction.resample(&Affine::from_scale(reconstruction.width as f64 / N as f64), N, N);
    let limit = TONE_LIMIT * LEVEL;
    let residual = |(p, r): (&[f32; 3], &[f32; 3])| [0, 1, 2].map(|c| (p[c] - r[c]).clamp(-limit, limit));
    let cells = photo.data.iter().zip(&old.data).map(residual).collect();
    Ok(Grid { side: N, cells }.blur(TONE_BLUR * N as f64))
}

#[cfg(test)]
mod tests;
