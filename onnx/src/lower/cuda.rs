//! Rewrites for CUDA.

use super::rewrite::rewrite_nodes;
use crate::graph::Node;
use crate::ops::Geometry;
use crate::{Expr, Graph, Result};

/// Maximum number of tensors that ONNX Runtime's CUDA kernels pass as launch arguments. Longer lists are
/// copied to the device first.
const MAX_LAUNCH_TENSORS: usize = 32;

/// Replaces grouped transposed convolutions with non-overlapping windows, such as an inverse wavelet
/// transform, by a batched matrix product and a change of layout. With many groups of few channels, the
/// algorithm that cuDNN's heuristics select took a quarter of the time of MobileStyleGAN's whole gradient.
///
/// Call this before [`Builder::gradient`](crate::Builder::gradient). Results differ by rounding.
pub fn decompose_grouped(graph: &Graph) -> Result<Graph> {
    rewrite_nodes(graph, replacement)
}

/// Rewrites `graph` so that a run can be captured as a CUDA graph and replayed.
///
/// For a Concat of unequal parts, ONNX Runtime up to 1.28 copies sizes and addresses to the device from host
/// memory that it frees after the capture (its pull request 32121). Such a Concat becomes a sum of
/// zero-padded parts.
pub fn make_capturable(graph: &Graph) -> Result<Graph> {
    rewrite_nodes(graph, |node, inputs| {
        let parts: Vec<_> = inputs.iter().copied().flatten().collect();
        let [first, ..] = parts[..] else { return None };
        if node.op != "Concat" || fits_launch_arguments(&parts.iter().map(|p| p.shape()).collect::<Vec<_>>())
        {
            return None;
        }
        let rank = first.shape().len();
        let axis = usize::try_from(node.attrs.get_int("axis", 0).rem_euclid(rank as i64)).ok()?;
        let total: usize = parts.iter().map(|part| part.dim(axis)).sum();
        let mut at = 0;
        let padded = parts.iter().map(|part| {
            let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
            (before[axis], after[axis]) = (at as i64, (total - at - part.dim(axis)) as i64);
            at += part.dim(axis);
            part.pad(&before, &after)
        });
        padded.reduce(|sum, part| sum + part)
    })
}

/// Whether every node of a [`make_capturable`] graph can be captured. A Split into unequal parts cannot;
/// [`make_capturable`] does not replace it, because this crate emits none.
pub fn is_capturable(graph: &Graph) -> bool {
    graph.nodes().iter().filter(|node| matches!(&node.op[..], "Concat" | "Split")).all(|node| {
        let inputs: Vec<_> = node.inputs.iter().flatten().copied().collect();
        let parts = if node.op == "Concat" { &inputs } else { &node.outputs };
        fits_launch_arguments(&parts.iter().map(|&part| graph.info(part).shape.clone()).collect::<Vec<_>>())
    })
}

fn fits_launch_arguments(shapes: &[Vec<usize>]) -> bool {
    shapes.len() <= MAX_LAUNCH_TENSORS && shapes.windows(2).all(|pair| pair[0] == pair[1])
}

/// The replacement for `node`, if it is a grouped transposed convolution with non-overlapping windows: x
/// `[1,C,H,W]`, w `[C,O/groups,k,l]`, strides (k, l).
fn replacement<'g>(node: &Node, inputs: &[Option<Expr<'g>>]) -> Option<Expr<'g>> {
    let ([Some(x), Some(w)] | [Some(x), Some(w), _]) = *inputs else { return None };
    let [1, channels, height, width] = *x.shape() else { return None };
    let [_, o, k, l] = *w.shape() else { return None };
    let groups = usize::try_from(node.attrs.get_int("group", 1)).ok()?;
    let geometry = Geometry::new(&node.attrs, &[k, l], &[height, width]).ok()?;
    let is_non_overlapping =
        geometry.strides == [k as i64, l as i64] && geometry.pads == [0; 4] && geometry.dilations == [1, 1];
    let no_output_padding =
        node.attrs.get_ints("output_padding").is_none_or(|extra| extra.iter().all(|&v| v == 0));
    (node.op == "ConvTranspose" && groups > 1 && is_non_overlapping && no_output_padding).then(|| {
        // y[g·o, h·k, w·l] = Σ_c w[g·c, o, k, l] · x[g·c, h, w]
        let (c, outputs) = (channels / groups, groups * o);
        let w = w.reshape(&[groups, c, o * k * l]).transpose(&[0, 2, 1]);
        let y = w.matmul(x.reshape(&[groups, c, height * width])).reshape(&[outputs, k, l, height, width]);
        let y = y.transpose(&[0, 3, 1, 4, 2]).reshape(&[1, outputs, height * k, width * l]);
        match inputs.get(2) {
            Some(Some(bias)) => y + bias.reshape(&[1, outputs, 1, 1]),
            _ => y,
        }
    })
}
