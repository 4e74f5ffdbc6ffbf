//! The faces of a photo that a command processes.

use crate::context::Context;
use crate::hints::{self, Hint};
use crate::photos;
use gani_core::Result;
use gani_core::face::{Alignment, FaceChoice};
use gani_core::model::Model;
use gani_core::photo::Photo;
use ndarray::Array4;

/// A face to work on.
pub struct Face {
    /// The crop, `[1,3,H,W]` in `[-1,1]`.
    pub crop: Array4<f32>,
    /// The face's alignment in the photo. `None` if the photo is an aligned crop.
    pub alignment: Option<Alignment>,
    /// Base name of the output files.
    pub name: String,
}

/// The faces of `photo` that `which` selects. If `aligned`, the photo itself is the crop.
pub fn faces(
    context: &Context,
    model: &Model,
    photo: &Photo,
    aligned: bool,
    which: &FaceChoice,
) -> Result<Vec<Face>> {
    let stem = photos::stem(&photo.path);
    let detects_faces = model.bundle.manifest().face.is_some();
    if aligned {
        let leave_out = "leave --aligned out to detect and align the face";
        let applies = if detects_faces { hints::input } else { |_: &_| false };
        let crop = photo.to_crop(model.crop_shape()?).hint(applies, leave_out)?;
        return Ok(vec![Face { crop, alignment: None, name: stem }]);
    }
    let resolution = model.crop_resolution()?;
    let found = model.faces(photo, &context.cancel);
    let applies = if detects_faces { |_: &_| false } else { hints::unsupported };
    let found = found.hint(applies, "pass --aligned if the photo is an aligned crop")?;
    let selected = which.select(photo, &found)?;
    if found.len() > 1 {
        let numbers: Vec<String> = selected.iter().map(|(n, _)| n.to_string()).collect();
        context.say(&format!(
            "  found {} faces, counted from the left; selected: {}",
            found.len(),
            numbers.join(", ")
        ));
    }
    let several = selected.len() > 1;
    let face = |(n, face): &(usize, &gani_core::face::Face)| {
        let name = if several { format!("{stem}-face{n}") } else { stem.clone() };
        Ok(Face { crop: face.alignment.crop(photo, resolution)?, alignment: Some(face.alignment), name })
    };
    selected.iter().map(face).collect()
}
