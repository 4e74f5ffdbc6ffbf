//! One face in a host or program, from top to bottom: find it, invert it or take it from the cache, edit it, paste it.
//!
//! A program with a photo in memory uses [`Model::inverter`](crate::model::Model::inverter):
//!
//! ```no_run
//! use gani_core::{Edit, Model, Photo, Preset};
//!
//! let model = Model::open("ffhq-1024")?;
//! let mut photo = Photo::open("portrait.jpg")?;
//! let face = model.inverter().preset(Preset::Fast).invert(&photo)?; // minutes
//! face.paste(&[Edit::new("smile", 2.0)], &mut photo)?; // one forward pass of the generator
//! # Ok::<(), gani_core::Error>(())
//! ```
//!
//! A host with pixels of its own reads them with [`photo::pixels`](crate::photo::pixels), works in the same way, and pastes with
//! [`FaceSession::paste_image`].

mod inverter;

pub use inverter::Inverter;

use crate::edit::{Edit, Generator};
use crate::face::{
    Alignment, EditedFace, Face, FaceChoice, Keep, PasteOptions, Region, paste_edit, paste_edit_into,
};
use crate::inversion::{Cache, CropSource, Inversion};
use crate::invert::{InvertOptions, Progress, fingerprint, invert};
use crate::model::Model;
use crate::photo::pixels::ImageMut;
use crate::photo::{Photo, image_from_crop};
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array4, ArrayView2, ArrayView4};
use std::path::Path;
use std::sync::OnceLock;

/// The face to work on.
#[derive(Debug, Clone)]
pub enum FaceSelection<'s> {
    /// A face of the photo, which is found and aligned.
    Face {
        /// Which one; not [`FaceChoice::All`].
        choice: FaceChoice,
        /// The host's selection `[H,W]`, 0 to 255. With it, [`FaceChoice::Largest`] means the face of which it covers most.
        selection: Option<ArrayView2<'s, u8>>,
    },
    /// The whole photo: it is an aligned crop already (FFHQ's alignment).
    Aligned,
}

impl Default for FaceSelection<'_> {
    /// The largest face.
    fn default() -> Self {
        FaceSelection::Face { choice: FaceChoice::Largest, selection: None }
    }
}

/// An aligned crop of a photo, not yet inverted.
pub struct AlignedFace {
    /// The crop `[1,3,S,S]` in `[-1,1]`.
    pub crop: Array4<f32>,
    /// The photo and the face's alignment in it.
    pub source: CropSource,
    /// Number of the face in the photo, from the left, starting at 1; 0 for an aligned crop, or if it is unknown.
    pub number: usize,
}

impl AlignedFace {
    /// Finds and aligns the selected face.
    ///
    /// # Errors
    /// [`Error::Input`] if the photo has no such face; [`Error::Cancelled`].
    pub fn find(
        model: &Model,
        photo: &Photo,
        face: &FaceSelection<'_>,
        cancel: &Cancel,
    ) -> Result<AlignedFace> {
        let (crop, alignment, number) = match face {
            FaceSelection::Aligned => (photo.to_crop(model.crop_shape()?)?, None, 0),
            FaceSelection::Face { choice, selection } => {
                let faces = model.faces(photo, cancel)?;
                let (number, face) = select(photo, &faces, choice, selection.as_ref())?;
                (face.alignment.crop(photo, model.crop_resolution()?)?, Some(face.alignment), number)
            }
        };
        Ok(AlignedFace { crop, source: CropSource::new(photo, alignment), number })
    }

    /// The session of a cached inversion with the same fingerprint, if there is one. An inversion that cannot be used counts as absent.
    ///
    /// # Errors
    /// Those of [`fingerprint`].
    pub fn cached(
        &self,
        model: &Model,
        options: &InvertOptions,
        cache: &Cache,
    ) -> Result<Option<FaceSession>> {
        let key = fingerprint(model, self.crop.view(), options)?;
        let Some(cached) = cache.get(&key) else { return Ok(None) };
        match FaceSession::open(model, cached.with_source(self.source.clone())) {
            Ok(session) => Ok(Some(FaceSession { from_cache: true, number: self.number, ..session })),
            Err(e) => {
                log::warn!("a cached inversion cannot be used, the photo is inverted again: {e}");
                Ok(None)
            }
        }
    }

