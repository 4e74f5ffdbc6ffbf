//! Every graph that gani runs of a bundle, under the name of its session: `gani inspect --cost` counts them, `cargo xtask
//! check-cuda` places them. A test compares the list with what inversions run.

use crate::bundle::Bundle;
use crate::follow::{self, StepRule};
use crate::method::Method;
use crate::modules::Modules;
use crate::objective::{self, Objective, Wrt};
use crate::preset::Preset;
use crate::runtime::Device;
use crate::tune::TuneSettings;
use crate::{Result, metrics, project};
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
    let settings = preset.settings(Method::Gani, domain.weights, domain.iterations);
    let mut objective = bundle.objective()?;
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
        ("generator", Some(objective::image(&objective.generator, &objective.tunable)?)),
    ];
    let metrics = [
        ("LPIPS", bundle.lpips_distance([metrics::SIZE; 2])?),
        ("LPIPS at full size", bundle.lpips_distance(bundle.image_size())?),
        ("identity for evaluation", face("identity for evaluation", identity)?),
    ];
    let there = |(name, graph): (&str, Option<Graph>)| graph.map(|graph| (name.to_owned(), graph));
    let mut all: Vec<Named> = before.into_iter().filter_map(there).collect();
    all.extend(of_objective(&objective, &settings.tune)?);
    all.extend(metrics.into_iter().filter_map(there));
    Ok(all)
}

/// The graphs that work by gradient: the target's features, the losses of a latent, and those of a tuning step.
pub fn of_objective(objective: &Objective, settings: &TuneSettings) -> Result<Vec<Named>> {
    let (weights, cheap) = (&settings.weights, settings.weights.cheap());
    let modules = Modules::of(objective, settings.module)?;
    let rule = StepRule { relative: true, spare: settings.spare };
    let maps = objective.noise_maps();
    let maps: Vec<(&str, usize)> = maps.iter().map(|(name, t)| (*name, t.len().isqrt())).collect();
    let graphs = [
        ("target features", Some(objective.features(weights)?)),
        ("latent loss", Some(objective.loss_gradient(&cheap, Wrt::Latent)?)),
        ("latent and noise loss", Some(objective.loss_gradient(&cheap, Wrt::LatentAndNoise)?)),
        ("noise regularisation", project::regularisation(&maps)?),
        ("modules", Some(modules.forward()?)),
        ("loss gradient", Some(objective.added_gradient(weights)?)),
        ("reference", Some(objective.reference(weights)?)),
        ("modules' gradient", Some(modules.vjp()?)),
        ("weights' step", Some(follow::graph(&follow::weights(objective)?, rule)?)),
    ];
    Ok(graphs.into_iter().filter_map(|(name, graph)| Some((name.to_owned(), graph?))).collect())
}
