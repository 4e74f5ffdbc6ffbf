//! The cost of running a graph once, counted from its static shapes: parameters, floating-point operations,
//! and bytes moved.
//!
//! ```
//! use gani_onnx::{Builder, Tensor, cost};
//! let b = Builder::new();
//! let w = b.weight("w", Tensor::f32(&[4, 8], vec![0.5; 32]).unwrap());
//! b.output("y", b.input("x", &[2, 4]).matmul(w));
//! let cost = cost::count(&b.finish()?);
//! assert_eq!((cost.parameters, cost.flops), (32, 2 * 2 * 4 * 8));
//! # Ok::<(), gani_onnx::Error>(())
//! ```

use crate::graph::{Graph, Node, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The cost of running a graph once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Elements of the floating-point weights, not counting scalars and shapes.
    pub parameters: u64,
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// Bytes read and written by the nodes, each node on its own: the memory traffic if nothing is fused or
    /// cached.
    pub bytes: u64,
    /// Peak size of the intermediate results, in bytes, if nodes run in the graph's order and nothing is
    /// computed in place. Does not include inputs, outputs and constants.
    pub activations: u64,
    /// FLOPs and bytes for each op type.
    pub ops: BTreeMap<String, OpCost>,
}

/// The cost of all nodes of one op type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpCost {
    /// Number of nodes.
    pub nodes: u64,
    /// Their floating-point operations.
    pub flops: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Counts the cost of a graph.
pub fn count(graph: &Graph) -> Cost {
    let mut cost = Cost { activations: activations(graph), ..Cost::default() };
    let mut seen = HashSet::new();
    for node in graph.nodes() {
        let (flops, bytes) = (flops(graph, node), bytes(graph, node));
        let op = cost.ops.entry(node.op.clone()).or_default();
        (op.nodes, op.flops, op.bytes) =
            (op.nodes + 1, op.flops.saturating_add(flops), op.bytes.saturating_add(bytes));
        (cost.flops, cost.bytes) = (cost.flops.saturating_add(flops), cost.bytes.saturating_add(bytes));
        for &value in node.inputs.iter().flatten().filter(|v| seen.insert(**v)) {
            let weight = graph.constant(value).filter(|t| t.dtype().is_float() && t.len() > 1);
            cost.parameters += weight.map_or(0, |t| t.len() as u64);
        }
    }
    cost
}

/// The peak performance of a machine.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Machine {
    /// Floating-point operations per second.
    pub flops: f64,
    /// Memory bandwidth in bytes per second.
    pub bytes: f64,
    /// Launch overhead of a node in seconds.
    pub launch_overhead: f64,
}

/// Estimated run time in seconds by the roofline model: a node takes the longer of its compute time and its
/// memory time, plus the launch overhead. Views are free.
pub fn seconds(graph: &Graph, machine: &Machine) -> f64 {
    let node = |node: &Node| {
        let (flops, bytes) = (flops(graph, node) as f64, bytes(graph, node) as f64);
        machine.launch_overhead + (flops / machine.flops).max(bytes / machine.bytes)
    };
    graph.nodes().iter().filter(|n| !is_view(n)).map(node).sum()
}

/// See [`Cost::activations`].
fn activations(graph: &Graph) -> u64 {
    // A view shares the buffer of its argument.
    let mut owner: HashMap<Value, Value> = HashMap::new();
    let owner_of = |owner: &HashMap<Value, Value>, v: Value| owner.get(&v).copied().unwrap_or(v);
    let mut last_use: HashMap<Value, usize> = HashMap::new();
    for (at, node) in graph.nodes().iter().enumerate() {
        for &input in node.inputs.iter().flatten() {
            last_use.insert(owner_of(&owner, input), at);
        }
        if let (true, [Some(input), ..], [output]) = (is_view(node), &node.inputs[..], &node.outputs[..]) {
            owner.insert(*output, owner_of(&owner, *input));
        }
    }
    let kept: HashSet<Value> = graph.outputs().iter().map(|(_, v)| owner_of(&owner, *v)).collect();
    let (mut alive, mut now, mut most) = (HashMap::new(), 0u64, 0u64);
    for (at, node) in graph.nodes().iter().enumerate() {
        if !is_view(node) {
            for &output in node.outputs.iter().filter(|v| !kept.contains(v)) {
                let bytes = elements(graph, output).saturating_mul(graph.info(output).dtype.bytes() as u64);
                alive.insert(output, bytes);
                now = now.saturating_add(bytes);
            }
            most = most.max(now);
        }
        let used = node.inputs.iter().flatten().chain(&node.outputs).map(|v| owner_of(&owner, *v));
        for value in used.filter(|v| last_use.get(v).is_none_or(|&last| last <= at)) {
            now = now.saturating_sub(alive.remove(&value).unwrap_or(0));
        }
    }
    most
}

