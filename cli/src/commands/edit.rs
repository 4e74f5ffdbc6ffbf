//! `gani edit`: applies edits to an inversion and writes the face, the photo with the face in it, or a contact sheet; or to photos.

mod batch;

use super::looks;
use crate::args::{EditArgs, SetArg, Strengths};
use crate::context::{Context, Failure, Outcome, text};
use crate::hints::{self, Hint};
use crate::photos::is_image;
use gani_core::Result;
use gani_core::edit::{Edit, Generator, Unit};
use gani_core::face::{EditedFace, Keep, PasteOptions, paste_edit};
use gani_core::inversion::Inversion;
use gani_core::model::Model;
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
/// Number of columns of a sheet of full ranges.
const FULL_COLUMNS: usize = 7;

/// Edits an inversion, or photos.
pub fn run(context: &Context, args: &EditArgs) -> Outcome {
    let usage = |text: &str| Err(Failure::Usage(text.into()));
    let is_photo = |path: &Path| path.is_dir() || is_image(path);
    let edits = edits(args)?;
    let of_photo = args.paste_into.is_some();
    match &args.inputs[..] {
        [inversion] if !is_photo(inversion) => {
            if args.face.is_some() || args.preset.is_some() || args.resume {
                return usage("--face, --preset and --resume belong to photos, not to an inversion");
            }
            if !of_photo && (args.keep.is_some() || args.feather.is_some() || args.matte.is_some()) {
                return usage("--keep, --feather and --matte need --paste-into");
            }
            edit(context, args, inversion, edits)
        }
        inputs if inputs.iter().all(|path| is_photo(path)) => {
            if of_photo || args.sheet.is_some() || args.untuned || args.layers.is_some() {
                return usage(
                    "--paste-into, --sheet, --untuned and --layers belong to an inversion, not to photos",
                );
            }
            if edits.is_empty() {
                return usage("no edits; use --look NAME or --set NAME=STRENGTH");
            }
            batch::run(context, args, edits)
        }
        _ => usage("give one inversion, or photos only"),
    }
}

/// Renders the edited inversion and writes the output image.
fn edit(context: &Context, args: &EditArgs, path: &Path, edits: Vec<Edit>) -> Outcome {
    gani_core::photo::check_writable(&args.output)?;
    context.may_create(&args.output)?;
    let inversion = Inversion::open(path)?;
    let model = context.model(Some(&inversion.info.bundle))?;
    let directions = model.directions()?;
    check(&model, &edits)?;
    let set: Vec<String> = edits.iter().map(|edit| edit.direction.clone()).collect();
    let editor = if args.untuned {
        inversion.check_model(model.bundle.name(), model.bundle.generator_sha256())?;
        Generator::untuned(&model)?
    } else {
        Generator::tuned(&model, &inversion)?
    };
    match args.sheet {
        Some(strengths) => {
            let mut names = set.clone();
            if names.is_empty() {
                names = directions.named.iter().map(|d| d.name.clone()).collect();
            }
            save(&sheet(context, args, &editor, &inversion, &names, strengths)?, &args.output)?;
        }
        None => {
            let ws = editor.apply_edits(&inversion.ws, &edits, args.layers.as_ref())?;
            let image = editor.image(ws.view(), &context.cancel)?;
            match &args.paste_into {
                Some(photo) => {
                    let old = reconstruct(context, args, &editor, &inversion)?;
                    let images = [&image, old.as_ref().unwrap_or(&image)];
                    paste_into(context, args, photo, &model, &inversion, images)?
                        .save_over(&args.output, matte(args))?;
                }
                None => save(&image_from_crop(image.view()), &args.output)?,
            }
        }
    }
    context.print(
        &json!({ "image": text(&args.output), "inversion": text(path), "model": model.bundle.name(), "directions": set, "tuned": !args.untuned }),
        &format!("wrote {}", args.output.display()),
    )
}

/// Checks names and units of edits, and warns about strengths outside the range of a direction.
pub fn check(model: &Model, edits: &[Edit]) -> std::result::Result<(), Failure> {
    for edit in edits.iter().filter(|e| !e.direction.starts_with("sefa.")) {
        let usage = |e: gani_core::Error| Failure::Usage(e.to_string());
        let direction = model.directions()?.get(&edit.direction).map_err(usage)?;
        edit.check_unit(direction).map_err(usage)?;
        let ([min, max], unit) = (direction.info.range, direction.info.unit.symbol());
        if !(min..=max).contains(&edit.strength) {
            log::warn!(
                "{}={} is outside the range of the direction, {min} to {max} {unit}: the face may change into another one",
                edit.direction,
                edit.strength
            );
        }
    }
    Ok(())
}

