//! Pasting an edited crop back into its photo: inverse warp, color correction at the border, feathered blending.

use ndarray::{ArrayView2, ArrayView4};

use super::align::Alignment;
use super::keep::Keep;
use crate::photo::pixels::ImageMut;
use crate::photo::{Affine, Border, FloatImage, Photo, Sampler};
use crate::{Error, Result};

/// Width and height of the color correction, in cells.
const CORRECTION_CELLS: usize = 32;

/// How an edited crop is blended into the photo.
#[derive(Debug, Clone)]
pub struct PasteOptions<'m> {
    /// Width of the blended border as a fraction of the crop's side, 0 to 0.5.
    pub feather: f64,
    /// Whether low-frequency differences of color and brightness at the border are removed from the crop near the border. Has no
    /// effect on a composite, whose border is the photo's.
    pub match_border: bool,
    /// What [`paste_edit`](super::paste_edit) keeps of the photo. Without an image of the face before the edit, as in [`paste`],
    /// nothing is kept.
    pub keep: Keep,
    /// Whether the photo may be another one than the inverted photo, for functions that know that one.
    pub other_photo: bool,
    /// Opacity of the crop at each pixel of the photo, `[height, width]`, 0 to 255. Pixels with 0 stay bit-exact. Without a
    /// mask, the crop is opaque. [`crate::photo::pixels::selection`] makes a mask from a host's slice.
    pub mask: Option<ArrayView2<'m, u8>>,
}

impl Default for PasteOptions<'_> {
    fn default() -> Self {
        PasteOptions { feather: 0.1, match_border: true, keep: Keep::All, other_photo: false, mask: None }
    }
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// Pastes `crop` (`[1,3,R,R]` in `[-1,1]`) into the square `alignment` of the photo.
///
/// Alpha and pixels outside the square stay bit-exact. Bit depth, color type and color space do not change; if all pixels of the
/// square are gray, the crop's luma is pasted. Returns a rectangle that contains all changed pixels.
///
/// # Errors
/// [`Error::Input`] if the crop is not `[1,3,R,R]`, an option is out of range, or the square is not on this photo.
pub fn paste(
    photo: &mut Photo,
    crop: ArrayView4<'_, f32>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    let crop = WarpedCrop::new(photo, crop, alignment, options)?;
    Ok(crop.blend_into(&mut ImageMut::from_photo(photo)?))
}

/// [`paste`] into pixels of a host.
///
/// # Errors
/// Those of [`paste`]; [`Error::Limits`] for images larger than a [`Photo`] may be.
pub fn paste_into(
    image: &mut ImageMut<'_>,
    crop: ArrayView4<'_, f32>,
    alignment: &Alignment,
    options: &PasteOptions<'_>,
) -> Result<Region> {
    let photo = image.as_image().to_photo("the picture")?;
    Ok(WarpedCrop::new(&photo, crop, alignment, options)?.blend_into(image))
}

/// The side of an image of a face.
///
/// # Errors
/// [`Error::Input`] if it is not `[1,3,R,R]`.
pub(super) fn check_crop(crop: ArrayView4<'_, f32>) -> Result<usize> {
    let (batch, channels, side, width) = crop.dim();
    if (batch, channels) != (1, 3) || side != width || side == 0 {
        return Err(Error::Input(format!(
            "the crop to paste has the shape {:?}, but [1, 3, R, R] is needed",
            crop.shape()
        )));
    }
    Ok(side)
}

/// Where a crop is in the photo.
pub(super) struct Placement {
    pub photo_to_crop: Affine,
    /// Left, top, right, bottom of the affected pixels of the photo, right and bottom excluded.
    pub bounds: [u32; 4],
}

impl Placement {
    /// The place of a crop with `side` pixels. Checks `options` and `alignment`.
    pub fn new(
        photo: &Photo,
        side: usize,
        alignment: &Alignment,
        options: &PasteOptions<'_>,
    ) -> Result<Placement> {
        if !(0.0..=0.5).contains(&options.feather) {
            return Err(Error::Input(format!("the feather must be 0 to 0.5, but is {}", options.feather)));
        }
        let photo_dim = (photo.height() as usize, photo.width() as usize);
        if let Some(mask) = &options.mask
            && mask.dim() != photo_dim
        {
            return Err(Error::Input(format!(
                "the mask has the size {:?}, but the photo has {photo_dim:?} (height, width)",
                mask.dim()
            )));
        }
        let Some(photo_to_crop) = alignment.crop_to_photo(photo, side)?.inverse() else {
            return Err(Error::Input(format!("the face alignment {:?} is not a square", alignment.quad)));
        };
        Ok(Placement { photo_to_crop, bounds: bounding_rect(&alignment.quad, photo_dim) })
    }

