//! Retouching a face in a host's picture, top to bottom: find it, invert it once, move sliders, paste it back.
//!
//! ```no_run
//! use gani_core::cache::Cache;
//! use gani_core::invert::InvertOptions;
//! use gani_core::model::Model;
//! use gani_core::pixels::{Frame, Image, ImageMut, Layout, Pixels, PixelsMut};
//! use gani_core::preset::Preset;
//! use gani_core::retouch::{Retouch, Subject};
//! use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
//!
//! # let (frame, mut pixels) = (Frame { width: 1, height: 1, stride: 3, layout: Layout::Rgb }, vec![0u8; 3]);
//! let model = Model::open("ffhq-1024", Runtime::load(&RuntimeOptions::default())?)?;
//! let photo = Image::new(frame, Pixels::U8(&pixels))?.to_photo("layer 1")?;
//! let options = InvertOptions::new(&model, Preset::Fast)?;
//! let (cache, cancel) = (Cache::of_user(), Cancel::new());
//! let subject = Subject::default(); // the largest face
//! let face = Retouch::begin(&model, &photo, &subject, &options, cache.as_ref(), &cancel, |news| {
//!     println!("{news:?}"); // minutes the first time, none after that
//! })?;
//! let smiling = face.image(&["smile=2".parse()?], &cancel)?; // a slider has moved: one generator run
//! let mut layer = ImageMut::new(frame, PixelsMut::U8(&mut pixels))?;
//! let changed = face.paste(smiling.view(), &mut layer, None)?;
//! # Ok::<(), gani_core::Error>(())
//! ```

use crate::cache::Cache;
use crate::edit::Edit;
use crate::editor::Editor;
use crate::inversion::Inversion;
use crate::invert::{InvertOptions, Origin, Progress, Stage, invert};
use crate::model::Model;
use crate::photo::{Alignment, Face, FaceChoice, PasteOptions, Photo, Region, paste_into};
use crate::pixels::ImageMut;
use crate::runtime::Cancel;
use crate::{Error, Result};
use ndarray::{Array4, ArrayView2, ArrayView4};

/// What of a picture is retouched.
#[derive(Debug, Clone)]
pub enum Subject<'s> {
    /// One of its faces.
    Face {
        /// Which one; not all.
        choice: FaceChoice,
        /// The host's selection `[H,W]`, 0 to 255: in place of the largest face it means the one that it covers most.
        selection: Option<ArrayView2<'s, u8>>,
    },
    /// All of it: a crop as the model wants it, for faces aligned like FFHQ.
    Aligned,
}

impl Default for Subject<'_> {
    fn default() -> Self {
        Subject::Face { choice: FaceChoice::Largest, selection: None }
    }
}

/// An inverted face with its generator loaded, ready for sliders. All threads may use it.
pub struct Retouch {
    /// The inversion.
    pub inversion: Inversion,
    /// Whether it was found in the cache.
    pub from_cache: bool,
    editor: Editor,
}