    /// Inverts the face, and stores the inversion in `cache`.
    ///
    /// # Errors
    /// As [`invert`].
    pub fn invert(
        &self,
        model: &Model,
        options: &InvertOptions,
        cache: Option<&Cache>,
        cancel: &Cancel,
        on_progress: impl FnMut(Progress<'_>),
    ) -> Result<FaceSession> {
        let result = invert(model, self.crop.view(), self.source.clone(), options, cancel, on_progress)?;
        if let Some(cache) = cache {
            cache.put(&result.inversion);
        }
        Ok(FaceSession { number: self.number, ..FaceSession::open(model, result.inversion)? })
    }
}

/// An inverted face with its generator loaded, ready for edits. It may be used from several threads.
pub struct FaceSession {
    /// The inversion.
    pub inversion: Inversion,
    /// Whether the inversion was in the cache.
    pub from_cache: bool,
    /// As [`AlignedFace::number`]; 0 if the session was opened with an inversion.
    pub number: usize,
    model: Model,
    generator: Generator,
    reconstruction: OnceLock<Array4<f32>>,
}

impl FaceSession {
    /// Continues with an existing inversion.
    ///
    /// # Errors
    /// [`Error::Input`] if it belongs to another generator.
    pub fn open(model: &Model, inversion: Inversion) -> Result<FaceSession> {
        let (generator, model) = (Generator::tuned(model, &inversion)?, model.clone());
        let reconstruction = OnceLock::new();
        Ok(FaceSession { inversion, from_cache: false, number: 0, model, generator, reconstruction })
    }

    /// The generator's image of the face with `edits`, `[1,3,R,R]` in `[-1,1]`. Costs one forward pass.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown direction.
    pub fn image(&self, edits: &[Edit]) -> Result<Array4<f32>> {
        self.image_with_cancel(edits, &Cancel::new())
    }

    /// As [`FaceSession::image`]; another thread may cancel it.
    ///
    /// # Errors
    /// As [`FaceSession::image`]; [`Error::Cancelled`].
    pub fn image_with_cancel(&self, edits: &[Edit], cancel: &Cancel) -> Result<Array4<f32>> {
        let ws = self.generator.apply_edits(&self.inversion.ws, edits, None)?;
        self.generator.image(ws.view(), cancel)
    }

    /// The generator's image of the face without edits. Computed once, at the first call.
    pub fn reconstruction(&self, cancel: &Cancel) -> Result<ArrayView4<'_, f32>> {
        if let Some(image) = self.reconstruction.get() {
            return Ok(image.view());
        }
        let image = self.image_with_cancel(&[], cancel)?;
        Ok(self.reconstruction.get_or_init(|| image).view())
    }

    /// Pastes the face with `edits` into `photo`, which must be the inverted photo; another one of the same size is refused. Pixels that
    /// the edits do not change stay bit-exact. Returns the rectangle outside which no pixel changed.
    ///
    /// # Errors
    /// As [`FaceSession::image`] and [`FaceSession::paste_image`].
    pub fn paste(&self, edits: &[Edit], photo: &mut Photo) -> Result<Region> {
        let image = self.image(edits)?;
        self.paste_image(image.view(), &mut ImageMut::from_photo(photo)?, &PasteOptions::default())
    }

    /// Pastes an edited `image` of the face, `[1,3,R,R]` in `[-1,1]`, into the pixels of the inverted picture, in any layout and
    /// depth. Returns the rectangle outside which no pixel changed.
    ///
    /// # Errors
    /// [`Error::Input`] for a picture of another size or, without [`PasteOptions::other_photo`], another picture; or if the inverted
    /// photo was an aligned crop itself.
    pub fn paste_image(
        &self,
        image: ArrayView4<'_, f32>,
        into: &mut ImageMut<'_>,
        options: &PasteOptions<'_>,
    ) -> Result<Region> {
        let photo = into.as_image().to_photo("the picture")?;
        let alignment = self.inversion.alignment_in(&photo, options.other_photo)?;
        drop(photo);
        paste_edit_into(into, &self.edited_face(image, options.keep, &Cancel::new())?, alignment, options)
    }