/// Number of elements of a value; saturates.
fn elements(graph: &Graph, value: Value) -> u64 {
    graph.info(value).shape.iter().fold(1, |n: u64, &d| n.saturating_mul(d as u64))
}

/// Floating-point operations of a node.
pub(crate) fn flops(graph: &Graph, node: &Node) -> u64 {
    let shape = |v: Option<Value>| v.map_or(&[][..], |v| &graph.info(v).shape);
    let input = |i: usize| node.inputs.get(i).copied().flatten();
    let count = |v: Option<Value>| v.map_or(0, |v| elements(graph, v));
    let out = count(node.outputs.first().copied());
    let product = |dims: &[usize]| dims.iter().fold(1, |n: u64, &d| n.saturating_mul(d as u64));
    // The bias is added once to each output element.
    let bias = if input(2).is_some() { out } else { 0 };
    match node.op.as_str() {
        // out[n, o, y] = Σ over [i, ky, kx] of the weight's row o
        "Conv" => {
            out.saturating_mul(2 * product(shape(input(1)).get(1..).unwrap_or_default())).saturating_add(bias)
        }
        // in[n, i, y] is multiplied by [o, ky, kx] of the weight's row i
        "ConvTranspose" => {
            let taps = product(shape(input(1)).get(1..).unwrap_or_default());
            count(input(0)).saturating_mul(2 * taps).saturating_add(bias)
        }
        "MatMul" => out.saturating_mul(2 * shape(input(0)).last().map_or(1, |&k| k as u64)),
        "Gemm" => {
            let axis = usize::from(node.attrs.get_int("transA", 0) == 0);
            out.saturating_mul(2 * shape(input(0)).get(axis).map_or(1, |&k| k as u64)).saturating_add(bias)
        }
        "MaxPool" | "AveragePool" => {
            let window = node.attrs.get_ints("kernel_shape").unwrap_or_default();
            window.iter().fold(out, |n, &k| n.saturating_mul(k.unsigned_abs()))
        }
        // Each element is read once.
        op if op.starts_with("Reduce") || op.starts_with("Global") || op.starts_with("Arg") => {
            count(input(0))
        }
        // Passes for the mean, the variance, and the normalized result.
        "BatchNormalization" => 2 * out,
        "InstanceNormalization" | "LayerNormalization" | "Softmax" | "LogSoftmax" => 5 * out,
        // Two neighbors on each axis.
        "Resize" if node.attrs.get_str("mode", "nearest") == "linear" => 6 * out,
        op if MOVES.contains(&op) => 0,
        _ => out,
    }
}

