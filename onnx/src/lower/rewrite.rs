//! Copies a graph with replacements for some of its nodes.

use crate::graph::Node;
use crate::{Builder, Expr, Graph, Result};

/// Copies `graph`. Each single-output node for which `lower` returns a replacement is replaced by it. Inputs,
/// outputs and weights keep their names.
pub(super) fn rewrite_nodes(
    graph: &Graph,
    lower: impl for<'g> Fn(&Node, &[Option<Expr<'g>>]) -> Option<Expr<'g>>,
) -> Result<Graph> {
    let b = Builder::new();
    let infos = graph.inputs().iter().map(|&v| graph.info(v));
    let inputs: Vec<_> =
        infos.map(|i| (i.name.as_str(), b.typed_input(&i.name, &i.shape, i.dtype))).collect();
    let outputs = b.inline_with(graph, &inputs, lower)?;
    for ((name, _), value) in graph.outputs().iter().zip(outputs) {
        b.output(name, value);
    }
    b.finish()
}