    /// The affected pixels of the photo.
    pub fn region(&self) -> Region {
        let [x, y, right, bottom] = self.bounds;
        Region { x, y, width: right - x, height: bottom - y }
    }
}

/// A crop with everything needed to evaluate it at pixels of the photo.
struct WarpedCrop<'m> {
    image: FloatImage,
    /// See [`border_correction`].
    correction: Option<FloatImage>,
    placement: Placement,
    feather: f64,
    mask: Option<ArrayView2<'m, u8>>,
}

impl<'m> WarpedCrop<'m> {
    fn new(
        photo: &Photo,
        crop: ArrayView4<'_, f32>,
        alignment: &Alignment,
        options: &PasteOptions<'m>,
    ) -> Result<WarpedCrop<'m>> {
        let placement = Placement::new(photo, check_crop(crop)?, alignment, options)?;
        let image = FloatImage::from_nchw(crop);
        let correction = options
            .match_border
            .then(|| border_correction(photo, &image, alignment, options.feather))
            .transpose()?;
        Ok(WarpedCrop { image, correction, placement, feather: options.feather, mask: options.mask })
    }

    /// Blends the crop into the pixels of `bounds`, which it returns.
    fn blend_into(&self, image: &mut ImageMut<'_>) -> Region {
        let side = self.image.width as f64;
        let mut crop = Sampler::new(&self.image, self.placement.photo_to_crop.scale());
        let mut correction = self.correction.as_ref().map(|image| Sampler::new(image, [1.0; 2]));
        let gray = image.is_gray(self.placement.bounds);
        image.blend(self.placement.bounds, gray, |x, y| {
            let point = self.placement.photo_to_crop.apply([x as f64 + 0.5, y as f64 + 0.5]);
            let position = point.map(|v| v / side);
            let mask = self.mask.map_or(1.0, |mask| f32::from(mask[[y, x]]) / 255.0);
            let weight = mask * feather_weight(position, self.feather) as f32;
            if weight <= 0.0 || weight.is_nan() {
                return None;
            }
            let mut color = crop.sample(point);
            if let Some(correction) = &mut correction {
                let strength = 1.0 - feather_weight(position, (2.5 * self.feather).min(0.5)) as f32;
                let difference = correction.sample(position.map(|v| v * CORRECTION_CELLS as f64));
                // The factor 2 undoes the halving in `border_correction`.
                color = [0, 1, 2].map(|c| color[c] + 2.0 * difference[c] * strength);
            }
            Some((color, weight))
        });
        self.placement.region()
    }
}

/// Left, top, right, bottom of the pixels that the quad touches, right and bottom excluded.
fn bounding_rect(quad: &[[f64; 2]; 4], (height, width): (usize, usize)) -> [u32; 4] {
    let range = |axis: usize, length: usize| {
        let values = quad.iter().map(|p| p[axis]);
        let low = values.clone().fold(f64::MAX, f64::min).floor().clamp(0.0, length as f64);
        let high = values.fold(f64::MIN, f64::max).ceil().clamp(0.0, length as f64);
        (low as u32, high as u32)
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    [left, top, right, bottom]
}

/// Opacity at `position`, which is in `[0,1]²` inside the crop: 0 at the edge and outside, 1 at distance `feather` or more from
/// the edge, with a smoothstep in between.
pub(super) fn feather_weight(position: [f64; 2], feather: f64) -> f64 {
    position
        .map(|v| {
            let distance = v.min(1.0 - v);
            if distance <= 0.0 {
                return 0.0;
            }
            let t = (distance / feather).min(1.0);
            t * t * (3.0 - 2.0 * t)
        })
        .iter()
        .product()
}

/// (photo − crop) / 2 at low resolution, blurred. Halved because samplers clamp to `[-1,1]`.
fn border_correction(
    photo: &Photo,
    crop: &FloatImage,
    alignment: &Alignment,
    feather: f64,
) -> Result<FloatImage> {
    const N: usize = CORRECTION_CELLS;
    let original = photo.warp(&alignment.crop_to_photo(photo, N)?, N, Border::Reflect);
    let edited = crop.resample(&Affine::from_scale(crop.width as f64 / N as f64), N, N);
    let mut difference = FloatImage::new(N, N);
    for ((d, o), e) in difference.data.iter_mut().zip(&original.data).zip(&edited.data) {
        *d = [0, 1, 2].map(|c| (o[c] - e[c]) / 2.0);
    }
    Ok(difference.box_blur(((feather * N as f64) / 2.0).round() as usize))
}
