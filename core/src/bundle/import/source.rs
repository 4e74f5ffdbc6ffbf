//! The files of an import: what a checkpoint holds, and the inputs and outputs of an `.onnx` network.

use crate::{Error, Result};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{DetectedNetwork, Network, recognize};
use gani_onnx::{Builder, Graph};
use std::path::Path;

pub(super) fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// A network of one input, with its input and its first output called as bundles call them.
pub(super) fn renamed(graph: &Graph, path: &Path, input: &str, output: &str) -> Result<Graph> {
    let [x] = graph.inputs() else {
        let names: Vec<_> = graph.inputs().iter().map(|v| graph.info(*v).name.as_str()).collect();
        return Err(Error::Input(format!(
            "{}: a network with one input is wanted, this one has {} ({})",
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

/// The first of `wanted` that the file holds.
pub(super) fn expect(file: &Checkpoint, option: &str, wanted: &[Network]) -> Result<DetectedNetwork> {
    let found = recognize(file);
    if let Some(good) = found.iter().find(|f| wanted.contains(&f.network)) {
        return Ok(good.clone());
    }
    let names: Vec<&str> = wanted.iter().map(|n| n.name()).collect();
    let holds = match (found.first(), file.keys().next()) {
        (Some(other), _) => format!("that file holds {}", other.text),
        (None, Some(key)) => {
            format!("gani does not know the network in that file (its keys begin with `{key}`)")
        }
        (None, None) => "that file holds no tensors".into(),
    };
    Err(Error::Input(format!("{}: {option} takes {}; {holds}", file.name(), names.join(" or "))))
}
