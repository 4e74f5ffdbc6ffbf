//! What a pose direction does to the faces of a model: degrees asked and turned, and identity.

use super::{Edit, Generator, Unit};
use crate::face::HeadPose;
use crate::metrics::cosine;
use crate::model::Model;
use crate::photo::{Photo, image_from_crop, resize};
use crate::runtime::Cancel;
use crate::{Error, Result, metrics};
use image::DynamicImage;
use ndarray::{Array2, ArrayView4};
use serde::Serialize;
use std::path::Path;

/// Only faces that look to the front are measured: their yaw is at most this, in degrees.
const MAX_YAW: f64 = 15.0;
/// Number of latents that are sampled at most for each measured face.
const MAX_SAMPLES: u64 = 10;

/// Options of [`pose`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of faces.
    pub faces: u32,
    /// Seed of the first face.
    pub seed: u64,
    /// Truncation ψ of the sampled latents.
    pub truncation_psi: f32,
}

/// The measured effect of one strength of a direction: means over faces.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoseEffect {
    /// Name of the direction.
    pub direction: String,
    /// Strength in the direction's unit.
    pub strength: f32,
    /// Number of faces that FaceMesh found before and after the edit.
    pub faces: usize,
    /// Change of yaw, pitch and roll in degrees.
    pub turned: [f64; 3],
    /// Mean absolute error of the change, for a direction in degrees called `yaw`, `pitch` or `roll`.
    pub error: Option<f64>,
    /// ID: cosine of identity features for evaluation, before and after. `None` if no face of the pair was recognized.
    pub identity: Option<f64>,
}

impl std::fmt::Display for PoseEffect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [yaw, pitch, roll] = self.turned;
        write!(
            f,
            "{} {:+}: yaw {yaw:+.1}°, pitch {pitch:+.1}°, roll {roll:+.1}°",
            self.direction, self.strength
        )?;
        if let Some(error) = self.error {
            write!(f, ", mean absolute error {error:.1}°")?;
        }
        match self.identity {
            Some(identity) => write!(f, ", ID {identity:.3} ({} faces)", self.faces),
            None => write!(f, " ({} faces)", self.faces),
        }
    }
}

/// A face's pose and identity features.
struct Measured {
    pose: HeadPose,
    identity: Option<Vec<f32>>,
}

/// Measures the direction `name` at two thirds of its range, on both sides.
///
/// # Errors
/// [`Error::Input`] for an unknown direction; [`Error::Unsupported`] for a bundle without face networks, or if too few sampled faces
/// look to the front.
pub fn pose(model: &Model, name: &str, options: &Options, cancel: &Cancel) -> Result<Vec<PoseEffect>> {
    let generator = Generator::untuned(model)?;
    let info = generator.direction(name, None)?.info;
    let bases = front_faces(model, &generator, options, cancel)?;
    let axis = ["yaw", "pitch", "roll"].iter().position(|axis| *axis == name && info.unit == Unit::Deg);
    let mut effects = Vec::new();
    for strength in [info.from_sigmas(-2.0), info.from_sigmas(2.0)] {
        let (mut turned, mut errors, mut identities) = (Vec::new(), Vec::new(), Vec::new());
        for (ws, before) in &bases {
            let edited = generator.apply_edits(ws, &[Edit::new(name, strength)], None)?;
            let image = generator.image(edited.view(), cancel)?;
            let Some(after) = measure(model, image.view(), cancel)? else { continue };
            let change = [
                after.pose.yaw - before.pose.yaw,
                after.pose.pitch - before.pose.pitch,
                after.pose.roll - before.pose.roll,
            ];
            errors.extend(axis.map(|axis| (change[axis] - f64::from(strength)).abs()));
            identities.extend(before.identity.as_ref().zip(after.identity).map(|(a, b)| cosine(a, &b)));
            turned.push(change);
        }
        let mean =
            |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let along =
            |axis: usize| mean(&turned.iter().map(|t| t[axis]).collect::<Vec<_>>()).unwrap_or(f64::NAN);
        effects.push(PoseEffect {
            direction: name.into(),
            strength,
            faces: turned.len(),
            turned: [along(0), along(1), along(2)],
            error: mean(&errors),
            identity: mean(&identities),
        });
    }
    Ok(effects)
}

/// Sampled faces that look to the front: latent, pose and identity.
fn front_faces(
    model: &Model,
    generator: &Generator,
    options: &Options,
    cancel: &Cancel,
) -> Result<Vec<(Array2<f32>, Measured)>> {
    let wanted = options.faces as usize;
    let mut found = Vec::new();
    for i in 0..u64::from(options.faces) * MAX_SAMPLES {
        let ws = model.sample(options.seed.wrapping_add(i), options.truncation_psi, cancel)?;
        let image = generator.image(ws.view(), cancel)?;
        if let Some(face) = measure(model, image.view(), cancel)?.filter(|f| f.pose.yaw.abs() <= MAX_YAW) {
            found.push((ws, face));
        }
        if found.len() == wanted {
            return Ok(found);
        }
    }
    Err(Error::Unsupported(format!(
        "only {} of {} sampled images of `{}` show a face that looks to the front",
        found.len(),
        wanted as u64 * MAX_SAMPLES,
        model.bundle.name()
    )))
}

/// Pose and identity of the largest face of an image `[1,3,H,W]`; `None` if it shows no face.
fn measure(model: &Model, image: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Option<Measured>> {
    let small = resize(image, metrics::RESOLUTION, metrics::RESOLUTION);
    let photo = Photo::from_pixels(
        Path::new("the generated face"),
        DynamicImage::ImageRgb8(image_from_crop(small.view())),
    );
    let faces = model.required_face_finder()?.faces(&photo, cancel)?;
    let largest = faces.iter().max_by(|a, b| a.alignment.side_length().total_cmp(&b.alignment.side_length()));
    let Some(face) = largest else { return Ok(None) };
    let identity = model.identity()?.map(|network| network.features_of(small.view(), cancel)).transpose()?;
    Ok(Some(Measured { pose: face.landmarks.pose(), identity: identity.flatten() }))
}
