//! All graphs that gani runs for a bundle, by the names of their sessions. Cost reports and the CUDA placement check use this list.
//! A test compares it with the sessions of actual inversions.

use crate::bundle::Bundle;
use crate::invert::gani::modules::Modules;
use crate::invert::projector;
use crate::invert::weight_optimizer::{self, AdamOptions};
use crate::loss::similarity::{self, SimilarityLoss, Wrt};
use crate::runtime::Device;
use crate::settings::{Method, Preset, TuneSettings};
use crate::{Result, metrics};
use gani_onnx::Graph;
use gani_onnx::read::ReadOptions;

/// The name of a session and its graph.
pub type NamedGraph = (String, Graph);

/// All graphs of a bundle with a preset's settings, lowered for a device: faces, encoder, mapping, generator, [`loss_graphs`], metrics.
///
/// # Errors
/// As the methods of [`Bundle`] that read networks.
pub fn bundle_graphs(bundle: &Bundle, preset: Preset, device: Device) -> Result<Vec<NamedGraph>> {
    let domain = bundle.domain()?;
    // GANI runs the graphs of all other methods, and its own.
    let settings = preset.settings(Method::Gani, &domain);
    let mut loss = bundle.similarity_loss()?;
    loss.generator = device.lowered(loss.generator)?;
    let [detector, mesh, identity] = match bundle.face_networks()? {
        Some(networks) => networks.map(Some),
        None => [None, None, None],
    };
    let face = |name: &str, bytes: Option<Vec<u8>>| -> Result<Option<Graph>> {
        let options = ReadOptions::new().batch(1);
        Ok(bytes.map(|bytes| options.read_bytes(name, bytes, None)).transpose()?)
    };
    let networks = [
        ("face detector", face("face detector", detector)?),
        ("face mesh", face("face mesh", mesh)?),
        ("encoder", bundle.encoder()?),
        ("mapping", bundle.mapping()?),
        ("generator", Some(similarity::generator_graph(&loss.generator, &loss.tunable)?)),
    ];
    let metrics = [
        ("LPIPS", bundle.lpips_distance([metrics::RESOLUTION; 2])?),
        ("LPIPS at full resolution", bundle.lpips_distance(bundle.image_shape())?),
        ("identity for evaluation", face("identity for evaluation", identity)?),
    ];
    let present = |(name, graph): (&str, Option<Graph>)| graph.map(|graph| (name.to_owned(), graph));
    let mut all: Vec<NamedGraph> = networks.into_iter().filter_map(present).collect();
    all.extend(loss_graphs(&loss, &settings.tune)?);
    all.extend(metrics.into_iter().filter_map(present));
    Ok(all)
}

/// The graphs of the losses: the target's features, the losses of a latent, and those of a tuning step.
pub fn loss_graphs(loss: &SimilarityLoss, settings: &TuneSettings) -> Result<Vec<NamedGraph>> {
    let (weights, pixel_and_lpips) = (&settings.loss_weights, settings.loss_weights.pixel_and_lpips());
    let modules = Modules::for_generator(loss, settings.module)?;
    let options = AdamOptions { relative: true, fisher_power: settings.fisher_power };
    let maps = loss.noise_maps();
    let maps: Vec<(&str, usize)> = maps.iter().map(|(name, t)| (*name, t.len().isqrt())).collect();
    let graphs = [
        ("target features", Some(loss.features(weights)?)),
        ("latent loss", Some(loss.loss_gradient(&pixel_and_lpips, Wrt::Latent)?)),
        ("latent and noise loss", Some(loss.loss_gradient(&pixel_and_lpips, Wrt::LatentAndNoise)?)),
        ("noise regularization", projector::regularization(&maps)?),
        ("modules", Some(modules.forward()?)),
        ("loss gradient", Some(loss.accumulate_gradient(weights)?)),
        ("reference", Some(loss.reference(weights)?)),
        ("modules' gradient", Some(modules.vjp()?)),
        ("weight update", Some(weight_optimizer::graph(&weight_optimizer::weights(loss)?, options)?)),
    ];
    Ok(graphs.into_iter().filter_map(|(name, graph)| Some((name.to_owned(), graph?))).collect())
}
