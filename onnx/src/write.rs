//! Writes a [`Graph`] as `.onnx` at opset 18, with the weights inline or, above a size, in a file beside it.

use crate::graph::{Attr, Graph, Value};
use crate::proto::{self, attribute_type};
use crate::{DType, Data, Error, OPSET, Result, Tensor};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// IR version 9 supports opsets up to 20.
const IR_VERSION: i64 = 9;

/// protobuf refuses messages of 2 GiB and more.
const PROTOBUF_LIMIT: usize = 1 << 31;

/// How to write a graph.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions {
    /// The weights are written to a separate file beside the model if they take more bytes than this in
    /// total.
    pub external_above: usize,
    /// Stores f32 weights of more than 256 elements as f16, each followed by a `Cast`. This halves the size.
    pub half: bool,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions { external_above: PROTOBUF_LIMIT - (64 << 20), half: false }
    }
}

/// Encodes the graph as an `.onnx` file with all weights inline.
///
/// # Errors
/// [`Error::Limits`] if it takes 2 GiB or more.
pub fn to_bytes(graph: &Graph) -> Result<Vec<u8>> {
    encoded(&model(graph, false))
}

/// As [`to_bytes`], but with dynamic shapes: input dimensions are unspecified, and a zero computed from an
/// input's shape is added to every constant Reshape target.
///
/// If two values have the same shape, ONNX Runtime's memory planner gives the later one the buffer of the
/// earlier and holds the buffer in between. In a graph with a forward and a backward pass over the same
/// shapes, nearly every large buffer of the forward pass is then held until the backward pass, and no option
/// of the C API prevents it. The planner does not reuse a buffer for an unknown shape.
///
/// # Errors
/// As [`to_bytes`].
pub fn to_open_bytes(graph: &Graph) -> Result<Vec<u8>> {
    let mut model = model(graph, false);
    let sized = graph.inputs.iter().find(|&&v| !graph.info(v).shape.is_empty());
    if let (Some(&sized), Some(proto)) = (sized, &mut model.graph) {
        open(proto, &graph.info(sized).name);
    }
    encoded(&model)
}

fn open(graph: &mut proto::Graph, sized: &str) {
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
/// gradient that arrives at a node, is therefore computed first, and a forward value is recomputed only once
/// its gradient is ready.
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

fn encoded(model: &proto::Model) -> Result<Vec<u8>> {
    if model.encoded_len() >= PROTOBUF_LIMIT {
        return Err(Error::Limits("the graph takes more than 2 GiB; write it to a file instead".into()));
    }
    Ok(model.encode_to_vec())
}

/// Writes the graph to `path`, and the weights to `path` + `.data` if they exceed
/// [`WriteOptions::external_above`]. Each file is written atomically.
///
/// # Errors
/// [`Error::Io`] if a file cannot be written.
pub fn to_file(graph: &Graph, path: &Path, options: &WriteOptions) -> Result<()> {
    let mut model = model(graph, options.half);
    let tensors = model.graph.as_mut().map(|g| &mut g.initializer);
    let size = |t: &proto::Tensor| t.raw_data.as_ref().map_or(0, Bytes::len);
    let total: usize = tensors.iter().flat_map(|t| t.iter()).map(size).sum();
    if total > options.external_above {
        let name = path.file_name().map_or_else(Default::default, |n| n.to_string_lossy().into_owned());
        let location = format!("{name}.data");
        let mut data = Vec::new();
        let mut offset = 0;
        for tensor in tensors.into_iter().flatten() {
            let Some(raw) = tensor.raw_data.take() else { continue };
            let entry = |k: &str, v: String| proto::Entry { key: Some(k.into()), value: Some(v) };
            tensor.data_location = Some(1);
            tensor.external_data = vec![
                entry("location", location.clone()),
                entry("offset", offset.to_string()),
                entry("length", raw.len().to_string()),
            ];
            offset += raw.len();
            data.push(raw);
        }
        write_whole(&path.with_file_name(location), |file| {
            data.iter().try_for_each(|raw| file.write_all(raw))
        })?;
    }
    write_whole(path, |file| write_model(file, model))
}

/// Writes the same bytes as prost would encode, but one weight at a time, so that the weights are never all
/// in memory twice.
fn write_model(file: &mut dyn Write, model: proto::Model) -> std::io::Result<()> {
    /// Field keys, of wire type "length-delimited", of the graph and of each weight.
    const GRAPH: u8 = 7 << 3 | 2;
    const INITIALIZER: u8 = 5 << 3 | 2;
    let length = |n: usize| {
        let mut varint = Vec::new();
        prost::encode_length_delimiter(n, &mut varint).map(|()| varint).map_err(std::io::Error::other)
    };
    let proto::Model { ir_version, producer_name, graph, opset_import } = model;
    let proto::Graph { node, name, initializer, input, output } = graph.unwrap_or_default();
    let before = proto::Graph { node, name, ..Default::default() }.encode_to_vec();
    let after = proto::Graph { input, output, ..Default::default() }.encode_to_vec();
    let weight = |t: &proto::Tensor| {
        let size = t.encoded_len();
        1 + prost::length_delimiter_len(size) + size
    };
    let total = before.len() + initializer.iter().map(weight).sum::<usize>() + after.len();
    file.write_all(&proto::Model { ir_version, producer_name, ..Default::default() }.encode_to_vec())?;
    file.write_all(&[GRAPH])?;
    file.write_all(&length(total)?)?;
    file.write_all(&before)?;
    for tensor in &initializer {
        file.write_all(&[INITIALIZER])?;
        file.write_all(&tensor.encode_length_delimited_to_vec())?;
    }
    file.write_all(&after)?;
    file.write_all(&proto::Model { opset_import, ..Default::default() }.encode_to_vec())
}

/// Writes to a temporary file in the same folder, then renames it.
fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let io = |source| Error::Io { path: path.into(), doing: "writing", source };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = std::fs::File::create(temporary)
        .and_then(|mut file| write(&mut file).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(temporary, path));
    if written.is_err() {
        std::fs::remove_file(temporary).ok();
    }
    written.map_err(io)
}

