//! Reads `.onnx` files into a [`Graph`]: shapes become static and are inferred, and opsets 7 to 26 are
//! converted to 18.
//!
//! Files are untrusted. Sizes are checked before memory is allocated, references before they are followed,
//! and external data must be located beside the file.

mod branch;
mod decompose;
mod tensor;
mod upgrade;

use crate::graph::{Attr, Attrs};
use crate::proto::{self, attribute_type};
use crate::{Builder, DType, Error, Expr, Graph, Result, Tensor};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::HashMap;
use std::path::Path;
use tensor::TensorReader;

/// Opsets that can be converted to 18.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// Larger files are refused; no network of this field comes close.
const MAX_BYTES: u64 = 8 << 30;

/// Reads a model file. `shapes` gives input shapes by name; other unknown dimensions, such as a dynamic
/// batch, become 1.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; otherwise as [`from_bytes`].
pub fn from_file(path: &Path, shapes: &[(&str, &[usize])]) -> Result<Graph> {
    let io = |source| Error::Io { path: path.into(), doing: "reading", source };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::Input(format!("{} is not a file", path.display())));
    }
    let size = metadata.len();
    if size > MAX_BYTES {
        return Err(Error::Limits(format!(
            "{}: {size} bytes; a model may have at most {MAX_BYTES}",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    from_bytes(&path.display().to_string(), bytes, path.parent(), shapes)
}

/// Reads a model from memory. `name` is for messages; `folder` contains its external data, if it may have
/// any. `shapes` is as in [`from_file`].
///
/// # Errors
/// [`Error::Model`] if the model is malformed, truncated or of another opset; [`Error::Unsupported`] if it
/// uses an op or a feature that has no rule; [`Error::Limits`] if it is too large; [`Error::Io`] if external
/// data cannot be read.
pub fn from_bytes(
    name: &str,
    bytes: Vec<u8>,
    folder: Option<&Path>,
    shapes: &[(&str, &[usize])],
) -> Result<Graph> {
    let bad = |reason: String| Error::Model(format!("{name}: {reason}"));
    let model = proto::Model::decode(Bytes::from(bytes))
        .map_err(|e| bad(format!("not an ONNX model, or truncated ({e}); get the file again")))?;
    let opset =
        model.opset_import.iter().find(|o| matches!(o.domain.as_deref(), None | Some("" | "ai.onnx")));
    let opset = opset
        .and_then(|o| o.version)
        .ok_or_else(|| bad("it declares no opset of the default domain".into()))?;
    if !OPSETS.contains(&opset) {
        return Err(bad(format!(
            "opset {opset}; export it with an opset from {} to {}",
            OPSETS.start(),
            OPSETS.end()
        )));
    }
    let graph = model.graph.ok_or_else(|| bad("it contains no graph".into()))?;
    let tensors = TensorReader { name, folder };
    let reader = Reader { name, tensors, opset, builder: Builder::new() };
    reader.read(graph, shapes)?;
    reader.builder.finish().map_err(|e| in_file(name, e))
}

/// Prefixes the error with the file's name.
fn in_file(name: &str, error: Error) -> Error {
    match error {
        Error::Model(t) => Error::Model(format!("{name}: {t}")),
        Error::Unsupported(t) => Error::Unsupported(format!("{name}: {t}")),
        Error::Input(t) => Error::Input(format!("{name}: {t}")),
        Error::Limits(t) => Error::Limits(format!("{name}: {t}")),
        other => other,
    }
}

struct Reader<'a> {
    name: &'a str,
    tensors: TensorReader<'a>,
    opset: i64,
    builder: Builder,
}

impl<'a> Reader<'a> {
    fn bad(&self, reason: String) -> Error {
        Error::Model(format!("{}: {reason}", self.name))
    }

    fn read(&'a self, graph: proto::Graph, shapes: &[(&str, &[usize])]) -> Result<()> {
        let b = &self.builder;
        let mut env: HashMap<String, Expr<'a>> = HashMap::new();
        for tensor in graph.initializer {
            let name = tensor.name.clone().unwrap_or_default();
            let value = self.tensors.tensor(tensor)?;
            // This crate's writer names unnamed constants `%…`.
            let constant = if name.starts_with('%') { b.constant(value) } else { b.weight(&name, value) };
            env.insert(name, constant);
        }
        for input in &graph.input {
            let name = input.name.clone().unwrap_or_default();
            if !env.contains_key(&name) {
                let (shape, dtype) = self.input_type(&name, input, shapes)?;
                env.insert(name.clone(), b.typed_input(&name, &shape, dtype));
            }
        }
        for node in graph.node {
            self.node(node, &mut env)?;
        }
        for output in &graph.output {
            let name = output.name.clone().unwrap_or_default();
            let value =
                env.get(&name).ok_or_else(|| self.bad(format!("no node computes the output `{name}`")))?;
            b.output(&name, *value);
        }
        Ok(())
    }

    fn input_type(
        &self,
        name: &str,
        info: &proto::ValueInfo,
        shapes: &[(&str, &[usize])],
    ) -> Result<(Vec<usize>, DType)> {
        let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let tensor = tensor.ok_or_else(|| self.bad(format!("the input `{name}` is not a tensor")))?;
        let code = tensor.elem_type.unwrap_or(0);
        let dtype = DType::from_onnx_code(code.into());
        let dtype = dtype.ok_or_else(|| {
            self.bad(format!("the input `{name}` has the element type {code}, which is not supported"))
        })?;
        if let Some((_, shape)) = shapes.iter().find(|(n, _)| *n == name) {
            return Ok((shape.to_vec(), dtype));
        }
        let dims = tensor.shape.iter().flat_map(|s| &s.dim);
        let shape = dims.map(|d| d.dim_value.filter(|&v| v > 0).map_or(1, |v| v as usize)).collect();
        Ok((shape, dtype))
    }

    fn node(&'a self, node: proto::Node, env: &mut HashMap<String, Expr<'a>>) -> Result<()> {
        let op = node.op_type.clone().unwrap_or_default();
        let label = node.name.clone().unwrap_or_default();
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            let domain = node.domain.unwrap_or_default();
            return Err(Error::Unsupported(format!(
                "{}: node `{label}` uses {domain}.{op}; only standard ops are supported",
                self.name
            )));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            let missing = || {
                self.bad(format!("{op} `{label}` reads `{name}`, which is neither an input, nor an initializer, nor the output of an earlier node"))
            };
            inputs.push(if name.is_empty() { None } else { Some(*env.get(name).ok_or_else(missing)?) });
        }
        if op == "If" {
            return self.branch(node, &inputs, env);
        }
        let mut attrs = Attrs::new();
        for a in node.attribute {
            let key = a.name.clone().unwrap_or_default();
            attrs.0.insert(key.clone(), self.attribute(&op, &label, a)?);
        }
        let mut outputs: Vec<&String> = node.output.iter().collect();
        while outputs.last().is_some_and(|name| name.is_empty()) {
            outputs.pop();
        }
        let results = match (op.as_str(), attrs.0.get("value")) {
            ("Constant", _) => vec![self.constant_node(&label, &attrs)?],
            // Weights stored as f16 become f32 weights under the name of the Cast's output.
            ("Cast", _) if is_stored_half(inputs.first().copied().flatten(), &attrs) => {
                vec![self.widened(inputs[0], outputs.first().map_or("", |n| n.as_str()))]
            }
            _ => {
                let count = outputs.len().max(1);
                let at = |e| in_file(&format!("{}: node `{label}`", self.name), e);
                let node = decompose::Node {
                    builder: &self.builder,
                    opset: self.opset,
                    op: &op,
                    inputs: &inputs,
                    attrs: &attrs,
                    outputs: count,
                };
                match node.decompose().map_err(at)? {
                    Some(results) => results,
                    None => {
                        let (op, inputs, attrs) =
                            upgrade::to_18(&self.builder, self.opset, op, inputs, attrs, count)
                                .map_err(at)?;
                        self.builder.op_named(&op, &label, &inputs, attrs, count)
                    }
                }
            }
        };
        for (name, value) in outputs.into_iter().zip(results) {
            if !name.is_empty() {
                env.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn widened(&'a self, input: Option<Expr<'a>>, name: &str) -> Expr<'a> {
        match input.and_then(|e| e.constant()) {
            Some(t) if name.starts_with('%') => self.builder.constant(t.cast(DType::F32)),
            Some(t) => self.builder.weight(name, t.cast(DType::F32)),
            None => self.builder.scalar(0.0),
        }
    }

    fn constant_node(&'a self, label: &str, attrs: &Attrs) -> Result<Expr<'a>> {
        let tensor = attrs.0.iter().find_map(|(key, a)| match (key.as_str(), a) {
            ("value", Attr::Tensor(t)) => Some(t.clone()),
            ("value_float", Attr::Float(v)) => Some(Tensor::scalar(*v)),
            ("value_int", Attr::Int(v)) => Tensor::ints(&[*v]).reshaped(&[]),
            ("value_ints", Attr::Ints(v)) => Some(Tensor::ints(v)),
            ("value_floats", Attr::Floats(v)) => Tensor::f32(&[v.len()], v.clone()),
            _ => None,
        });
        let tensor =
            tensor.ok_or_else(|| self.bad(format!("the Constant `{label}` has no supported value")))?;
        Ok(self.builder.constant(tensor))
    }

    fn attribute(&self, op: &str, label: &str, a: proto::Attribute) -> Result<Attr> {
        let name = a.name.unwrap_or_default();
        let kind = a.r#type.unwrap_or(0);
        Ok(match kind {
            attribute_type::FLOAT => Attr::Float(a.f.unwrap_or(0.0)),
            attribute_type::INT => Attr::Int(a.i.unwrap_or(0)),
            attribute_type::STRING => {
                Attr::Str(String::from_utf8_lossy(&a.s.unwrap_or_default()).into_owned())
            }
            attribute_type::FLOATS => Attr::Floats(a.floats),
            attribute_type::INTS => Attr::Ints(a.ints),
            attribute_type::STRINGS => {
                Attr::Strs(a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect())
            }
            attribute_type::TENSOR => {
                let t =
                    a.t.ok_or_else(|| self.bad(format!("{op} `{label}`: the attribute `{name}` is empty")))?;
                Attr::Tensor(self.tensors.tensor(t)?)
            }
            _ => {
                let text = format!(
                    "{}: {op} `{label}`: the attribute `{name}` is a subgraph, or of a type that has no rule",
                    self.name
                );
                return Err(Error::Unsupported(text));
            }
        })
    }
}

fn is_stored_half(input: Option<Expr<'_>>, attrs: &Attrs) -> bool {
    let constant = input.and_then(|e| e.constant());
    constant.is_some_and(|t| t.dtype() == DType::F16) && attrs.get_int("to", 0) == DType::F32.onnx_code()
}