    /// The aligned square `[1,3,s,s]` of the photo, `crop`, as [`FaceSession::paste_image`] would change it without a feather.
    pub fn preview(
        &self,
        image: ArrayView4<'_, f32>,
        crop: ArrayView4<'_, f32>,
        keep: Keep,
        cancel: &Cancel,
    ) -> Result<Array4<f32>> {
        let side = f64::from(u32::try_from(crop.dim().3).unwrap_or(u32::MAX));
        let mut photo = Photo::from_pixels(Path::new("preview"), image_from_crop(crop).into());
        let square = Alignment { quad: [[0.0, 0.0], [0.0, side], [side, side], [side, 0.0]] };
        let options = PasteOptions { keep, feather: 0.0, match_border: false, ..PasteOptions::default() };
        paste_edit(&mut photo, &self.edited_face(image, keep, cancel)?, &square, &options)?;
        Ok(photo.to_tensor())
    }

    /// `image` with what a composite needs beside it. The first call costs one forward pass.
    pub fn edited_face<'a>(
        &'a self,
        image: ArrayView4<'a, f32>,
        keep: Keep,
        cancel: &Cancel,
    ) -> Result<EditedFace<'a>> {
        if keep == Keep::None {
            return Ok(EditedFace::new(image, image));
        }
        let mut face = EditedFace::new(image, self.reconstruction(cancel)?);
        if keep == Keep::Background {
            face.face_points = self.model.face_points(face.reconstruction, cancel)?;
            face.face_points.extend(self.model.face_points(image, cancel)?);
        }
        Ok(face)
    }
}

/// The selected face and its number.
fn select<'f>(
    photo: &Photo,
    faces: &'f [Face],
    choice: &FaceChoice,
    selection: Option<&ArrayView2<'_, u8>>,
) -> Result<(usize, &'f Face)> {
    if let (FaceChoice::Largest, Some(selection), false) = (choice, selection, faces.is_empty()) {
        let covered = (1..).zip(faces).map(|face| (covered(&face.1.alignment, selection), face));
        let most = covered.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(part, _)| *part > 0.0);
        return most.map(|(_, face)| face).ok_or_else(|| {
            Error::Input(format!(
                "the selection covers no face of {}; select a face, or nothing",
                photo.path.display()
            ))
        });
    }
    match choice.select(photo, faces)?[..] {
        [face] => Ok(face),
        _ => Err(Error::Input("a session has one face; choose one by its number".into())),
    }
}

/// Fraction of a face's square that is selected, 0 to 1.
fn covered(alignment: &Alignment, selection: &ArrayView2<'_, u8>) -> f64 {
    const GRID: usize = 24;
    let [origin, down, _, right] = alignment.quad;
    let cell = |i: usize| (i as f64 + 0.5) / GRID as f64;
    let selected = |(row, column): (usize, usize)| {
        let at = [0, 1]
            .map(|k| origin[k] + cell(column) * (right[k] - origin[k]) + cell(row) * (down[k] - origin[k]));
        let [x, y] = at.map(|v| if v >= 0.0 { v as usize } else { usize::MAX });
        selection.get([y, x]).map_or(0.0, |&v| f64::from(v) / 255.0)
    };
    let cells = (0..GRID).flat_map(|row| (0..GRID).map(move |column| (row, column)));
    cells.map(selected).sum::<f64>() / (GRID * GRID) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};

    #[test]
    fn the_selected_fraction_of_a_square_is_measured() {
        let square = |x: f64| Alignment { quad: [[x, 10.0], [x, 90.0], [x + 80.0, 90.0], [x + 80.0, 10.0]] };
        let mut selection = Array2::<u8>::zeros((100, 300));
        selection.slice_mut(s![.., 150..]).fill(255);
        assert_eq!(covered(&square(10.0), &selection.view()), 0.0);
        assert!((covered(&square(110.0), &selection.view()) - 0.5).abs() < 0.03);
        assert_eq!(covered(&square(200.0), &selection.view()), 1.0);
        // Half of the square is outside the picture.
        assert!((covered(&square(260.0), &selection.view()) - 0.5).abs() < 0.03);
    }
}