fn model(graph: &Graph, half: bool) -> proto::Model {
    let names = names(graph);
    let name = |v: Value| names.get(&v).cloned().unwrap_or_default();

    let mut nodes = Vec::new();
    let mut initializer = Vec::new();
    for (&v, tensor) in &graph.constants {
        let name = name(v);
        if half && tensor.dtype() == DType::F32 && tensor.len() > 256 {
            let stored = format!("{name}.f16");
            initializer.push(tensor_proto(&stored, &tensor.cast(DType::F16)));
            let to = attribute("to", &Attr::Int(onnx_type(DType::F32)));
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
fn names(graph: &Graph) -> HashMap<Value, String> {
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

fn node(
    op: &str,
    name: &str,
    input: Vec<String>,
    output: Vec<String>,
    attribute: Vec<proto::Attribute>,
) -> proto::Node {
    let name = (!name.is_empty()).then(|| name.to_string());
    proto::Node { input, output, name, op_type: Some(op.into()), attribute, domain: None }
}

fn attribute(name: &str, attr: &Attr) -> proto::Attribute {
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
        Attr::Tensor(v) => {
            a.t = Some(tensor_proto("", v));
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
        Data::Bool(v) => raw(v),
    };
    proto::Tensor {
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: Some(onnx_type(tensor.dtype()) as i32),
        name: (!name.is_empty()).then(|| name.into()),
        raw_data: Some(raw),
        ..Default::default()
    }
}

fn value_info(name: &str, graph: &Graph, v: Value) -> proto::ValueInfo {
    let info = graph.info(v);
    let dim = |&d: &usize| proto::Dimension { dim_value: Some(d as i64), dim_param: None };
    let shape = proto::Shape { dim: info.shape.iter().map(dim).collect() };
    let tensor_type = proto::TensorType { elem_type: Some(onnx_type(info.dtype) as i32), shape: Some(shape) };
    proto::ValueInfo { name: Some(name.into()), r#type: Some(proto::Type { tensor_type: Some(tensor_type) }) }
}

/// The ONNX code of an element type.
pub(crate) fn onnx_type(dtype: DType) -> i64 {
    match dtype {
        DType::F32 => 1,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
    }
}

/// The element type of an ONNX code.
pub(crate) fn dtype_of(onnx: i64) -> Option<DType> {
    [DType::F32, DType::I32, DType::I64, DType::Bool, DType::F16, DType::F64]
        .into_iter()
        .find(|&d| onnx_type(d) == onnx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn an_open_file_says_no_sizes_and_orders_nodes_by_depth() {
        let b = Builder::new();
        let x = b.input("x", &[2, 3]);
        let root = x.sqrt();
        b.output("early", x.exp());
        let deep = root.reshape(&[3, 2]).exp().exp().reshape(&[2, 3]);
        b.output("y", deep * x.relu());
        let model = proto::Model::decode(&to_open_bytes(&b.finish().unwrap()).unwrap()[..]).unwrap();
        let graph = model.graph.unwrap();
        let shape = graph.input[0].r#type.as_ref().unwrap().tensor_type.as_ref().unwrap().shape.as_ref();
        assert_eq!(shape.unwrap().dim.iter().map(|d| d.dim_value).collect::<Vec<_>>(), [None, None]);
        let ops: Vec<_> = graph.node.iter().filter_map(|n| n.op_type.as_deref()).collect();
        let expected = "Shape Sqrt Relu Sub Add Add Reshape Exp Exp Reshape Exp Mul";
        assert_eq!(ops.join(" "), expected);
        let constants: Vec<_> = graph.initializer.iter().map(|t| &t.name).collect();
        let target = |n: &&proto::Node| constants.contains(&&Some(n.input[1].clone()));
        assert!(!graph.node.iter().filter(|n| n.op_type.as_deref() == Some("Reshape")).any(|n| target(&n)));
    }
}
