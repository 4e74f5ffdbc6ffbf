//! SeFa (Shen and Zhou 2021): closed-form factorization of the generator's style weights into directions.
//!
//! Let A be the stacked affine maps from w to styles. The directions are the eigenvectors of AᵀA with the largest eigenvalues.
//! A is found in the graph: the constants by which slices of `ws` are multiplied.

use super::direction::StyleRange;
use crate::bundle::Direction;
use crate::{Error, Result};
use gani_onnx::{Graph, Node, Value};
use nalgebra::{DMatrix, SymmetricEigen};
use std::collections::{HashMap, HashSet};

/// The `count` strongest directions for the style layers `layers` (`None`: all). `sigma_of` gives the standard deviation of w
/// along a unit vector.
pub fn directions(
    generator: &Graph,
    layers: Option<&StyleRange>,
    count: usize,
    sigma_of: impl Fn(&[f32]) -> f32,
) -> Result<Vec<Direction>> {
    let dims = generator.input_shape("ws")?.last().copied().unwrap_or(0);
    let mut gram = DMatrix::<f64>::zeros(dims, dims);
    for affine in affines(generator, layers, dims) {
        // A is [channels, dims].
        gram += affine.tr_mul(&affine);
    }
    if gram.trace() == 0.0 {
        return Err(Error::Unsupported(
            "SeFa: no style layer of this generator multiplies ws with a constant matrix".into(),
        ));
    }
    let eigen = SymmetricEigen::new(gram);
    let mut order: Vec<usize> = (0..dims).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let direction = |(k, &i): (usize, &usize)| {
        let mut unit: Vec<f32> = eigen.eigenvectors.column(i).iter().map(|&v| v as f32).collect();
        // The sign of an eigenvector is arbitrary. Fix it, so that `sefa.0=2` means the same everywhere.
        let largest = unit.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        unit.iter_mut().for_each(|v| *v *= largest.signum());
        Direction::new(format!("sefa.{k}"), unit.clone(), sigma_of(&unit))
    };
    Ok(order.iter().take(count).enumerate().map(direction).collect())
}

/// The affine maps as `[channels, dims]` matrices.
fn affines(graph: &Graph, layers: Option<&StyleRange>, dims: usize) -> Vec<DMatrix<f64>> {
    let Some(&ws) = graph.inputs().iter().find(|v| graph.info(**v).name == "ws") else { return vec![] };
    // Follow ws through ops that slice and reshape it, and remember the layer of each slice.
    let mut layer_of: HashMap<Value, Option<usize>> = HashMap::from([(ws, None)]);
    let mut seen: HashSet<Value> = HashSet::new();
    let mut found = Vec::new();
    for node in graph.nodes() {
        let Some(&layer) = node.inputs.first().copied().flatten().and_then(|v| layer_of.get(&v)) else {
            continue;
        };
        match node.op.as_str() {
            "Slice" | "Gather" => {
                let picked = layer.or_else(|| first_index(graph, node));
                layer_of.extend(node.outputs.iter().map(|&o| (o, picked)));
            }
            "Split" => layer_of.extend(node.outputs.iter().enumerate().map(|(i, &o)| (o, Some(i)))),
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                layer_of.extend(node.outputs.iter().map(|&o| (o, layer)));
            }
            "MatMul" | "Gemm" => {
                let wanted = layers.is_none_or(|l| layer.is_none_or(|i| l.0.contains(&i)));
                let weight = node.inputs.get(1).copied().flatten().filter(|&w| wanted && seen.insert(w));
                let tensor = weight.and_then(|w| graph.constant(w)).filter(|t| t.shape().len() == 2);
                let Some((shape, values)) = tensor.and_then(|t| Some((t.shape(), t.as_f32()?))) else {
                    continue;
                };
                let matrix =
                    DMatrix::from_row_iterator(shape[0], shape[1], values.iter().map(|&v| f64::from(v)));
                let transposed = node.op == "Gemm" && node.attrs.get_int("transB", 0) != 0;
                let affine = if transposed { matrix } else { matrix.transpose() };
                if affine.ncols() == dims {
                    found.push(affine);
                }
            }
            _ => {}
        }
    }
    found
}

/// The first index that a Slice or Gather selects.
fn first_index(graph: &Graph, node: &Node) -> Option<usize> {
    let index = graph.constant(node.inputs.get(1).copied().flatten()?)?;
    index.to_f64().first().map(|&i| i as usize)
}
