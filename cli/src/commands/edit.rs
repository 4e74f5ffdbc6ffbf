//! `gani edit INVERSION`.

use crate::args::{EditArgs, Strengths};
use crate::context::{Context, Failure, Outcome};
use gani_core::Result;
use gani_core::edit::Edit;
use gani_core::editor::Editor;
use gani_core::figure;
use gani_core::inversion::Inversion;
use gani_core::photo::{PasteOptions, Photo, image_from_crop, paste};
use image::{DynamicImage, RgbImage};
use ndarray::Array4;
use serde_json::json;
use std::path::Path;

/// Side of a cell of a sheet, in pixels.
const CELL: usize = 256;
/// A sheet has at most this many columns.
const COLUMNS: usize = 13;

/// Renders an edited inversion: the face, the photo with the face in it, or a sheet.
pub fn run(context: &Context, args: &EditArgs) -> Outcome {
    context.may_write(&args.output)?;
    let mut edits = Vec::new();
    for set in &args.set {
        match (set.strength, args.sheet) {
            (None, None) => {
                return Err(Failure::Usage(format!(
                    "--set {}: how far? write {}=SIGMA, for example {0}=1.5",
                    set.name, set.name
                )));
            }
            (strength, _) => {
                edits.push(Edit { direction: set.name.clone(), strength: strength.unwrap_or(1.0) })
            }
        }
    }
    let inversion = Inversion::open(&args.inversion)?;
    let model = context.model(Some(&inversion.info.bundle))?;
    let directions = model.directions()?;
    for edit in edits.iter().filter(|e| !e.direction.starts_with("sefa.")) {
        directions.get(&edit.direction).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    let editor = if args.untuned {
        inversion.check_bundle(model.bundle.name(), model.bundle.generator_sha256())?;
        Editor::untuned(&model)?
    } else {
        Editor::tuned(&model, &inversion)?
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
            let ws = editor.moved(&inversion.ws, &edits, args.layers.as_ref())?;
            let image = editor.image(ws.view(), &context.cancel)?;
            match &args.paste_into {
                Some(photo) => pasted(photo, &inversion, &image)?.save(&args.output)?,
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

fn save(image: &RgbImage, path: &Path) -> Result<()> {
    Photo::from_pixels(path, DynamicImage::ImageRgb8(image.clone())).save(path)
}

/// The photo with the face replaced by `image`.
fn pasted(path: &Path, inversion: &Inversion, image: &Array4<f32>) -> Result<Photo> {
    let mut photo = Photo::load(path)?;
    let alignment = inversion.place_in(&path.display().to_string(), [photo.width(), photo.height()])?;
    paste(&mut photo, image.view(), alignment, &PasteOptions::default())?;
    Ok(photo)
}

/// One row per direction, from the weakest to the strongest.
fn sheet(
    context: &Context,
    args: &EditArgs,
    editor: &Editor,
    inversion: &Inversion,
    names: &[String],
    Strengths(from, to): Strengths,
) -> Result<RgbImage> {
    // Whole σ where they fit, else as many equal steps as there is room for.
    let span = (to - from).ceil() as usize;
    let columns = if span < COLUMNS { span + 1 } else { COLUMNS };
    let strength = |i: usize| from + (to - from) * i as f32 / (columns - 1) as f32;
    let mut cells = Vec::new();
    for name in names {
        for i in 0..columns {
            let edit = Edit { direction: name.clone(), strength: strength(i) };
            let ws = editor.moved(&inversion.ws, &[edit], args.layers.as_ref())?;
            let label = format!("{name} {:+}", (strength(i) * 10.0).round() / 10.0);
            cells.push((label, editor.image(ws.view(), &context.cancel)?));
        }
    }
    let views: Vec<_> = cells.iter().map(|(label, image)| (label.as_str(), image.view())).collect();
    Ok(figure::sheet(&views, columns, CELL))
}
