//! A photo with its color space and metadata.

use crate::convert;
use crate::worker::run;
use numpy::PyArray3;
use pyo3::prelude::*;
use std::path::PathBuf;

/// A photo, with its color space and metadata.
///
/// It is made from the path of a picture file (PNG, JPEG, WebP, TIFF, BMP, GIF, TGA, QOI, JPEG XL), or from a NumPy array
/// [H, W, 3] or [H, W, 4] of uint8: sRGB, with straight alpha. The array is copied.
///
/// Raises InputError if the file is not a picture, LimitsError above 20,000 pixels per side, FileError.
#[pyclass(frozen, module = "gani")]
pub struct Photo(pub gani_core::Photo);

#[pymethods]
impl Photo {
    #[new]
    fn new(source: &Bound<'_, PyAny>) -> PyResult<Photo> {
        convert::photo(source).map(Photo)
    }

    /// Width in pixels.
    #[getter]
    fn width(&self) -> u32 {
        self.0.width()
    }

    /// Height in pixels.
    #[getter]
    fn height(&self) -> u32 {
        self.0.height()
    }

    /// A copy of the pixels as an array [H, W, 3], or [H, W, 4] if the photo has alpha, of uint8. They are upright, in the color
    /// space of the file, and reduced to 8 bit.
    #[getter]
    fn pixels<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray3<u8>> {
        let pixels = &self.0.pixels;
        match pixels.color().has_alpha() {
            true => convert::array(py, pixels.to_rgba8()),
            false => convert::array(py, pixels.to_rgb8()),
        }
    }

    /// Writes the photo in the format of the file's extension (png, jpg, webp, tif or bmp), with bit depth, color profile and metadata as
    /// far as the format can hold them. An existing file is replaced.
    ///
    /// Raises InputError for another extension, FileError.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        run(py, |_| self.0.save(path))
    }

    fn __repr__(&self) -> String {
        format!("<gani.Photo {}, {} x {}>", self.0.path.display(), self.0.width(), self.0.height())
    }
}
