//! `gani generate`.

use crate::args::GenerateArgs;
use crate::context::{Context, Outcome, text};
use crate::hints::{self, Hint};
use gani_core::edit::Generator;
use gani_core::model::Model;
use gani_core::photo::{Photo, image_from_crop};
use gani_core::runtime::Cancel;
use gani_core::util::files;
use gani_core::util::npy::NpyArray;
use gani_core::{Error, Result};
use image::DynamicImage;
use ndarray::Array2;
use ndarray_npy::WriteNpyExt;
use serde_json::json;
use std::path::Path;

/// Generates an image from a given or a sampled latent code.
pub fn run(context: &Context, args: &GenerateArgs) -> Outcome {
    gani_core::photo::check_writable(&args.output)?;
    context.may_create(&args.output)?;
    args.dump.as_deref().map_or(Ok(()), |dump| context.may_create(dump))?;
    let model = context.model(None)?;
    let ws = match &args.latent {
        Some(path) => read_latent(&model, path)?,
        None => model.sample(context.common.seed.number, args.psi, &context.cancel).hint(
            hints::unsupported,
            "give a latent code with --latent, or import the model again with --mapping",
        )?,
    };
    let generator = Generator::untuned(&model)?;
    super::edit::check(&model, &args.set)?;
    let ws = generator.apply_edits(&ws, &args.set, None)?;
    let image = generator.image(ws.view(), &Cancel::clone(&context.cancel))?;
    Photo::from_pixels(&args.output, DynamicImage::ImageRgb8(image_from_crop(image.view())))
        .save(&args.output)?;
    if let Some(dump) = &args.dump {
        files::write_whole(dump, |file| image.write_npy(file).map_err(std::io::Error::other))?;
    }
    context.print(
        &json!({ "image": text(&args.output), "dump": args.dump.as_deref().map(text), "model": model.bundle.name(), "seed": context.common.seed.number }),
        &format!("wrote {}", args.output.display()),
    )
}

/// Reads w `[512]` or `[1,512]`, or w+ `[n,512]` or `[1,n,512]`, and returns w+ `[n,512]`.
fn read_latent(model: &Model, path: &Path) -> Result<Array2<f32>> {
    let shown = path.display().to_string();
    let latent = NpyArray::read(path)?.finite(&shown)?.values;
    let (layers, dims) = (model.num_ws()?, model.w_dim()?);
    match latent.len() {
        n if n == dims => model.broadcast(&latent),
        n if n == layers * dims => {
            let values = latent.iter().copied().collect();
            Array2::from_shape_vec((layers, dims), values)
                .map_err(|e| Error::Input(format!("{}: {e}", path.display())))
        }
        _ => Err(Error::Input(format!(
            "{}: the latent code has shape {:?}; this model requires [{dims}] or [{layers},{dims}]",
            path.display(),
            latent.shape()
        ))),
    }
}
