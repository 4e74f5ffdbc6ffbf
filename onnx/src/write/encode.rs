//! Converts a [`Graph`] to protobuf messages.

use crate::graph::{Attr, Graph, Value};
use crate::proto::{self, attribute_type};
use crate::{DType, Data, OPSET, Tensor};
use prost::bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// IR version 9 supports opsets up to 20.
const IR_VERSION: i64 = 9;

pub(super) fn model(graph: &Graph, half: bool) -> proto::Model {
    let names = unique_names(graph);
    let name = |v: Value| names.get(&v).cloned().unwrap_or_default();

    let mut nodes = Vec::new();
    let mut initializer = Vec::new();
    for (&v, tensor) in &graph.constants {
        let name = name(v);
        if half && tensor.dtype() == DType::F32 && tensor.len() > 256 {
            let stored = format!("{name}.f16");
            initializer.push(tensor_proto(&stored, &tensor.cast(DType::F16)));
            let to = attribute("to", &Attr::Int(DType::F32.onnx_code()));
            nodes.push(node("Cast", "", vec![stored], vec![name], vec![to]));
        } else {
            initializer.push(tensor_proto(&name, tensor));
        }
    }
    for n in &graph.nodes {
        let inputs = n.inputs.iter().map(|v| v.map_or_else(String::new, name)).collect();
        let outputs = n.outputs.iter().map(|v| name(*v)).collect();
        let attrs = n.attrs.0.iter().map(|(k, a)| attribute(k, a)).collect();
        nodes.push(node(&n.op, &n.name, inputs, outputs, attrs));
    }
    // An output that is an input, a constant, or a value with another output name needs a copy.
    for (to, v) in graph.outputs.iter().filter(|(to, v)| names.get(v) != Some(to)) {
        nodes.push(node("Identity", "", vec![name(*v)], vec![to.clone()], vec![]));
    }
    let input = graph.inputs.iter().map(|&v| value_info(&name(v), graph, v)).collect();
    let output = graph.outputs.iter().map(|(n, v)| value_info(n, graph, *v)).collect();
    proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("gani".into()),
        opset_import: vec![proto::Opset { domain: None, version: Some(OPSET) }],
        graph: Some(proto::Graph { name: Some("gani".into()), node: nodes, initializer, input, output }),
    }
}

/// A unique name for every value. Inputs and outputs keep their names; weights do unless the name is taken.
fn unique_names(graph: &Graph) -> HashMap<Value, String> {
    let mut names: HashMap<Value, String> = HashMap::new();
    let mut taken: HashSet<String> = graph.outputs.iter().map(|(name, _)| name.clone()).collect();
    for &v in &graph.inputs {
        let name = graph.info(v).name.clone();
        taken.insert(name.clone());
        names.insert(v, name);
    }
    let made: HashSet<Value> = graph.nodes.iter().flat_map(|n| n.outputs.iter().copied()).collect();
    for (name, v) in graph.outputs.iter().filter(|(_, v)| made.contains(v)) {
        names.entry(*v).or_insert_with(|| name.clone());
    }
    let constants = graph.constants.keys().copied();
    for v in constants.chain(graph.nodes.iter().flat_map(|n| n.outputs.iter().copied())) {
        let given = &graph.info(v).name;
        let name = if given.is_empty() || taken.contains(given) {
            format!("%{}{given}", v.0)
        } else {
            given.clone()
        };
        names.entry(v).or_insert_with(|| {
            taken.insert(name.clone());
            name
        });
    }
    names
}

pub(super) fn node(
    op: &str,
    name: &str,
    input: Vec<String>,
    output: Vec<String>,
    attribute: Vec<proto::Attribute>,
) -> proto::Node {
    let name = (!name.is_empty()).then(|| name.to_string());
    proto::Node { input, output, name, op_type: Some(op.into()), attribute, domain: None }
}

pub(super) fn attribute(name: &str, attr: &Attr) -> proto::Attribute {
    let mut a = proto::Attribute { name: Some(name.into()), ..Default::default() };
    let kind = match attr {
        Attr::Int(v) => {
            a.i = Some(*v);
            attribute_type::INT
        }
        Attr::Float(v) => {
            a.f = Some(*v);
            attribute_type::FLOAT
        }
        Attr::Str(v) => {
            a.s = Some(Bytes::copy_from_slice(v.as_bytes()));
            attribute_type::STRING
        }
        Attr::Ints(v) => {
            a.ints = v.clone();
            attribute_type::INTS
        }
        Attr::Floats(v) => {
            a.floats = v.clone();
            attribute_type::FLOATS
        }
        Attr::Strs(v) => {
            a.strings = v.iter().map(|s| Bytes::copy_from_slice(s.as_bytes())).collect();
            attribute_type::STRINGS
        }
        Attr::Tensor(v) => {
            a.t = Some(Box::new(tensor_proto("", v)));
            attribute_type::TENSOR
        }
    };
    a.r#type = Some(kind);
    a
}

/// Gives access to a tensor's elements as bytes, without a copy.
struct Raw<T>(Arc<[T]>);

impl<T: bytemuck::NoUninit> AsRef<[u8]> for Raw<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

fn tensor_proto(name: &str, tensor: &Tensor) -> proto::Tensor {
    fn raw<T: bytemuck::NoUninit + Send + Sync>(elements: &Arc<[T]>) -> Bytes {
        Bytes::from_owner(Raw(elements.clone()))
    }
    let raw = match tensor.data() {
        Data::F32(v) => raw(v),
        Data::F16(v) => raw(v),
        Data::F64(v) => raw(v),
        Data::I64(v) => raw(v),
        Data::I32(v) => raw(v),
        Data::U8(v) => raw(v),
        Data::I8(v) => raw(v),
        Data::Bool(v) => raw(v),
    };
    proto::Tensor {
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(tensor.dtype().onnx_code() as i32),
        name: (!name.is_empty()).then(|| name.into()),
        raw_data: Some(raw),
        ..Default::default()
    }
}

fn value_info(name: &str, graph: &Graph, v: Value) -> proto::ValueInfo {
    let info = graph.info(v);
    let dim = |&d: &usize| proto::Dimension { dim_value: Some(d as i64), dim_param: None };
    let shape = proto::Shape { dim: info.shape.iter().map(dim).collect() };
    let tensor_type =
        proto::TensorType { elem_type: Some(info.dtype.onnx_code() as i32), shape: Some(shape) };
    proto::ValueInfo { name: Some(name.into()), r#type: Some(proto::Type { tensor_type: Some(tensor_type) }) }
}