/// Ops that only move or rename data.
const MOVES: [&str; 22] = [
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherElements",
    "GatherND",
    "Identity",
    "Pad",
    "Reshape",
    "Resize",
    "Shape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// The ops among these whose result is the argument under another shape: no data moves.
const VIEWS: [&str; 5] = ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

fn is_view(node: &Node) -> bool {
    VIEWS.contains(&node.op.as_str())
}

fn bytes(graph: &Graph, node: &Node) -> u64 {
    if is_view(node) {
        return 0;
    }
    let all = node.inputs.iter().flatten().chain(&node.outputs);
    all.fold(0, |n, &v| {
        n.saturating_add(elements(graph, v).saturating_mul(graph.info(v).dtype.bytes() as u64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, Builder, Tensor};

    fn weight<'g>(b: &'g Builder, name: &str, shape: &[usize]) -> crate::Expr<'g> {
        b.weight(name, Tensor::f32(shape, vec![0.5; shape.iter().product()]).unwrap())
    }

    #[test]
    fn convolutions_and_products_are_counted_as_their_sums() {
        let b = Builder::new();
        let x = b.input("x", &[1, 4, 10, 10]);
        // [1,4,10,10] → [1,6,8,8]: 6·8·8 sums of 4·3·3 products, plus a bias.
        let (w, bias) = (weight(&b, "w", &[6, 4, 3, 3]), weight(&b, "b", &[6]));
        let y = b.op("Conv", &[Some(x), Some(w), Some(bias)], Attrs::new())[0];
        // Depthwise: 6·6·6 sums of 3·3.
        let d = weight(&b, "d", &[6, 1, 3, 3]);
        let z = b.op("Conv", &[Some(y), Some(d), None], Attrs::new().int("group", 6))[0];
        // Each of the 6·6·6 elements contributes to 2·2·2 outputs.
        let t = weight(&b, "t", &[6, 2, 2, 2]);
        let up = Attrs::new().ints("strides", &[2, 2]);
        let y = b.op("ConvTranspose", &[Some(z), Some(t), None], up)[0];
        b.output("y", y.relu());
        let cost = count(&b.finish().unwrap());
        let conv = 6 * 64 * (2 * 36 + 1) + 216 * 18;
        let transposed = 216 * 2 * 8;
        assert_eq!(cost.ops["Conv"].flops, conv);
        assert_eq!(cost.ops["ConvTranspose"].flops, transposed);
        assert_eq!(cost.ops["Relu"], OpCost { nodes: 1, flops: 2 * 144, bytes: 2 * 4 * 2 * 144 });
        assert_eq!(cost.flops, conv + transposed + 2 * 144);
        assert_eq!(cost.parameters, 216 + 6 + 54 + 48);
        let moved = (400 + 216 + 6 + 384) + (384 + 54 + 216) + (216 + 48 + 288) + 2 * 288;
        assert_eq!(cost.bytes, 4 * moved);
    }

    #[test]
    fn memory_is_what_is_needed_at_one_time() {
        let b = Builder::new();
        let x = b.input("x", &[100]);
        // The relu lives until the product, through the view. Its square root is freed after the reshape.
        let a = x.relu();
        let view = a.reshape(&[10, 10]);
        let root = a.sqrt();
        let c = root.reshape(&[10, 10]) * view;
        b.output("y", c.sum(&[0], false));
        let graph = b.finish().unwrap();
        assert_eq!(count(&graph).activations, 3 * 400);
        let b = Builder::new();
        let chain = b.input("x", &[100]).relu().sqrt().exp().abs();
        b.output("y", chain);
        assert_eq!(count(&b.finish().unwrap()).activations, 2 * 400);
    }

    #[test]
    fn time_is_that_of_operations_or_of_bytes() {
        let b = Builder::new();
        b.output("y", b.input("x", &[8, 8]).matmul(b.input("w", &[8, 8])));
        let graph = b.finish().unwrap();
        let (flops, bytes) = (2.0 * 8.0 * 64.0, 3.0 * 4.0 * 64.0);
        let at = |flops, bytes| seconds(&graph, &Machine { flops, bytes, launch_overhead: 0.5 });
        assert_eq!(at(1.0, 1e9), 0.5 + flops);
        assert_eq!(at(1e9, 1.0), 0.5 + bytes);
    }

    #[test]
    fn a_weight_that_is_used_twice_counts_once_and_views_move_nothing() {
        let b = Builder::new();
        let x = b.input("x", &[3, 4]);
        let w = weight(&b, "w", &[4, 4]);
        let y = x.matmul(w).matmul(w);
        b.output("y", y.reshape(&[12]));
        let cost = count(&b.finish().unwrap());
        assert_eq!((cost.parameters, cost.flops), (16, 2 * 2 * 3 * 4 * 4));
        assert_eq!(cost.ops["Reshape"].bytes, 0);
    }
}
