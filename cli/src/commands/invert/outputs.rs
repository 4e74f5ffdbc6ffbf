//! The output files of one face.

use crate::faces::Face;
use gani_core::face::{PasteOptions, paste};
use gani_core::inversion::Inversion;
use gani_core::invert::InversionResult;
use gani_core::model::Model;
use gani_core::photo::{Photo, image_from_crop};
use gani_core::report::plot;
use gani_core::{Error, Result};
use image::DynamicImage;
use std::path::{Path, PathBuf};

/// The paths of the output files.
pub struct Outputs {
    /// The inversion file.
    pub inversion: PathBuf,
    /// The photo with the inverted face, or the inversion of an aligned crop.
    pub image: PathBuf,
    sheet: PathBuf,
    curve: PathBuf,
}

impl Outputs {
    /// The files with the base name `name` in `folder`.
    pub fn new(folder: &Path, name: &str) -> Outputs {
        let file = |end: &str| folder.join(format!("{name}{end}"));
        Outputs {
            inversion: file(".safetensors"),
            image: file(".png"),
            sheet: file("-sheet.png"),
            curve: file("-loss.png"),
        }
    }

    /// All four paths.
    pub fn all(&self) -> [&Path; 4] {
        [&self.inversion, &self.image, &self.sheet, &self.curve]
    }

    /// Writes the files. The inversion is last, so its presence implies that of the others.
    ///
    /// # Errors
    /// A file cannot be written. The inversion is then saved to the temporary folder if possible.
    pub fn write(&self, model: &Model, photo: &Photo, face: &Face, inverted: &InversionResult) -> Result<()> {
        self.write_all(model, photo, face, inverted)
            .map_err(|error| self.save_elsewhere(&inverted.inversion, error))
    }

    fn write_all(&self, model: &Model, photo: &Photo, face: &Face, inverted: &InversionResult) -> Result<()> {
        let result = match &face.alignment {
            Some(alignment) => {
                let mut photo = photo.clone();
                paste(&mut photo, inverted.image.view(), alignment, &PasteOptions::default())?;
                photo
            }
            None => photo_of(&self.image, image_from_crop(inverted.image.view())),
        };
        result.save(&self.image)?;
        let start = model.bundle.encoder()?.map_or("mean latent", |_| "encoder");
        let cells = [
            ("photo", face.crop.view()),
            (start, inverted.encoder_image.view()),
            ("inversion", inverted.image.view()),
        ];
        photo_of(&self.sheet, plot::contact_sheet(&cells, cells.len(), 512)).save(&self.sheet)?;
        photo_of(&self.curve, loss_curve(&inverted.inversion)).save(&self.curve)?;
        inverted.inversion.save(&self.inversion)
    }

    /// Saves the inversion to the temporary folder, so that minutes of work are not lost if the disk is full, and adds its
    /// path to the error.
    fn save_elsewhere(&self, inversion: &Inversion, error: Error) -> Error {
        let Some(name) = self.inversion.file_name() else { return error };
        let path = std::env::temp_dir().join(name);
        match (!path.exists()).then(|| inversion.save(&path)) {
            Some(Ok(())) => Error::Input(format!(
                "{error}\n  the inversion was saved to {} and can be used with `gani edit`",
                path.display()
            )),
            _ => error,
        }
    }
}

/// A plot of the reconstruction terms of the loss.
fn loss_curve(inversion: &Inversion) -> image::RgbImage {
    let info = &inversion.info;
    let columns: Vec<Vec<f64>> = (0..info.terms.len())
        .map(|t| info.history.iter().map(|s| s.reconstruction[t].into()).collect())
        .collect();
    let lines: Vec<(&str, &[f64])> =
        info.terms.iter().map(String::as_str).zip(columns.iter().map(Vec::as_slice)).collect();
    let title = format!("{} - {} steps, preset {}", info.photo, info.history.len(), info.preset);
    plot::loss_curve(&title, &lines)
}

fn photo_of(path: &Path, image: image::RgbImage) -> Photo {
    Photo::from_pixels(path, DynamicImage::ImageRgb8(image))
}
