//! Whether two pictures show the same person: faces aligned by five points, features compared by their angle.

use image::DynamicImage;
use ndarray::{ArrayView4, ArrayViewD};
use std::path::Path;

use crate::face::FaceFinder;
use crate::photo::{Photo, image_from_crop};
use crate::runtime::{Cancel, Session};
use crate::{Error, Result};

/// The networks that tell persons apart.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'n> {
    /// Finds the face and its landmarks.
    pub faces: &'n FaceFinder,
    /// Features of an aligned face: `[1,112,112,3]`, RGB in 0..255, to `[1,n]`.
    pub features: &'n Session,
}

impl Identity<'_> {
    /// Cosine of the features of the two images' largest faces, `None` where either shows none.
    ///
    /// Images are `[1,3,H,W]` in `[-1,1]`, of any sizes; they are rounded to 8 bits first, as a saved picture is.
    pub fn compare(
        &self,
        result: ArrayView4<'_, f32>,
        target: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Option<f64>> {
        let (result, target) = (self.features_of(result, cancel)?, self.features_of(target, cancel)?);
        Ok(result.zip(target).map(|(a, b)| cosine(&a, &b)))
    }

    /// The features of the largest face of an image `[1,3,H,W]` in `[-1,1]`, as the network gives them; `None` where it
    /// shows none. [`cosine`] compares two.
    pub fn features_of(&self, image: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Option<Vec<f32>>> {
        let photo = Photo::from_pixels(
            Path::new("the compared image"),
            DynamicImage::ImageRgb8(image_from_crop(image)),
        );
        let faces = self.faces.faces(&photo, cancel)?;
        let largest = faces.iter().max_by(|a, b| a.alignment.size().total_cmp(&b.alignment.size()));
        let Some(face) = largest else { return Ok(None) };
        self.run(face.arcface_crop(&photo).view().into_dyn(), cancel).map(Some)
    }

    fn run(&self, face: ArrayViewD<'_, f32>, cancel: &Cancel) -> Result<Vec<f32>> {
        let network = self.features;
        let wrong =
            |what: &str| Error::Model(format!("{}: an identity network has one {what}", network.name()));
        let [input] = network.inputs() else { return Err(wrong("input")) };
        let outputs = network.run(&[(input.name.as_str(), face)], cancel)?;
        outputs.first().map(|output| output.iter().copied().collect()).ok_or_else(|| wrong("output"))
    }
}

/// 1 for the same direction, 0 where either has no length.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}
