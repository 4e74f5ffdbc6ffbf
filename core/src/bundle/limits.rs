//! Limits of a bundle's files and networks. They are checked before memory is allocated.

use super::Bundle;
use crate::{Error, Result};
use gani_onnx::Graph;
use gani_onnx::read::ReadOptions;
use std::path::Path;

/// Maximum width and height of a generator's image in pixels. A crop of this size takes 200 MB.
pub(super) const MAX_RESOLUTION: usize = 4096;

/// Maximum size of all files of a bundle in bytes.
pub(super) const MAX_BUNDLE_BYTES: u64 = 16 << 30;

/// Maximum number of elements of a value of a network. The largest of StyleGAN2 at 1024 px has 2²⁶.
const MAX_ELEMENTS: usize = 1 << 28;

/// Maximum number of elements of all values of a network: those of StyleGAN2 at 1024 px have 2³⁰ together.
const MAX_TOTAL_ELEMENTS: usize = 1 << 33;

/// Maximum number of style layers, and length of w.
const MAX_WS: [usize; 2] = [512, 8192];

impl Bundle {
    /// Reads a network of the bundle for one image, with the given shapes of inputs, and checks its size and its weights.
    ///
    /// # Errors
    /// As [`ReadOptions::read`]; [`Error::Limits`] for a network of extreme shapes; [`Error::Model`] for weights that are NaN.
    pub(super) fn network(&self, file: &str, shapes: &[(&str, &[usize])]) -> Result<Graph> {
        let path = self.path(file);
        let options = ReadOptions::new().batch(1);
        let graph = shapes.iter().fold(options, |o, (name, shape)| o.shape(name, shape)).read(&path)?;
        check_network(&graph, &path)?;
        Ok(graph)
    }

    /// Checks that the generator takes ws and makes the images that the manifest states.
    pub(super) fn check_generator(&self, graph: &Graph) -> Result<()> {
        let path = self.path(&self.manifest().generator.file);
        let (ws, image) =
            (graph.input_shape("ws")?, graph.outputs().first().map(|(_, v)| &graph.info(*v).shape));
        let [height, width] = self.image_shape();
        let [max_layers, max_dims] = MAX_WS;
        match *ws {
            [1, n, k] if (1..=max_layers).contains(&n) && (1..=max_dims).contains(&k) => {}
            _ => {
                return Err(Error::Limits(format!(
                    "{}: its input ws has the shape {ws:?}; gani supports [1, n, k] with n up to {max_layers} and k up to {max_dims}",
                    path.display()
                )));
            }
        }
        if image.is_none_or(|image| image[..] != [1, 3, height, width]) {
            return Err(Error::Model(format!(
                "{}: the generator's image has the shape {:?}, but the manifest of `{}` states {width} × {height} pixels; {}",
                path.display(),
                image.map(Vec::as_slice).unwrap_or_default(),
                self.name().escape_debug(),
                self.repair_hint()
            )));
        }
        Ok(())
    }
}

/// Checks shapes and weights of a network.
pub(super) fn check_network(graph: &Graph, path: &Path) -> Result<()> {
    let mut total = 0usize;
    let values = graph.nodes().iter().flat_map(|n| &n.outputs).chain(graph.inputs());
    for info in values.map(|&v| graph.info(v)) {
        let count = info.shape.iter().fold(1usize, |n, &size| n.saturating_mul(size));
        total = total.saturating_add(count);
        if count > MAX_ELEMENTS || total > MAX_TOTAL_ELEMENTS {
            return Err(Error::Limits(format!(
                "{}: `{}` has the shape {:?}; the network is too large: a value may have {MAX_ELEMENTS} numbers, all values together \
                 {MAX_TOTAL_ELEMENTS}",
                path.display(),
                info.name.escape_debug(),
                info.shape
            )));
        }
    }
    for value in graph.nodes().iter().flat_map(|n| &n.inputs).flatten() {
        let Some(weights) = graph.constant(*value).and_then(|t| t.as_f32()) else { continue };
        // A single number may be an infinite bound.
        if weights.len() > 1 && weights.iter().any(|v| !v.is_finite()) {
            return Err(Error::Model(format!(
                "{}: the weight `{}` contains NaN or infinity; get the file again, or export the network again",
                path.display(),
                graph.info(*value).name.escape_debug()
            )));
        }
    }
    Ok(())
}
