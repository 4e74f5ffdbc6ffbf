//! Dynamic shapes: hides the sizes of a graph from ONNX Runtime's memory planner. See [`super::to_bytes_dynamic`].

use super::encode::{attribute, node};
use crate::graph::Attr;
use crate::proto;
use std::collections::{HashMap, HashSet};

/// Leaves the input dimensions unspecified and adds a computed zero to every constant Reshape target. `sized` is
/// an input with at least one axis, from whose shape the zero is computed.
pub(super) fn make_shapes_dynamic(graph: &mut proto::Graph, sized: &str) {
    let shapes =
        graph.input.iter_mut().filter_map(|i| i.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut());
    shapes.flat_map(|shape| &mut shape.dim).for_each(|dim| dim.dim_value = None);
    let name = |text: &str| format!("%open {text}");
    let first = ["start", "end"].iter().zip([0, 1]).map(|(k, v)| attribute(k, &Attr::Int(v))).collect();
    let (size, zero) = (name("size"), name("zero"));
    let mut nodes = vec![
        node("Shape", "", vec![sized.into()], vec![size.clone()], first),
        node("Sub", "", vec![size.clone(), size], vec![zero.clone()], vec![]),
    ];
    let constants: HashSet<&str> = graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect();
    let mut opened = HashSet::new();
    for reshape in graph.node.iter_mut().filter(|n| n.op_type.as_deref() == Some("Reshape")) {
        let target = &mut reshape.input[1];
        if constants.contains(target.as_str()) {
            let open = name(target);
            if opened.insert(open.clone()) {
                nodes.push(node("Add", "", vec![target.clone(), zero.clone()], vec![open.clone()], vec![]));
            }
            *target = open;
        }
    }
    nodes.append(&mut graph.node);
    by_depth(&mut nodes);
    graph.node = nodes;
}

/// Orders nodes by depth, the length of the longest path from an input. Nodes that only produce graph outputs
/// remain last.
///
/// ONNX Runtime evaluates a node's latest-listed producer first. The end of the longest chain, such as the
/// gradient that arrives at a node, is therefore computed first, and a forward value is computed only once its
/// gradient is ready.
fn by_depth(nodes: &mut Vec<proto::Node>) {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    let read: HashSet<&str> = nodes.iter().flat_map(|n| &n.input).map(String::as_str).collect();
    let mut keys = Vec::with_capacity(nodes.len());
    for node in nodes.iter() {
        let depth = 1 + node.input.iter().filter_map(|i| depths.get(i.as_str())).max().copied().unwrap_or(0);
        depths.extend(node.output.iter().map(|o| (o.as_str(), depth)));
        let is_read = node.output.iter().any(|o| read.contains(o.as_str()));
        keys.push(if is_read { depth } else { usize::MAX });
    }
    let mut keyed: Vec<_> = keys.into_iter().zip(nodes.drain(..)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    nodes.extend(keyed.into_iter().map(|(_, node)| node));
}
