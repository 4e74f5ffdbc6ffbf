//! Every graph that gani runs of a bundle, under the name of its session: `gani inspect --cost` counts them, `cargo xtask
//! check-cuda` places them. A test compares the list with what inversions run.

use crate::bundle::Bundle;
use crate::invert::gani::modules::Modules;
use crate::invert::projector;
use crate::invert::weight_optimizer::{self, AdamOptions};
use crate::loss::similarity::{self, SimilarityLoss, Wrt};
use crate::runtime::Device;
use crate::settings::{Method, Preset, TuneSettings};
use crate::{Result, metrics};
use gani_onnx::{Graph, read};

/// A graph and the name of the session that runs it.
pub type Named = (String, Graph);

/// All graphs of a bundle with a preset's settings, lowered for a device: faces, encoder, mapping, generator, those of [`of_objective`], metrics.
///
/// # Errors
/// As the bundle's own readers.
pub fn of_bundle(bundle: &Bundle, preset: Preset, device: Device) -> Result<Vec<Named>> {
    let domain = bundle.domain()?;
    // Of all methods, GANI runs the most graphs of its own.
    let settings = preset.settings(Method::Gani, &domain);
    let mut objective = bundle.similarity_loss()?;
    objective.generator = device.lowered(objective.generator)?;
    let [detector, mesh, identity] = match bundle.face_networks()? {
        Some(networks) => networks.map(Some),
        None => [None, None, None],
    };
    let face = |name: &str, bytes: Option<Vec<u8>>| -> Result<Option<Graph>> {
        Ok(bytes.map(|bytes| read::from_bytes(name, bytes, None, &[])).transpose()?)
    };
    let before = [
        ("face detector", face("face detector", detector)?),
        ("face mesh", face("face mesh", mesh)?),
        ("encoder", bundle.encoder()?),
        ("mapping", bundle.mapping()?),
        ("generator", Some(similarity::generator_graph(&objective.generator, &objective.tunable)?)),
    ];
    let metrics = [
        ("LPIPS", bundle.lpips_distance([metrics::RESOLUTION; 2])?),
        ("LPIPS at full resolution", bundle.lpips_distance(bundle.image_shape())?),
        ("identity for evaluation", face("identity for evaluation", identity)?),
    ];
    let there = |(name, graph): (&str, Option<Graph>)| graph.map(|graph| (name.to_owned(), graph));
    let mut all: Vec<Named> = before.into_iter().filter_map(there).collect();
    all.extend(of_objective(&objective, &settings.tune)?);
    all.extend(metrics.into_iter().filter_map(there));
    Ok(all)
}

/// The graphs that work by gradient: the target's features, the losses of a latent, and those of a tuning step.
pub fn of_objective(objective: &SimilarityLoss, settings: &TuneSettings) -> Result<Vec<Named>> {
    let (weights, pixel_and_lpips) = (&settings.loss_weights, settings.loss_weights.pixel_and_lpips());
    let modules = Modules::for_generator(objective, settings.module)?;
    let rule = AdamOptions { relative: true, fisher_power: settings.fisher_power };
    let maps = objective.noise_maps();
    let maps: Vec<(&str, usize)> = maps.iter().map(|(name, t)| (*name, t.len().isqrt())).collect();
    let graphs = [
        ("target features", Some(objective.features(weights)?)),
        ("latent loss", Some(objective.loss_gradient(&pixel_and_lpips, Wrt::Latent)?)),
        ("latent and noise loss", Some(objective.loss_gradient(&pixel_and_lpips, Wrt::LatentAndNoise)?)),
        ("noise regularization", projector::regularization(&maps)?),
        ("modules", Some(modules.forward()?)),
        ("loss gradient", Some(objective.accumulate_gradient(weights)?)),
        ("reference", Some(objective.reference(weights)?)),
        ("modules' gradient", Some(modules.vjp()?)),
        ("weight update", Some(weight_optimizer::graph(&weight_optimizer::weights(objective)?, rule)?)),
    ];
    Ok(graphs.into_iter().filter_map(|(name, graph)| Some((name.to_owned(), graph?))).collect())
}
