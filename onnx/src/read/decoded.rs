//! The memory that decoding a model takes, counted before it is decoded.
//!
//! Decoding can take a hundred times the size of a file: a node is 2 bytes in the file if it is empty, and a struct of 150 bytes in
//! memory. The count walks the messages without decoding them, and skips what takes no more memory than the file.

use crate::proto;
use crate::{Error, Result};
use prost::bytes::Bytes;
use std::mem::size_of;

/// Memory that decoding may take beyond [`PER_BYTE`] times the file. A million small nodes take 200 MB.
pub(super) const MAX_DECODED: usize = 256 << 20;

/// Memory for each byte of the file. Packed numbers take up to 8 bytes for one in the file, but large files consist of raw data.
pub(super) const PER_BYTE: usize = 4;

/// Open messages, more than prost decodes.
const MAX_DEPTH: usize = 128;

/// Refuses a model that takes too much memory when decoded.
pub(super) fn check(name: &str, model: &[u8]) -> Result<()> {
    let (size, limit) = (decoded_size(model), MAX_DECODED + PER_BYTE.saturating_mul(model.len()));
    if size > limit {
        return Err(Error::Limits(format!(
            "{name}: {} bytes that take {} MB when decoded; at most {} MB are supported: too many empty nodes, attributes or \
             values for a network",
            model.len(),
            size >> 20,
            limit >> 20
        )));
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Message {
    Model,
    Opset,
    Graph,
    Node,
    Attribute,
    Tensor,
    Entry,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
}

enum Field {
    /// A message, and the bytes of its struct unless it is part of another one.
    Message(Message, usize),
    /// Text or bytes, and the bytes of the struct.
    Text(usize),
    /// Bytes that are not copied.
    Shared(usize),
    /// A list of integers of variable length, and the bytes of each in memory.
    Integers(usize),
    /// A list of numbers that take as much memory as in the file.
    Numbers,
    /// A single number, or a field that is skipped.
    Other,
}

impl Message {
    /// The field with this number, as in `proto.rs`.
    fn field(self, number: u64) -> Field {
        use Message as M;
        let text = Field::Text(size_of::<String>());
        let own = Field::Text(0);
        match (self, number) {
            (M::Model, 7) => Field::Message(M::Graph, 0),
            (M::Model, 8) => Field::Message(M::Opset, size_of::<proto::Opset>()),
            (M::Graph, 1) => Field::Message(M::Node, size_of::<proto::Node>()),
            (M::Graph, 5) => Field::Message(M::Tensor, size_of::<proto::Tensor>()),
            (M::Graph, 11 | 12) => Field::Message(M::ValueInfo, size_of::<proto::ValueInfo>()),
            (M::Node, 1 | 2) => text,
            (M::Node, 5) => Field::Message(M::Attribute, size_of::<proto::Attribute>()),
            (M::Attribute, 5) => Field::Message(M::Tensor, size_of::<proto::Tensor>()),
            (M::Attribute, 6) => Field::Message(M::Graph, size_of::<proto::Graph>()),
            (M::Attribute, 7) => Field::Numbers,
            (M::Attribute, 8) => Field::Integers(size_of::<i64>()),
            (M::Attribute, 4) | (M::Tensor, 9) => Field::Shared(0),
            (M::Attribute, 9) => Field::Shared(size_of::<Bytes>()),
            (M::Tensor, 1 | 7) => Field::Integers(size_of::<i64>()),
            (M::Tensor, 5) => Field::Integers(size_of::<i32>()),
            (M::Tensor, 4 | 10) => Field::Numbers,
            (M::Tensor, 13) => Field::Message(M::Entry, size_of::<proto::Entry>()),
            (M::ValueInfo, 2) => Field::Message(M::Type, 0),
            (M::Type, 1) => Field::Message(M::TensorType, 0),
            (M::TensorType, 2) => Field::Message(M::Shape, 0),
            (M::Shape, 1) => Field::Message(M::Dimension, size_of::<proto::Dimension>()),
            (M::Model | M::Graph, 2)
            | (M::Opset | M::Attribute | M::Entry | M::ValueInfo, 1)
            | (M::Node, 3 | 4 | 7)
            | (M::Tensor, 8)
            | (M::Entry | M::Dimension, 2) => own,
            _ => Field::Other,
        }
    }
}

/// At least the bytes that the structs, texts and lists of a decoded model take. Stops where the file is malformed, as prost does.
pub(super) fn decoded_size(model: &[u8]) -> usize {
    let mut size = 0usize;
    let mut add = |bytes: usize| size = size.saturating_add(bytes);
    let mut open = vec![(Message::Model, model)];
    while let Some((message, rest)) = open.last_mut() {
        let message = *message;
        let Some(tag) = varint(rest) else {
            // The end of the message, or of a file that is cut off.
            if !rest.is_empty() {
                break;
            }
            open.pop();
            continue;
        };
        let field = message.field(tag >> 3);
        let (skipped, length) = match tag & 7 {
            0 => (varint(rest).map(|_| 0), None),
            1 => (Some(8), None),
            5 => (Some(4), None),
            2 => (Some(0), varint(rest).and_then(|length| usize::try_from(length).ok())),
            // Groups have no length: their fields are counted as if they were those of the message.
            _ => (Some(0), None),
        };
        let Some(skipped) = skipped.filter(|&n| n <= rest.len()) else { break };
        *rest = &rest[skipped..];
        if tag & 7 != 2 {
            add(match field {
                Field::Integers(each) => each,
                Field::Numbers => skipped,
                _ => 0,
            });
            continue;
        }
        let Some((content, after)) = length.and_then(|length| rest.split_at_checked(length)) else { break };
        *rest = after;
        match field {
            Field::Message(inner, own) => {
                add(own);
                if open.len() == MAX_DEPTH {
                    break;
                }
                open.push((inner, content));
            }
            Field::Text(own) => add(own + content.len()),
            Field::Shared(own) => add(own),
            Field::Integers(each) => add(content.iter().filter(|&&byte| byte < 0x80).count() * each),
            Field::Numbers => add(content.len()),
            Field::Other => {}
        }
    }
    size
}

/// Takes a number from the front of `bytes`; `None` if there is none.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * i as u32).unwrap_or(0);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{
        Attribute, Dimension, Graph, Model, Node, Opset, Shape, Tensor, TensorType, Type, ValueInfo,
    };
    use prost::Message as _;

    /// A field with a length.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut bytes);
        bytes.extend(content);
        bytes
    }

    /// A million times `element` in `number` of a graph.
    fn many(number: u8, element: &[u8]) -> Vec<u8> {
        field(7, &field(number, element).repeat(1 << 20))
    }

    #[test]
    fn every_struct_list_and_text_is_counted() {
        let tensor = Tensor {
            dims: vec![1, 300],
            int64_data: vec![7; 10],
            int32_data: vec![-1, 5],
            float_data: vec![1.0; 3],
            name: Some("weights".into()),
            raw_data: Some(vec![1; 1000].into()),
            ..Tensor::default()
        };
        let attribute = Attribute {
            name: Some("value".into()),
            t: Some(Box::new(tensor.clone())),
            ints: vec![1, 2, 3],
            floats: vec![0.5; 4],
            strings: vec![vec![65; 3].into(); 2],
            ..Attribute::default()
        };
        let node =
            Node { input: vec!["a".into(), "bc".into()], attribute: vec![attribute], ..Node::default() };
        let shape =
            Shape { dim: vec![Dimension { dim_param: Some("batch".into()), ..Dimension::default() }; 4] };
        let r#type = Type { tensor_type: Some(TensorType { elem_type: Some(1), shape: Some(shape) }) };
        let input = ValueInfo { name: Some("x".into()), r#type: Some(r#type) };
        let graph =
            Graph { node: vec![node; 2], initializer: vec![tensor], input: vec![input], ..Graph::default() };
        let model = Model { graph: Some(graph), opset_import: vec![Opset::default()], ..Model::default() };
        // Of a tensor: 2 + 10 integers of 8 bytes, 2 of 4, 3 floats, the name; raw data is shared.
        let lists = 12 * 8 + 2 * 4 + 3 * 4 + 7;
        let attribute =
            size_of::<Attribute>() + 5 + size_of::<Tensor>() + lists + 3 * 8 + 4 * 4 + 2 * size_of::<Bytes>();
        let node = size_of::<Node>() + 2 * size_of::<String>() + 3 + attribute;
        let input = size_of::<ValueInfo>() + 1 + 4 * (size_of::<Dimension>() + 5);
        let expected = 2 * node + size_of::<Tensor>() + lists + input + size_of::<Opset>();
        assert_eq!(decoded_size(&model.encode_to_vec()), expected);
    }

    #[test]
    fn small_files_of_many_empty_messages_are_refused_before_they_are_decoded() {
        let attributes = field(7, &field(1, &field(5, &[]).repeat(1 << 21)));
        let nested = field(7, &field(1, &field(5, &field(6, &field(1, &[]).repeat(1 << 21)))));
        for (what, bytes) in [
            ("attributes", attributes),
            ("nested nodes", nested),
            ("initializers", many(5, &field(8, &[])).repeat(3)),
            ("inputs", many(11, &[]).repeat(6)),
            ("names", field(7, &field(1, &field(1, &[]).repeat(24 << 20)))),
        ] {
            let error = check("a.onnx", &bytes).unwrap_err();
            assert!(matches!(error, Error::Limits(_)), "{what}: {error}");
        }
        // Large weights take what they have in the file.
        assert!(check("a.onnx", &field(7, &field(5, &field(9, &vec![0; 64 << 20])))).is_ok());
        for damaged in [&[0x3a][..], &[0x3a, 0xff], &[0xff; 20], &[0x3a, 2, 0x0a, 9]] {
            assert!(check("a.onnx", damaged).is_ok());
        }
    }
}
