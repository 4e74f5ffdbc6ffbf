//! Identity similarity: whether two images show the same person. Faces are aligned by five landmarks, and their features are
//! compared by cosine similarity.

use std::path::Path;

use image::DynamicImage;
use ndarray::{ArrayView4, ArrayViewD};

use crate::face::FaceFinder;
use crate::photo::{Photo, image_from_crop};
use crate::runtime::{Cancel, Session};
use crate::{Error, Result};

/// Face detection and recognition networks.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'n> {
    /// Detects faces and their landmarks.
    pub faces: &'n FaceFinder,
    /// Aligned face `[1,112,112,3]`, RGB in 0..255 → identity features `[1,n]`.
    pub features: &'n Session,
}

impl Identity<'_> {
    /// Cosine similarity of the largest faces of two images. `None` if an image shows no face.
    ///
    /// Images are `[1,3,H,W]` in `[-1,1]`, of any size. They are first rounded to 8 bit, like saved images.
    pub fn compare(
        &self,
        result: ArrayView4<'_, f32>,
        target: ArrayView4<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Option<f64>> {
        let (result, target) = (self.features_of(result, cancel)?, self.features_of(target, cancel)?);
        Ok(result.zip(target).map(|(a, b)| cosine(&a, &b)))
    }

    /// Identity features of the largest face of an image `[1,3,H,W]` in `[-1,1]`, not normalized. `None` if the image shows no
    /// face. Compare them with [`cosine`].
    pub fn features_of(&self, image: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Option<Vec<f32>>> {
        let photo = Photo::from_pixels(
            Path::new("the compared image"),
            DynamicImage::ImageRgb8(image_from_crop(image)),
        );
        let faces = self.faces.faces(&photo, cancel)?;
        let largest =
            faces.iter().max_by(|a, b| a.alignment.side_length().total_cmp(&b.alignment.side_length()));
        let Some(face) = largest else { return Ok(None) };
        self.run(face.arcface_crop(&photo).view().into_dyn(), cancel).map(Some)
    }

    fn run(&self, face: ArrayViewD<'_, f32>, cancel: &Cancel) -> Result<Vec<f32>> {
        let network = self.features;
        let not_one =
            |what: &str| Error::Model(format!("{}: an identity network needs one {what}", network.name()));
        let [input] = network.inputs() else { return Err(not_one("input")) };
        let outputs = network.run(&[(input.name.as_str(), face)], cancel)?;
        outputs.first().map(|output| output.iter().copied().collect()).ok_or_else(|| not_one("output"))
    }
}

/// Cosine similarity a·b / (|a| |b|); 0 if a vector is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}
