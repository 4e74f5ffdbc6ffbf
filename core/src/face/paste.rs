//! Putting an edited crop back into its photo: inverse warp, feathered edge, same depth; nothing else changes.

use ndarray::{ArrayView2, ArrayView4};

use super::align::Alignment;
use crate::photo::Photo;
use crate::photo::pixels::ImageMut;
use crate::photo::warp::{Affine, Border, Raster, Sampler};
use crate::{Error, Result};

/// The edge's colour difference is kept in so many cells along each side of the crop.
const CELLS: usize = 32;

/// How an edited crop meets the photo.
#[derive(Debug, Clone)]
pub struct PasteOptions<'m> {
    /// The part of the crop's side over which it fades in from each edge, 0 to 0.5.
    pub feather: f64,
    /// Whether slow differences of colour and brightness along the edge are taken out of the crop near the edge.
    pub match_border: bool,
    /// How much of the crop to take at each pixel of the photo, `[height, width]`, 0 to 255; everything if absent.
    /// Pixels where it is 0 stay as they are, bit for bit. [`crate::photo::pixels::selection`] makes one of a host's slice.
    pub mask: Option<ArrayView2<'m, u8>>,
}

impl Default for PasteOptions<'_> {
    fn default() -> Self {
        PasteOptions { feather: 0.1, match_border: true, mask: None }
    }
}

/// A rectangle of a photo's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Its first column.
    pub x: u32,
    /// Its first row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Puts `crop` (`[1,3,R,R]` in `[-1,1]`) where `alignment` says.
///
/// Pixels outside the square, alpha, depth and greyness (a colour crop turns to its luma) stay as they are, bit for bit.
/// Returns the rectangle outside which nothing changed.
///
/// # Errors
/// [`Error::Input`] where the crop is not `[1,3,R,R]`, an option is out of range, or the square is not on this photo.
pub fn paste(
    photo: &mut Photo,
    crop: ArrayView4<'_, f32>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    let patch = Patch::new(photo, crop, alignment, options)?;
    Ok(patch.blend(&mut ImageMut::from_photo(photo)?))
}

/// As [`paste`], into a host's pixels where they lie.
///
/// # Errors
/// As [`paste`]; and [`Error::Limits`] for images that a [`Photo`] cannot hold.
pub fn paste_into(
    image: &mut ImageMut<'_>,
    crop: ArrayView4<'_, f32>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    let photo = image.as_image().to_photo("the picture")?;
    Ok(Patch::new(&photo, crop, alignment, options)?.blend(image))
}

/// Left, top, right, bottom of the photo's pixels that the quad touches; right and bottom are one past.
fn bounds(quad: &[[f64; 2]; 4], (height, width): (usize, usize)) -> [u32; 4] {
    let range = |axis: usize, length: usize| {
        let values = quad.iter().map(|p| p[axis]);
        let low = values.clone().fold(f64::MAX, f64::min).floor().clamp(0.0, length as f64);
        let high = values.fold(f64::MIN, f64::max).ceil().clamp(0.0, length as f64);
        (low as u32, high as u32)
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    [left, top, right, bottom]
}

/// A crop made ready for its place.
struct Patch<'m> {
    raster: Raster,
    correction: Option<Raster>,
    /// From photo pixels to crop pixels.
    to_crop: Affine,
    feather: f64,
    mask: Option<ArrayView2<'m, u8>>,
    bounds: [u32; 4],
}

impl<'m> Patch<'m> {
    fn new(
        photo: &Photo,
        crop: ArrayView4<'_, f32>,
        alignment: &Alignment,
        options: &PasteOptions<'m>,
    ) -> Result<Patch<'m>> {
        let (batch, channels, side, width) = crop.dim();
        if (batch, channels) != (1, 3) || side != width || side == 0 {
            return Err(Error::Input(format!("a crop to paste is [1, 3, R, R], not {:?}", crop.shape())));
        }
        if !(0.0..=0.5).contains(&options.feather) {
            return Err(Error::Input(format!("the feather {} is not between 0 and 0.5", options.feather)));
        }
        let photo_dim = (photo.height() as usize, photo.width() as usize);
        if let Some(mask) = &options.mask
            && mask.dim() != photo_dim
        {
            let (mask, photo) = (mask.dim(), photo_dim);
            return Err(Error::Input(format!("the mask is {mask:?}, the photo {photo:?} (height, width)")));
        }
        let to_photo = alignment.map(photo, side)?;
        let Some(to_crop) = to_photo.inverse() else {
            return Err(Error::Input(format!("the face's place {:?} is no square", alignment.quad)));
        };
        let raster = Raster::from_crop(crop);
        let correction = options
            .match_border
            .then(|| border_difference(photo, &raster, alignment, options.feather))
            .transpose()?;
        let (feather, mask) = (options.feather, options.mask);
        Ok(Patch { raster, correction, to_crop, feather, mask, bounds: bounds(&alignment.quad, photo_dim) })
    }

    /// Mixes the crop into the pixels within bounds; says which they are.
    fn blend(&self, image: &mut ImageMut<'_>) -> Region {
        let side = self.raster.width as f64;
        let mut crop = Sampler::new(&self.raster, self.to_crop.stretch());
        let mut correction = self.correction.as_ref().map(|raster| Sampler::new(raster, [1.0; 2]));
        image.mix(self.bounds, |x, y| {
            let at = self.to_crop.apply([x as f64 + 0.5, y as f64 + 0.5]);
            let place = at.map(|v| v / side);
            let mask = self.mask.map_or(1.0, |mask| f32::from(mask[[y, x]]) / 255.0);
            let weight = mask * fade_in(place, self.feather) as f32;
            if weight <= 0.0 || weight.is_nan() {
                return None;
            }
            let mut color = crop.at(at);
            if let Some(correction) = &mut correction {
                let fading = 1.0 - fade_in(place, (2.5 * self.feather).min(0.5)) as f32;
                let difference = correction.at(place.map(|v| v * CELLS as f64));
                // Differences are stored halved, because samplers hold to [-1,1].
                color = [0, 1, 2].map(|c| color[c] + 2.0 * difference[c] * fading);
            }
            Some((color, weight))
        });
        let [x, y, right, bottom] = self.bounds;
        Region { x, y, width: right - x, height: bottom - y }
    }
}

/// 0 on and outside the crop's edge, 1 from `feather` on, without a kink. `place` is in `[0,1]`² inside the crop.
fn fade_in(place: [f64; 2], feather: f64) -> f64 {
    place
        .map(|v| {
            let inside = v.min(1.0 - v);
            if inside <= 0.0 {
                return 0.0;
            }
            let t = (inside / feather).min(1.0);
            t * t * (3.0 - 2.0 * t)
        })
        .iter()
        .product()
}

/// Half of (photo − crop), small and blurred: what keeps the crop's edge from matching the photo's colour there.
fn border_difference(photo: &Photo, crop: &Raster, alignment: &Alignment, feather: f64) -> Result<Raster> {
    let original = photo.warped(&alignment.map(photo, CELLS)?, CELLS, Border::Reflect);
    let step = crop.width as f64 / CELLS as f64;
    let edited = crop.resample(&Affine::from_axes([0.0; 2], [step, 0.0], [0.0, step]), CELLS, CELLS);
    let mut difference = Raster::new(CELLS, CELLS);
    for ((d, o), e) in difference.data.iter_mut().zip(&original.data).zip(&edited.data) {
        *d = [0, 1, 2].map(|c| (o[c] - e[c]) / 2.0);
    }
    Ok(difference.blurred(((feather * CELLS as f64) / 2.0).round() as usize))
}
