//! Arguments of Python as gani-core's types, and images as arrays.

use crate::errors::{InputError, exception};
use crate::photo::Photo;
use gani_core::Edit;
use gani_core::photo::pixels::{Image, ImageLayout, PixelFormat, Pixels, selection};
use image::{ImageBuffer, Pixel};
use ndarray::{Array3, ArrayView2};
use numpy::{PyArray3, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// An image as an array [H, W, C].
pub fn array<P: Pixel<Subpixel = u8>>(
    py: Python<'_>,
    image: ImageBuffer<P, Vec<u8>>,
) -> Bound<'_, PyArray3<u8>> {
    let shape = (image.height() as usize, image.width() as usize, usize::from(P::CHANNEL_COUNT));
    // The buffer of an image has this size.
    let array = Array3::from_shape_vec(shape, image.into_raw()).unwrap_or_default();
    PyArray3::from_owned_array(py, array)
}

/// A photo: a [`Photo`], an array, or the path of a picture file.
pub fn photo(source: &Bound<'_, PyAny>) -> PyResult<gani_core::Photo> {
    if let Ok(photo) = source.cast::<Photo>() {
        return Ok(photo.get().0.clone());
    }
    if let Ok(path) = source.extract::<PathBuf>() {
        return crate::worker::run(source.py(), |_| gani_core::Photo::open(path));
    }
    let Ok(array) = source.extract::<PyReadonlyArray3<'_, u8>>() else {
        let kind = source.get_type();
        let array = match (source.getattr("shape"), source.getattr("dtype")) {
            (Ok(shape), Ok(dtype)) => format!(" of shape {shape} and type {dtype}"),
            _ => String::new(),
        };
        return Err(InputError::new_err(format!(
            "a photo is a path, a gani.Photo, or a NumPy array [H, W, 3] or [H, W, 4] of uint8, but this is {kind}{array}"
        )));
    };
    let view = array.as_array();
    let (height, width, channels) = view.dim();
    let format = match channels {
        3 => PixelFormat::Rgb,
        4 => PixelFormat::Rgba,
        other => {
            let text = format!("a photo has 3 channels (RGB) or 4 (RGBA), but this array has {other}");
            return Err(InputError::new_err(text));
        }
    };
    let pixels: Vec<u8> = view.iter().copied().collect();
    let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let layout = ImageLayout { width: size(width), height: size(height), stride: channels * width, format };
    let image = Image::new(layout, Pixels::U8(&pixels));
    image.and_then(|image| image.to_photo("the array")).map_err(exception)
}

/// A selection [H, W] of uint8.
pub struct Mask(Vec<u8>, [usize; 2]);

impl Mask {
    /// Copies the array.
    pub fn new(array: &PyReadonlyArray2<'_, u8>) -> Mask {
        let view = array.as_array();
        Mask(view.iter().copied().collect(), [view.nrows(), view.ncols()])
    }

    /// The mask, for a photo of the same size.
    pub fn view(&self, photo: &gani_core::Photo) -> gani_core::Result<ArrayView2<'_, u8>> {
        let (width, height) = (photo.width(), photo.height());
        if self.1 != [height as usize, width as usize] {
            let text = format!("the mask has the shape {:?}, but the photo is [{height}, {width}]", self.1);
            return Err(gani_core::Error::Input(text));
        }
        selection(width, height, width as usize, &self.0)
    }
}

/// Edits: a dictionary of directions and strengths, or None.
pub fn edits(edits: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<Edit>> {
    let edit = |(name, strength): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        Ok(Edit::new(name.extract::<String>()?, strength.extract()?))
    };
    edits.into_iter().flatten().map(edit).collect()
}
