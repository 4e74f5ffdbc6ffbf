//! Describes a network: inputs, outputs, weights, cost of a run.

use super::Tensor;
use crate::Result;
use crate::bundle::Bundle;
use crate::report::graphs::bundle_graphs;
use crate::runtime::Device;
use crate::settings::Preset;
use gani_onnx::{DType, Graph, cost};
use serde::Serialize;
use std::collections::BTreeMap;

/// A network.
#[derive(Clone, Debug, Serialize)]
pub struct Network {
    /// Role in the bundle: `generator`, `loss gradient`; empty for a file that is not part of a bundle.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Path of the file; empty for a network of a bundle.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// Size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Inputs in order.
    pub inputs: Vec<TensorInfo>,
    /// Outputs in order.
    pub outputs: Vec<TensorInfo>,
    /// Number of nodes after constant folding and merging of equal nodes.
    pub nodes: usize,
    /// Number of nodes of each op.
    pub ops: BTreeMap<String, usize>,
    /// Named constants of more than one element; empty for a network of a bundle.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Tensor>,
    /// Number of elements of all floating-point weights.
    pub parameters: u64,
    /// Cost of one run, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// An input or output. Sizes that the file leaves open are 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorInfo {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: String,
}

/// Cost of one run of a network, as counted by [`gani_onnx::cost`].
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Floating-point operations. A multiply-add counts as two.
    pub flops: u64,
    /// Bytes that the nodes read and write, without fusion.
    pub bytes: u64,
    /// Peak size of the intermediate results that are needed at the same time, in bytes.
    pub activations: u64,
    /// FLOPs and bytes by op, the most expensive first.
    pub ops: Vec<OpShare>,
}

/// The share of one op.
#[derive(Clone, Debug, Serialize)]
pub struct OpShare {
    /// Name of the op.
    pub op: String,
    /// Number of nodes.
    pub nodes: u64,
    /// Floating-point operations of these nodes.
    pub flops: u64,
    /// Bytes that these nodes read and write.
    pub bytes: u64,
}

impl Network {
    /// Describes the network of a file.
    pub(super) fn new(role: &str, file: String, bytes: u64, graph: &Graph, cost: bool) -> Network {
        let counted = cost::count(graph);
        let tensor = |name: &str, value| {
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
            inputs: graph.inputs().iter().map(|&v| tensor(&graph.info(v).name, v)).collect(),
            outputs: graph.outputs().iter().map(|(name, v)| tensor(name, *v)).collect(),
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

/// The graphs of a bundle with their costs: [`bundle_graphs`], then each loss network for images of [`Bundle::loss_resolution`].
pub(super) fn bundle_networks(bundle: &Bundle) -> Result<Vec<Network>> {
    let mut graphs = bundle_graphs(bundle, Preset::Best, Device::Cpu)?;
    let losses = bundle.losses(bundle.loss_resolution())?;
    graphs.extend(losses.into_iter().map(|loss| (format!("loss {}", loss.name), loss.graph)));
    let describe = |(role, graph): (String, Graph)| {
        let network = Network::new(&role, String::new(), 0, &graph, true);
        Network { bytes: None, weights: vec![], ..network }
    };
    Ok(graphs.into_iter().map(describe).collect())
}

fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::F16 => "f16",
        DType::F64 => "f64",
        DType::I64 => "i64",
        DType::I32 => "i32",
        DType::U8 => "u8",
        DType::I8 => "i8",
        DType::Bool => "bool",
    }
}
