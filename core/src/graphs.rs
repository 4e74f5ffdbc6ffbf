//! Every graph that gani runs of a bundle, under the name of its session: `gani inspect --cost` counts them, `cargo xtask
//! check-cuda` places them. A test compares the list with what inversions really run.

use crate::Result;
use crate::bundle::Bundle;
use crate::modules::{ModuleSettings, Modules};
use crate::objective::{Objective, Weights, Wrt};
use crate::{metrics, project};
use gani_onnx::{Graph, read};

/// A graph and the name of the session that runs it.
pub type Named = (String, Graph);

/// All graphs of a bundle, in the order in which an inversion meets them: faces, encoder, mapping, generator, then those of
/// [`of_objective`], then the metrics.
///
/// # Errors
/// As the bundle's own readers.
pub fn of_bundle(bundle: &Bundle, weights: &Weights, module: ModuleSettings) -> Result<Vec<Named>> {
    let mut graphs = Vec::new();
    let mut add = |name: &str, graph: Option<Graph>| graphs.extend(graph.map(|g| (name.to_owned(), g)));
    let [detector, landmarks, identity] = match bundle.face_networks()? {
        Some(networks) => networks.map(Some),
        None => [None, None, None],
    };
    let face = |name: &str, bytes: Option<Vec<u8>>| -> Result<Option<Graph>> {
        Ok(bytes.map(|bytes| read::from_bytes(name, bytes, None, &[])).transpose()?)
    };
    add("face detector", face("face detector", detector)?);
    add("face mesh", face("face mesh", landmarks)?);
    add("encoder", bundle.encoder()?);
    add("mapping", bundle.mapping()?);
    let objective = bundle.objective()?;
    add("generator", Some(objective.generator.clone()));
    for (name, graph) in of_objective(&objective, weights, module)? {
        add(&name, Some(graph));
    }
    add("LPIPS", bundle.lpips_distance([metrics::SIZE; 2])?);
    add("LPIPS at full size", bundle.lpips_distance(bundle.image_size())?);
    add("identity for evaluation", face("identity for evaluation", identity)?);
    Ok(graphs)
}

/// The graphs that work by gradient: the target's features, the losses of a latent, and those of a tuning step.
pub fn of_objective(objective: &Objective, weights: &Weights, module: ModuleSettings) -> Result<Vec<Named>> {
    let modules = Modules::of(objective, module)?;
    let cheap = weights.cheap();
    let mut graphs = vec![
        ("target features", objective.features(weights)?),
        ("latent loss", objective.loss_gradient(&cheap, Wrt::Latent)?),
        ("latent and noise loss", objective.loss_gradient(&cheap, Wrt::LatentAndNoise)?),
    ];
    let maps: Vec<(&str, usize)> =
        objective.noise_maps().iter().map(|(name, t)| (*name, t.len().isqrt())).collect();
    graphs.extend(project::regularisation(&maps)?.map(|graph| ("noise regularisation", graph)));
    graphs.extend([
        ("modules", modules.forward()?),
        ("loss gradient", objective.loss_gradient(weights, Wrt::Weights)?),
        ("reference", objective.reference(weights)?),
        ("modules' gradient", modules.vjp()?),
    ]);
    Ok(graphs.into_iter().map(|(name, graph)| (name.to_owned(), graph)).collect())
}
