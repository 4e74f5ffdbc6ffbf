//! The output files of one face.

use crate::faces::Face;
use gani_core::face::{PasteOptions, paste};
use gani_core::inversion::Inversion;
use gani_core::invert::InversionResult;
use gani_core::model::Model;
use gani_core::photo::{Photo, image_from_crop};
use gani_core::report::plot;
use gani_core::util::work_folder::WorkFolder;
use gani_core::{Error, Result};
use image::DynamicImage;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Maximum length of a file name in bytes.
const MAX_NAME: usize = 255;

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

    /// Checks that the file names are short enough for common file systems: 255 bytes.
    ///
    /// # Errors
    /// [`Error::Input`] with the longest name.
    pub fn check_names(&self) -> Result<()> {
        let bytes = |path: &&Path| path.file_name().map_or(0, |name| name.len());
        match self.all().into_iter().max_by_key(bytes) {
            Some(longest) if bytes(&longest) > MAX_NAME => Err(Error::Input(format!(
                "the name {} has {} bytes, more than the {MAX_NAME} that file systems allow; rename the photo",
                longest.file_name().unwrap_or_default().display(),
                bytes(&longest)
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that existing files were written by gani: that the inversion is among them. All four appear together.
    ///
    /// # Errors
    /// [`Error::Input`], even with --force.
    pub fn check_are_results(&self) -> Result<()> {
        match self.all().into_iter().find(|file| file.exists()) {
            Some(file) if !Inversion::is_inversion(&self.inversion) => Err(Error::Input(format!(
                "{} exists, and there is no inversion {} to which it belongs, so that it may be a file of yours; move it away, or \
                 choose another folder for the results",
                file.display(),
                self.inversion.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Whether gani wrote the inversion, and it was damaged since then.
    pub fn inversion_is_damaged(&self) -> bool {
        Inversion::is_inversion(&self.inversion)
            && matches!(Inversion::open(&self.inversion), Err(Error::Model(_)))
    }

    /// All four paths.
    pub fn all(&self) -> [&Path; 4] {
        [&self.inversion, &self.image, &self.sheet, &self.curve]
    }

    /// Writes the files. They appear together, when all of them are complete.
    ///
    /// # Errors
    /// A file cannot be written. The inversion is then saved to the temporary folder if possible.
    pub fn write(
        &self,
        work: WorkFolder,
        model: &Model,
        photo: &Photo,
        face: &Face,
        inverted: &InversionResult,
    ) -> Result<()> {
        Outputs::new(work.path(), &face.name)
            .write_all(model, photo, face, inverted)
            .and_then(|()| work.commit())
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

    /// Checks that none of the files is one of `inputs`, the canonical paths of the photos.
    ///
    /// # Errors
    /// [`Error::Input`], even with --force.
    pub fn check_not_input(&self, inputs: &HashSet<PathBuf>) -> Result<()> {
        let is_input = |file: &&&Path| file.canonicalize().is_ok_and(|file| inputs.contains(&file));
        match self.all().iter().find(is_input) {
            None => Ok(()),
            Some(file) => Err(Error::Input(format!(
                "the result would replace the photo {}; choose another folder for the results",
                file.display()
            ))),
        }
    }

    /// Saves the inversion to a new folder in the temporary folder, so that minutes of work are not lost if the disk is full, and
    /// adds its path to the error.
    fn save_elsewhere(&self, inversion: &Inversion, error: Error) -> Error {
        let Some(name) = self.inversion.file_name() else { return error };
        let Ok(folder) = tempfile::Builder::new().prefix("gani-").tempdir() else { return error };
        let path = folder.path().join(name);
        if inversion.save(&path).is_err() {
            return error;
        }
        let _ = folder.keep(); // it is no longer removed at the end
        Error::Input(format!(
            "{error}\n  the inversion was saved to {} and can be used with `gani edit`",
            path.display()
        ))
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
