//! Reads imported files: the content of a checkpoint, inputs and outputs of an `.onnx` network.

use crate::{Error, Result};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{DetectedNetwork, Network, only_outputs, recognize};
use gani_onnx::{Builder, Graph};
use std::path::Path;

pub(super) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// Renames the only input and the first output of a network to the names that bundles use. Drops other outputs.
///
/// # Errors
/// [`Error::Input`] for a network with several inputs.
pub(super) fn renamed(graph: &Graph, path: &Path, input: &str, output: &str) -> Result<Graph> {
    let [x] = graph.inputs() else {
        let names: Vec<_> = graph.inputs().iter().map(|v| graph.info(*v).name.as_str()).collect();
        return Err(Error::Input(format!(
            "{}: expected a network with one input; this network has {} ({})",
            path.display(),
            names.len(),
            names.join(", ")
        )));
    };
    let info = graph.info(*x);
    let b = Builder::new();
    let x = b.input(input, &info.shape);
    let outputs = b.inline(graph, &[(&info.name, x)])?;
    outputs.iter().take(1).for_each(|y| b.output(output, *y));
    Ok(b.finish()?)
}

pub(super) fn has_output(graph: &Graph, name: &str) -> bool {
    graph.outputs().iter().any(|(n, _)| n == name)
}

/// Only the output `name`, or the whole graph if it has no such output.
pub(super) fn only_output(graph: &Graph, name: &str) -> Result<Graph> {
    match has_output(graph, name) {
        true => Ok(only_outputs(graph, &[name])?),
        false => Ok(graph.clone()),
    }
}

/// The first network of the checkpoint that is in `expected`. `role` is the network's role in the bundle, for messages.
///
/// # Errors
/// [`Error::Input`] if the file has none of them. Says what it contains instead.
pub(super) fn expect(file: &Checkpoint, role: &str, expected: &[Network]) -> Result<DetectedNetwork> {
    let found = recognize(file);
    if let Some(network) = found.iter().find(|f| expected.contains(&f.network)) {
        return Ok(network.clone());
    }
    let names: Vec<&str> = expected.iter().map(|n| n.name()).collect();
    let content = match (found.first(), file.keys().next()) {
        (Some(other), _) => format!("the file contains {}", other.text),
        (None, Some(key)) => {
            format!("the file contains a network that gani does not recognize (its keys start with `{key}`)")
        }
        (None, None) => "the file contains no tensors".into(),
    };
    Err(Error::Input(format!(
        "{}: cannot be used as the {role}: expected {}, but {content}",
        file.name(),
        names.join(" or ")
    )))
}

/// Whether the checkpoint at `path` contains `network`.
pub(super) fn contains(path: &Path, network: Network) -> Result<bool> {
    Ok(recognize(&Checkpoint::read(path)?).iter().any(|f| f.network == network))
}
