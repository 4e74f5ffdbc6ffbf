//! Copies a graph into a builder, with replacements for inputs, weights and nodes.

use crate::graph::{Graph, Node, Value};
use crate::{Builder, Error, Expr, Result};
use std::collections::{HashMap, HashSet};

impl Builder {
    /// Copies `graph` into this builder and returns its outputs. `bindings` gives a value to each graph input
    /// and may also replace named constants: this is how a generator's weights become inputs of a training
    /// graph.
    ///
    /// # Errors
    /// [`Error::Input`] if a binding names nothing in `graph`, if an input has no binding, or if a shape or
    /// element type differs.
    pub fn inline<'g>(&'g self, graph: &Graph, bindings: &[(&str, Expr<'_>)]) -> Result<Vec<Expr<'g>>> {
        self.inline_with(graph, bindings, |_, _| None)
    }

    /// As [`Builder::inline`]. Each single-output node for which `lower` returns a replacement is replaced by
    /// it.
    pub(crate) fn inline_with<'g>(
        &'g self,
        graph: &Graph,
        bindings: &[(&str, Expr<'_>)],
        lower: impl Fn(&Node, &[Option<Expr<'g>>]) -> Option<Expr<'g>>,
    ) -> Result<Vec<Expr<'g>>> {
        let bound: HashMap<&str, Value> = bindings.iter().map(|(n, e)| (*n, e.value)).collect();
        let known: HashSet<&str> =
            graph.inputs.iter().chain(graph.constants.keys()).map(|&v| graph.info(v).name.as_str()).collect();
        if let Some((name, _)) = bindings.iter().find(|(name, _)| !known.contains(name)) {
            return Err(Error::Input(format!("the graph has neither an input nor a weight called `{name}`")));
        }
        if let Some((name, _)) = bindings.iter().find(|(_, e)| !std::ptr::eq(e.builder, self)) {
            return Err(Error::Input(format!("the value bound to `{name}` belongs to another builder")));
        }
        self.state.borrow_mut().graph.for_cpu |= graph.for_cpu;
        let mut map: HashMap<Value, Expr<'g>> = HashMap::new();
        for &v in graph.inputs.iter().chain(graph.constants.keys()) {
            let info = graph.info(v);
            let target = match (bound.get(info.name.as_str()), graph.constants.get(&v)) {
                (Some(&to), _) => {
                    let given = self.with_graph(|g| g.info(to).clone());
                    if given.shape != info.shape || given.dtype != info.dtype {
                        return Err(Error::Input(format!(
                            "`{}` is {:?} {:?}, but a value that is {:?} {:?} was bound to it",
                            info.name, info.dtype, info.shape, given.dtype, given.shape
                        )));
                    }
                    to
                }
                (None, Some(tensor)) => self.state.borrow_mut().constant(&info.name, tensor.clone()),
                (None, None) => {
                    return Err(Error::Input(format!("no value was bound to the input `{}`", info.name)));
                }
            };
            map.insert(v, self.expr(target));
        }
        for node in &graph.nodes {
            let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
            let outputs = match lower(node, &inputs) {
                Some(output) => vec![output],
                None => self.op_named(&node.op, &node.name, &inputs, node.attrs.clone(), node.outputs.len()),
            };
            map.extend(node.outputs.iter().copied().zip(outputs));
        }
        Ok(graph.outputs.iter().map(|(_, v)| map[v]).collect())
    }
}
