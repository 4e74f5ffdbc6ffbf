//! An inverted face: edit, paste, save.

use crate::convert::{Mask, array, edits, photo};
use crate::photo::Photo;
use crate::records::Metrics;
use crate::worker::run;
use gani_core::face::{Keep, PasteOptions};
use gani_core::face_session::FaceSession;
use gani_core::photo::image_from_crop;
use gani_core::photo::pixels::ImageMut;
use numpy::{PyArray3, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// An inverted face, ready for edits. It may be used from several threads. Model.invert and Model.open make it.
#[pyclass(frozen, module = "gani")]
pub struct Face(pub FaceSession);

#[pymethods]
impl Face {
    /// The reconstruction compared with the photo.
    #[getter]
    fn metrics(&self) -> Metrics {
        self.0.inversion.info.metrics.into()
    }

    /// Whether the inversion was read from the cache.
    #[getter(from_cache)]
    fn is_from_cache(&self) -> bool {
        self.0.from_cache
    }

    /// Width and height of the photo in pixels.
    #[getter]
    fn photo_size(&self) -> (u32, u32) {
        self.0.inversion.info.photo_size.into()
    }

    /// Corners (x, y) of the face's square in the photo, in pixels: top left, bottom left, bottom right, top right. None if the photo was
    /// an aligned crop.
    #[getter]
    fn alignment(&self) -> Option<[(f64, f64); 4]> {
        self.0.inversion.info.alignment.map(|alignment| alignment.quad.map(Into::into))
    }

    /// The generator's image of the face with edits: an array [R, R, 3] of uint8 in sRGB. One run of the generator.
    ///
    /// edits: {direction: strength} in the unit of each direction (Model.directions), such as {"age": 2, "yaw": -10}. Without edits,
    /// the reconstruction.
    ///
    /// Raises InputError for an unknown direction.
    #[pyo3(signature = (edits = None))]
    fn edit<'py>(
        &self,
        py: Python<'py>,
        edits: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let edits = crate::convert::edits(edits)?;
        let image = run(py, |cancel| self.0.image_with_cancel(&edits, cancel))?;
        Ok(array(py, image_from_crop(image.view())))
    }

    /// Pastes the edited face into the inverted photo, and returns the result as a new Photo. Pixels that the edits do not change stay
    /// exact.
    ///
    /// edits: as for Face.edit.
    /// photo: the photo that was inverted: a path, a Photo, or an array.
    /// keep: what stays of the photo inside the face's square: "all" that the edits do not change, the same but only in the
    /// "background", or "none".
    /// feather: width of the blended border, as a fraction of the square's side, 0 to 0.5.
    /// mask: an array [H, W] of uint8, the opacity of the change at each pixel.
    /// other_photo: whether the photo may be another one of the same size.
    ///
    /// Raises InputError for another photo, an unknown direction, or if the inverted photo was an aligned crop.
    #[pyo3(signature = (edits, photo, *, keep = "all", feather = 0.1, mask = None, other_photo = false))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn paste(
        &self,
        #[pyo3(from_py_with = edits_of)] edits: Vec<gani_core::Edit>,
        #[pyo3(from_py_with = photo)] photo: gani_core::Photo,
        keep: &str,
        feather: f64,
        mask: Option<PyReadonlyArray2<'_, u8>>,
        other_photo: bool,
        py: Python<'_>,
    ) -> PyResult<Photo> {
        let mask = mask.as_ref().map(Mask::new);
        run(py, |cancel| {
            let mut photo = photo;
            let mask = mask.as_ref().map(|mask| mask.view(&photo)).transpose()?;
            let keep: Keep = keep.parse()?;
            let options = PasteOptions { keep, feather, mask, other_photo, ..PasteOptions::default() };
            let image = self.0.image_with_cancel(&edits, cancel)?;
            self.0.paste_image(image.view(), &mut ImageMut::from_photo(&mut photo)?, &options)?;
            Ok(Photo(photo))
        })
    }

    /// Writes the inversion file, which Model.open and "gani edit" read.
    ///
    /// Raises FileError.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        run(py, |_| self.0.inversion.save(path))
    }

    fn __repr__(&self) -> String {
        format!("<gani.Face of {}, {}>", self.0.inversion.info.photo, self.0.inversion.info.metrics)
    }
}

fn edits_of(given: &Bound<'_, PyAny>) -> PyResult<Vec<gani_core::Edit>> {
    edits(Some(given.cast::<PyDict>()?))
}
