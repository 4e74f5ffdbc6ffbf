//! `gani edit INVERSION`: applies edits and writes the face, the photo with the face in it, or a contact sheet.

use crate::args::{EditArgs, SetArg, Strengths};
use crate::context::{Context, Failure, Outcome};
use gani_core::Result;
use gani_core::edit::Edit;
use gani_core::edit::Generator;
use gani_core::face::{PasteOptions, paste};
use gani_core::inversion::Inversion;
use gani_core::photo::{Photo, image_from_crop};
use gani_core::report::plot;
use image::{DynamicImage, RgbImage};
use ndarray::Array4;
use serde_json::json;
use std::path::Path;

/// Side of a sheet's cell in pixels.
const CELL: usize = 256;
/// Maximum number of columns of a sheet.
const COLUMNS: usize = 13;

/// Renders the edited inversion and writes the output image.
pub fn run(context: &Context, args: &EditArgs) -> Outcome {
    context.may_write(&args.output)?;
    let edits = edits(&args.set, args.sheet.is_some())?;
    let inversion = Inversion::open(&args.inversion)?;
    let model = context.model(Some(&inversion.info.bundle))?;
    let directions = model.directions()?;
    for edit in edits.iter().filter(|e| !e.direction.starts_with("sefa.")) {
        directions.get(&edit.direction).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    let editor = if args.untuned {
        inversion.check_model(model.bundle.name(), model.bundle.generator_sha256())?;
        Generator::untuned(&model)?
    } else {
        Generator::tuned(&model, &inversion)?
    };
    match args.sheet {
        Some(strengths) => {
            let mut names: Vec<String> = edits.into_iter().map(|e| e.direction).collect();
            if names.is_empty() {
                names = directions.named.iter().map(|d| d.name.clone()).collect();
            }
            save(&sheet(context, args, &editor, &inversion, &names, strengths)?, &args.output)?;
        }
        None => {
            let ws = editor.apply_edits(&inversion.ws, &edits, args.layers.as_ref())?;
            let image = editor.image(ws.view(), &context.cancel)?;
            match &args.paste_into {
                Some(photo) => paste_into(photo, &inversion, &image)?.save(&args.output)?,
                None => save(&image_from_crop(image.view()), &args.output)?,
            }
        }
    }
    let set: Vec<String> = args.set.iter().map(|s| s.name.clone()).collect();
    context.print(
        &json!({ "image": args.output, "inversion": args.inversion, "model": model.bundle.name(), "directions": set, "tuned": !args.untuned }),
        &format!("wrote {}", args.output.display()),
    )
}

/// The edits of `--set`. Only a sheet allows a direction without a strength.
fn edits(set: &[SetArg], has_sheet: bool) -> std::result::Result<Vec<Edit>, Failure> {
    let edit = |set: &SetArg| match set.strength {
        None if !has_sheet => Err(Failure::Usage(format!(
            "--set {0}: the strength is missing; write {0}=SIGMA, for example {0}=1.5",
            set.name
        ))),
        strength => Ok(Edit { direction: set.name.clone(), strength: strength.unwrap_or(1.0) }),
    };
    set.iter().map(edit).collect()
}

fn save(image: &RgbImage, path: &Path) -> Result<()> {
    Photo::from_pixels(path, DynamicImage::ImageRgb8(image.clone())).save(path)
}

/// Loads the photo and replaces the face by `image`, `[1,3,R,R]` in `[-1,1]`.
fn paste_into(path: &Path, inversion: &Inversion, image: &Array4<f32>) -> Result<Photo> {
    let mut photo = Photo::open(path)?;
    let alignment = inversion.alignment_in(&path.display().to_string(), [photo.width(), photo.height()])?;
    paste(&mut photo, image.view(), alignment, &PasteOptions::default())?;
    Ok(photo)
}

/// A contact sheet with a row for each direction and increasing strengths from left to right.
fn sheet(
    context: &Context,
    args: &EditArgs,
    editor: &Generator,
    inversion: &Inversion,
    names: &[String],
    Strengths(from, to): Strengths,
) -> Result<RgbImage> {
    // Steps of 1 σ if they fit, otherwise the maximum number of equal steps.
    let span = (to - from).ceil() as usize;
    let columns = if span < COLUMNS { span + 1 } else { COLUMNS };
    let strength = |i: usize| from + (to - from) * i as f32 / (columns - 1) as f32;
    let mut cells = Vec::new();
    for name in names {
        for i in 0..columns {
            let edit = Edit { direction: name.clone(), strength: strength(i) };
            let ws = editor.apply_edits(&inversion.ws, &[edit], args.layers.as_ref())?;
            let label = format!("{name} {:+}", (strength(i) * 10.0).round() / 10.0);
            cells.push((label, editor.image(ws.view(), &context.cancel)?));
        }
    }
    let views: Vec<_> = cells.iter().map(|(label, image)| (label.as_str(), image.view())).collect();
    Ok(plot::contact_sheet(&views, columns, CELL))
}
