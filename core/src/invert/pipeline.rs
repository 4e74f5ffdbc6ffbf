//! The inversion of one aligned crop, from top to bottom: encode, find latent and weights with a method, measure.

use super::fingerprint::fingerprint;
use super::methods::{self, Fit};
use super::options::InvertOptions;
use super::progress::{Progress, Stage};
use super::restyle::restyle;
use crate::Result;
use crate::edit::Generator;
use crate::inversion::{self, CropSource, Info, Inversion, Thumbnail};
use crate::loss::{Problem, target_features};
use crate::metrics::Metrics;
use crate::model::Model;
use crate::photo::resize;
use crate::runtime::Cancel;
use crate::settings::Method;
use ndarray::{Array4, ArrayView4};
use std::time::Instant;

/// A finished inversion.
#[derive(Debug)]
pub struct InversionResult {
    /// The contents of the inversion file.
    pub inversion: Inversion,
    /// The tuned generator's image, `[1,3,R,R]` in `[-1,1]`.
    pub image: Array4<f32>,
    /// The original generator's image of the encoder's latent, `[1,3,R,R]` in `[-1,1]`.
    pub encoder_image: Array4<f32>,
    /// Total time in seconds.
    pub seconds: f64,
    /// Mean time of a step of the last stage in seconds; 0 for methods without steps.
    pub seconds_per_step: f64,
}

/// Inverts an aligned `crop` `[1,3,h,w]` in `[-1,1]`, with the shape of [`Model::crop_shape`].
///
/// # Errors
/// [`Error::Input`](crate::Error::Input) for settings out of range, [`Error::Unsupported`](crate::Error::Unsupported) for a
/// method that the bundle has no networks for, [`Error::Runtime`](crate::Error::Runtime), and
/// [`Error::Cancelled`](crate::Error::Cancelled).
pub fn invert(
    model: &Model,
    crop: ArrayView4<'_, f32>,
    source: CropSource,
    options: &InvertOptions,
    cancel: &Cancel,
    mut on_progress: impl FnMut(Progress<'_>),
) -> Result<InversionResult> {
    let started = Instant::now();
    options.settings.check()?;
    on_progress(Progress::Begin(Stage::Prepare));
    let [height, width] = model.bundle.image_shape();
    let target = resize(crop, height, width);

    // w = E(I)
    let ws = match options.method {
        Method::Restyle => restyle(model, crop, cancel)?,
        _ => model.encode(crop, cancel)?,
    };
    let encoder_image = Generator::untuned(model)?.image(ws.view(), cancel)?;
    if options.preview_interval > 0 {
        on_progress(Progress::Preview(encoder_image.view()));
    }

    // The latent w and the weights θ' with G(w, θ') ≈ I.
    let weights = match options.method {
        Method::Pti => &options.settings.pti.loss_weights,
        _ => &options.settings.tune.loss_weights,
    };
    let loss = model.similarity_loss()?;
    let features = target_features(&model.runtime, loss, weights, &target.clone().into_dyn(), cancel)?;
    let (mapping, w_avg) = (model.bundle.mapping()?, model.bundle.w_avg()?.to_vec());
    let (runtime, mapping) = (&model.runtime, mapping.as_ref());
    let problem = Problem { runtime, loss, target: &features, mapping, w_avg: &w_avg, cancel };
    let fit = match options.method {
        Method::Gani | Method::Direct => methods::refine_and_tune(&problem, ws, options, &mut on_progress)?,
        Method::Pti => methods::pti(&problem, ws, options, &mut on_progress)?,
        Method::W | Method::WPlus => methods::projection(&problem, ws, options, &mut on_progress)?,
        Method::Encoder | Method::Restyle => Fit::untuned(ws),
    };
    on_progress(Progress::Begin(Stage::Finish));

    let seconds_per_step = fit.seconds_per_step;
    let key = fingerprint(model, crop, options)?;
    let thumbnail = Thumbnail::of(crop);
    let mut inversion = to_inversion(model, fit, source, thumbnail, options, key);
    let image = Generator::tuned(model, &inversion)?.image(inversion.ws.view(), cancel)?;
    inversion.info.metrics = model.measure(image.view(), target.view(), cancel)?;
    inversion.info.metrics_encoder = model.measure(encoder_image.view(), target.view(), cancel)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(InversionResult { inversion, image, encoder_image, seconds, seconds_per_step })
}

/// The contents of the inversion file. Metrics are measured later.
fn to_inversion(
    model: &Model,
    fit: Fit,
    source: CropSource,
    thumbnail: Thumbnail,
    options: &InvertOptions,
    key: String,
) -> Inversion {
    let info = Info {
        format: inversion::FORMAT,
        made_by: env!("CARGO_PKG_VERSION").into(),
        bundle: model.bundle.name().into(),
        generator_sha256: model.bundle.generator_sha256().into(),
        photo: source.photo,
        photo_size: source.size,
        alignment: source.alignment,
        method: options.method.name().into(),
        preset: options.preset.name().into(),
        settings: options.settings.clone(),
        seed: options.seed,
        key,
        parameters: fit.parameters,
        terms: fit.terms,
        history: fit.history,
        metrics: Metrics::default(),
        metrics_encoder: Metrics::default(),
    };
    let changes = inversion::to_f16_precision(fit.weight_changes);
    Inversion { ws: fit.ws, changes, thumbnail: Some(thumbnail), info }
}
