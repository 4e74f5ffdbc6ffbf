//! Writes a [`Graph`] as `.onnx` at opset 18, with the weights inline or, above a size, in a file beside it.

mod dynamic;
mod encode;

use crate::graph::Graph;
use crate::{Error, Result, proto};
use prost::Message;
use prost::bytes::Bytes;
use std::io::Write;
use std::path::Path;

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
    serialize(&encode::model(graph, false))
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
pub fn to_bytes_dynamic(graph: &Graph) -> Result<Vec<u8>> {
    let mut model = encode::model(graph, false);
    let sized = graph.inputs.iter().find(|&&v| !graph.info(v).shape.is_empty());
    if let (Some(&sized), Some(proto)) = (sized, &mut model.graph) {
        dynamic::make_shapes_dynamic(proto, &graph.info(sized).name);
    }
    serialize(&model)
}

fn serialize(model: &proto::Model) -> Result<Vec<u8>> {
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
    let mut model = encode::model(graph, options.half);
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
        write_atomically(&path.with_file_name(location), |file| {
            data.iter().try_for_each(|raw| file.write_all(raw))
        })?;
    }
    write_atomically(path, |file| write_model(file, model))
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
fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Builder;

    #[test]
    fn a_dynamic_file_has_no_sizes_and_orders_nodes_by_depth() {
        let b = Builder::new();
        let x = b.input("x", &[2, 3]);
        let root = x.sqrt();
        b.output("early", x.exp());
        let deep = root.reshape(&[3, 2]).exp().exp().reshape(&[2, 3]);
        b.output("y", deep * x.relu());
        let model = proto::Model::decode(&to_bytes_dynamic(&b.finish().unwrap()).unwrap()[..]).unwrap();
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