/// The edits of `--look` and `--set`, which has precedence. Only a sheet allows a direction without a strength.
fn edits(args: &EditArgs) -> std::result::Result<Vec<Edit>, Failure> {
    let edit = |set: &SetArg| match &set.edit {
        None if args.sheet.is_none() => Err(Failure::Usage(format!(
            "--set {0}: the strength is missing; write {0}=STRENGTH, for example {0}=1.5",
            set.name
        ))),
        edit => Ok(edit.clone().unwrap_or_else(|| Edit::new(&set.name, 1.0))),
    };
    let set: Vec<Edit> = args.set.iter().map(edit).collect::<std::result::Result<_, _>>()?;
    Ok(match &args.look {
        Some(name) => looks::get(name)?.with(set),
        None => set,
    })
}

fn save(image: &RgbImage, path: &Path) -> Result<()> {
    Photo::from_pixels(path, DynamicImage::ImageRgb8(image.clone())).save(path)
}

/// What stays of the photo. Without tuning, the generator shows another face, of which nothing can be kept.
fn keep(args: &EditArgs) -> Keep {
    args.keep.unwrap_or(if args.untuned { Keep::None } else { Keep::All })
}

/// How a face is pasted.
fn paste_options(args: &EditArgs) -> PasteOptions<'static> {
    let default = PasteOptions::default();
    PasteOptions { keep: keep(args), feather: args.feather.unwrap_or(default.feather), ..default }
}

/// The color under transparent parts in a JPEG.
fn matte(args: &EditArgs) -> [u8; 3] {
    args.matte.unwrap_or([255; 3])
}

/// The image without edits, `[1,3,R,R]` in `[-1,1]`, if the composite needs it.
fn reconstruct(
    context: &Context,
    args: &EditArgs,
    editor: &Generator,
    inversion: &Inversion,
) -> Result<Option<Array4<f32>>> {
    match keep(args) {
        Keep::None => Ok(None),
        _ => editor.image(inversion.ws.view(), &context.cancel).map(Some),
    }
}

/// Loads the photo and pastes `image`, `[1,3,R,R]` in `[-1,1]`. `reconstruction` is the image without edits.
fn paste_into(
    context: &Context,
    args: &EditArgs,
    path: &Path,
    model: &Model,
    inversion: &Inversion,
    [image, reconstruction]: [&Array4<f32>; 2],
) -> Result<Photo> {
    let mut photo = Photo::open(path)?;
    let same_size = [photo.width(), photo.height()] == inversion.info.photo_size;
    let applies = if same_size { hints::input } else { |_: &_| false };
    let alignment = inversion.alignment_in(&photo, args.other_photo).hint(
        applies,
        "--other-photo pastes into it nevertheless, at the place of the face in the inverted photo",
    )?;
    let mut face = EditedFace::new(image.view(), reconstruction.view());
    if keep(args) == Keep::Background {
        for image in [reconstruction, image] {
            face.face_points.extend(model.face_points(image.view(), &context.cancel)?);
        }
    }
    paste_edit(&mut photo, &face, alignment, &paste_options(args))?;
    Ok(photo)
}

/// A contact sheet with a row for each direction and increasing strengths from left to right.
fn sheet(
    context: &Context,
    args: &EditArgs,
    editor: &Generator,
    inversion: &Inversion,
    names: &[String],
    strengths: Strengths,
) -> Result<RgbImage> {
    // Steps of 1 unit if they fit, otherwise the maximum number of equal steps.
    let columns = match strengths {
        Strengths::Between(from, to) if (to - from).ceil() < COLUMNS as f32 => {
            (to - from).ceil() as usize + 1
        }
        Strengths::Between(..) => COLUMNS,
        Strengths::Full => FULL_COLUMNS,
    };
    let mut cells = Vec::new();
    for name in names {
        let info = editor.direction(name, args.layers.as_ref())?.info;
        let [from, to] = match strengths {
            Strengths::Between(from, to) => [from, to],
            Strengths::Full => info.range,
        };
        for i in 0..columns {
            let strength = from + (to - from) * i as f32 / (columns - 1) as f32;
            let edit = Edit::new(name, strength);
            let ws = editor.apply_edits(&inversion.ws, &[edit], args.layers.as_ref())?;
            let label = format!("{name} {:+}{}", (strength * 10.0).round() / 10.0, suffix(info.unit));
            cells.push((label, editor.image(ws.view(), &context.cancel)?));
        }
    }
    let views: Vec<_> = cells.iter().map(|(label, image)| (label.as_str(), image.view())).collect();
    Ok(plot::contact_sheet(&views, columns, CELL))
}

/// The unit after a strength in a label: none for standard deviations.
fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Sigma => "",
        Unit::Deg => " deg",
    }
}
