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
mod recognise;
mod spec;
pub mod stylegan2;

pub use recognise::{Found, Network, recognise};

use crate::{Builder, Error, Expr, Graph, Result, Tensor};

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

/// A weight: a constant that keeps its name in the written file.
fn named<'g>(b: &'g Builder, name: &str, shape: &[usize], values: Vec<f32>) -> Expr<'g> {
    match Tensor::f32(shape, values) {
        Some(t) => b.weight(name, t),
        None => b.fail(Error::Model(format!("`{name}` does not fill the shape {shape:?}"))),
    }
}
