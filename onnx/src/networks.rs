//! The networks of this field as graphs, one per file: generators (ws → image), feature extractors for
//! losses, and encoders.
//!
//! Images are `[1, 3, R, R]`, RGB in `[-1, 1]`. Crop, resize and normalization are part of the graphs.

pub mod arcface;
pub mod e4e;
pub mod encoder;
mod faceres;
mod identity;
mod ir;
mod layers;
pub mod lpips;
pub mod mobilestylegan;
pub mod moco;
pub mod parsing;
mod recognize;
mod signature;
mod spec;
pub mod stylegan2;

pub use recognize::{DetectedNetwork, Network, recognize};

use crate::{Error, Graph, Result};

/// Returns `graph` with only the outputs in `names`, in that order, pruned to what they need.
///
/// # Errors
/// [`Error::Input`] naming an output that the graph does not have.
pub fn only_outputs(graph: &Graph, names: &[&str]) -> Result<Graph> {
    let mut cut = graph.clone();
    cut.outputs = names
        .iter()
        .map(|&name| {
            graph.output_shape(name)?;
            graph
                .outputs
                .iter()
                .find(|(n, _)| n == name)
                .cloned()
                .ok_or_else(|| Error::Input(format!("the graph has no output called `{name}`")))
        })
        .collect::<Result<_>>()?;
    cut.prune();
    Ok(cut)
}