/// A face cut out of a picture, before it is inverted.
pub struct Found {
    /// The aligned crop `[1,3,S,S]` in `[-1,1]`.
    pub crop: Array4<f32>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Found {
    /// Finds the face.
    ///
    /// # Errors
    /// [`Error::Input`] where the picture has no such face; [`Error::Cancelled`].
    pub fn find(model: &Model, photo: &Photo, subject: &Subject<'_>, cancel: &Cancel) -> Result<Found> {
        let (crop, alignment) = match subject {
            Subject::Aligned => (photo.as_crop(model.crop_shape())?, None),
            Subject::Face { choice, selection } => {
                let faces = model.faces(photo, cancel)?;
                let face = choose(photo, &faces, choice, selection.as_ref())?;
                (face.alignment.crop(photo, model.crop_size())?, Some(face.alignment))
            }
        };
        Ok(Found { crop, origin: Origin::of(photo, alignment) })
    }

    /// The inversion that was kept from before, if there is one.
    pub fn cached(&self, model: &Model, options: &InvertOptions, cache: &Cache) -> Result<Option<Retouch>> {
        let Some(kept) = cache.get(&Cache::key(model, self.crop.view(), options)?) else { return Ok(None) };
        let inversion = kept.with_origin(self.origin.clone());
        Ok(Some(Retouch { editor: Editor::tuned(model, &inversion)?, inversion, from_cache: true }))
    }

    /// Inverts the face and keeps the inversion for the next time.
    ///
    /// # Errors
    /// As [`invert`].
    pub fn invert(
        &self,
        model: &Model,
        options: &InvertOptions,
        cache: Option<&Cache>,
        cancel: &Cancel,
        watch: impl FnMut(Progress<'_>),
    ) -> Result<Retouch> {
        let inversion =
            invert(model, self.crop.view(), self.origin.clone(), options, cancel, watch)?.inversion;
        if let Some(cache) = cache {
            cache.put(&Cache::key(model, self.crop.view(), options)?, &inversion);
        }
        Retouch::open(model, inversion)
    }
}

impl Retouch {
    /// Finds the face and inverts it, or takes the inversion that was kept from before.
    ///
    /// # Errors
    /// As [`Found::find`] and [`Found::invert`].
    pub fn begin(
        model: &Model,
        photo: &Photo,
        subject: &Subject<'_>,
        options: &InvertOptions,
        cache: Option<&Cache>,
        cancel: &Cancel,
        mut watch: impl FnMut(Progress<'_>),
    ) -> Result<Retouch> {
        watch(Progress::Begin(Stage::Find));
        let found = Found::find(model, photo, subject, cancel)?;
        let kept = cache.map(|cache| found.cached(model, options, cache)).transpose()?.flatten();
        kept.map_or_else(|| found.invert(model, options, cache, cancel, watch), Ok)
    }

    /// Goes on with an inversion that was made before.
    ///
    /// # Errors
    /// [`Error::Input`] where it belongs to another generator.
    pub fn open(model: &Model, inversion: Inversion) -> Result<Retouch> {
        Ok(Retouch { editor: Editor::tuned(model, &inversion)?, inversion, from_cache: false })
    }

    /// The face `[1,3,R,R]` in `[-1,1]` with `edits`; as it was inverted where there are none. One generator run.
    pub fn image(&self, edits: &[Edit], cancel: &Cancel) -> Result<Array4<f32>> {
        let ws = self.editor.moved(&self.inversion.ws, edits, None)?;
        self.editor.image(ws.view(), cancel)
    }

    /// Puts an `image` of the face where it was found, as far as `selection` (`[H,W]`, 0 to 255) lets it. `into` shows
    /// the picture that was inverted, in any layout and depth. Returns the rectangle outside which nothing changed.
    ///
    /// # Errors
    /// [`Error::Input`] for a picture of another size, or an inversion of an aligned crop, which has no place.
    pub fn paste(
        &self,
        image: ArrayView4<'_, f32>,
        into: &mut ImageMut<'_>,
        selection: Option<ArrayView2<'_, u8>>,
    ) -> Result<Region> {
        let frame = into.frame();
        let alignment = self.inversion.place_in("the picture", [frame.width, frame.height])?;
        paste_into(into, image, alignment, &PasteOptions { mask: selection, ..PasteOptions::default() })
    }
}

/// The one face that is meant.
fn choose<'f>(
    photo: &Photo,
    faces: &'f [Face],
    choice: &FaceChoice,
    selection: Option<&ArrayView2<'_, u8>>,
) -> Result<&'f Face> {
    if let (FaceChoice::Largest, Some(selection), false) = (choice, selection, faces.is_empty()) {
        let covered = faces.iter().map(|face| (covered(&face.alignment, selection), face));
        let most = covered.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(part, _)| *part > 0.0);
        return most.map(|(_, face)| face).ok_or_else(|| {
            Error::Input(format!(
                "no face of {} lies in the selection: select one, or nothing",
                photo.path.display()
            ))
        });
    }
    match choice.pick(photo, faces)?[..] {
        [(_, face)] => Ok(face),
        _ => Err(Error::Input("faces are retouched one at a time: choose one by its number".into())),
    }
}

/// The part of a face's square that is selected, 0 to 1.
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
    fn the_selected_part_of_a_square_is_found() {
        let square = |x: f64| Alignment { quad: [[x, 10.0], [x, 90.0], [x + 80.0, 90.0], [x + 80.0, 10.0]] };
        let mut selection = Array2::<u8>::zeros((100, 300));
        selection.slice_mut(s![.., 150..]).fill(255);
        assert_eq!(covered(&square(10.0), &selection.view()), 0.0);
        assert!((covered(&square(110.0), &selection.view()) - 0.5).abs() < 0.03);
        assert_eq!(covered(&square(200.0), &selection.view()), 1.0);
        // Half of it lies beyond the picture.
        assert!((covered(&square(260.0), &selection.view()) - 0.5).abs() < 0.03);
    }
}
