//! What a network holds: inputs, outputs, weights, and what running it costs.

use super::Tensor;
use crate::Result;
use crate::bundle::Bundle;
use crate::report::graphs;
use crate::runtime::Device;
use crate::settings::Preset;
use gani_onnx::{DType, Graph, cost};
use serde::Serialize;
use std::collections::BTreeMap;

/// A network.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// What a bundle has it for: `generator`, `loss gradient`; empty for a file of its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The file; empty for a network of a bundle.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Inputs in order.
    pub inputs: Vec<TensorInfo>,
    /// Outputs in order.
    pub outputs: Vec<TensorInfo>,
    /// Nodes after constants are folded and equal nodes merged.
    pub nodes: usize,
    /// How many of each op.
    pub ops: BTreeMap<String, usize>,
    /// Named constants of more than one element; none for a network of a bundle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Tensor>,
    /// Elements of the floating-point weights.
    pub parameters: u64,
    /// What running it once costs, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// An input or output. Sizes that the file leaves open are 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its type.
    pub dtype: String,
}

/// What running a network once costs; [`gani_onnx::cost`] says how it is counted.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Floating-point operations; a multiplication with its addition is two.
    pub flops: u64,
    /// Bytes read and written, node by node, where nothing is fused.
    pub bytes: u64,
    /// Bytes of intermediate results that are needed at one time, at the worst.
    pub activations: u64,
    /// FLOPs and bytes by op, the dearest first.
    pub ops: Vec<OpShare>,
}

/// The share of one op.
#[derive(Clone, Debug, Serialize)]
pub struct OpShare {
    /// The op.
    pub op: String,
    /// How many nodes.
    pub nodes: u64,
    /// Their floating-point operations.
    pub flops: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Network {
    /// Describes the network of a file.
    pub(super) fn new(role: &str, file: String, bytes: u64, graph: &Graph, cost: bool) -> Network {
        let counted = cost::count(graph);
        let port = |name: &str, value| {
            let info = graph.info(value);
            TensorInfo { name: name.into(), shape: info.shape.clone(), dtype: dtype(info.dtype).into() }
        };
        let mut ops = BTreeMap::new();
        for node in graph.nodes() {
            *ops.entry(node.op.clone()).or_default() += 1;
        }
        let weights = graph.named_constants().filter(|(_, t)| t.len() > 1).map(|(name, t)| Tensor {
            name: name.into(),
            shape: t.shape().to_vec(),
            dtype: dtype(t.dtype()).into(),
        });
        Network {
            role: role.into(),
            file,
            bytes: Some(bytes),
            inputs: graph.inputs().iter().map(|&v| port(&graph.info(v).name, v)).collect(),
            outputs: graph.outputs().iter().map(|(name, v)| port(name, *v)).collect(),
            nodes: graph.nodes().len(),
            ops,
            weights: weights.collect(),
            parameters: counted.parameters,
            cost: cost.then(|| Cost::from(counted)),
        }
    }
}

impl From<cost::Cost> for Cost {
    fn from(counted: cost::Cost) -> Cost {
        let share =
            |(op, c): (String, cost::OpCost)| OpShare { op, nodes: c.nodes, flops: c.flops, bytes: c.bytes };
        let mut ops: Vec<_> = counted.ops.into_iter().map(share).collect();
        ops.sort_by_key(|o| std::cmp::Reverse((o.flops, o.bytes)));
        Cost { flops: counted.flops, bytes: counted.bytes, activations: counted.activations, ops }
    }
}

/// The graphs of a bundle with their costs, those of [`graphs::of_bundle`] and then the loss networks by themselves, which see
/// images of [`Bundle::loss_size`].
pub(super) fn of_bundle(bundle: &Bundle) -> Result<Vec<Network>> {
    let mut graphs = graphs::of_bundle(bundle, Preset::Best, Device::Cpu)?;
    let losses = bundle.losses(bundle.loss_resolution())?;
    graphs.extend(losses.into_iter().map(|loss| (format!("loss {}", loss.name), loss.graph)));
    let described = |(role, graph): (String, Graph)| {
        let network = Network::new(&role, String::new(), 0, &graph, true);
        Network { bytes: None, weights: vec![], ..network }
    };
    Ok(graphs.into_iter().map(described).collect())
}

fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::F16 => "f16",
        DType::F64 => "f64",
        DType::I64 => "i64",
        DType::I32 => "i32",
        DType::Bool => "bool",
    }
}
