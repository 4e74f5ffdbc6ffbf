//! Reads `.onnx` files into a [`Graph`]: shapes become static and are inferred, and opsets 1 to 28 are
//! converted to 18.
//!
//! Files are untrusted. Sizes are checked before memory is allocated, references before they are followed,
//! and external data must be located beside the file.

mod branch;
mod decoded;
mod decompose;
mod input;
mod newer;
mod older;
mod options;
mod scope;
mod tensor;
mod upgrade;

pub use options::ReadOptions;

use crate::graph::{Attr, Attrs};
use crate::proto::{self, attribute_type};
use crate::{Builder, DType, Error, Expr, Graph, Result, Tensor};
use scope::Scope;
use std::path::Path;
use tensor::TensorReader;

/// Reads a model file. `shapes` gives the shapes of inputs by name; [`ReadOptions`] has more ways to give sizes.
///
/// # Errors
/// As [`ReadOptions::read`]: a size that is open in the file and not given is an error.
pub fn from_file(path: &Path, shapes: &[(&str, &[usize])]) -> Result<Graph> {
    with_shapes(shapes).read(path)
}

/// Reads a model from memory. `name` is for messages; `folder` contains its external data, if it may have
/// any. `shapes` is as in [`from_file`].
///
/// # Errors
/// As [`ReadOptions::read_bytes`].
pub fn from_bytes(
    name: &str,
    bytes: Vec<u8>,
    folder: Option<&Path>,
    shapes: &[(&str, &[usize])],
) -> Result<Graph> {
    with_shapes(shapes).read_bytes(name, bytes, folder)
}

fn with_shapes(shapes: &[(&str, &[usize])]) -> ReadOptions {
    shapes.iter().fold(ReadOptions::new(), |options, (name, shape)| options.shape(name, shape))
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

/// A node as the file has it, its inputs resolved.
struct OldNode<'g> {
    opset: i64,
    op: String,
    inputs: Vec<Option<Expr<'g>>>,
    attrs: Attrs,
    /// Number of outputs.
    outputs: usize,
}

/// The same in opset 18.
enum NewNode<'g> {
    /// One node: op, inputs and attributes.
    Node(String, Vec<Option<Expr<'g>>>, Attrs),
    /// The outputs of several nodes, which have been added.
    Values(Vec<Expr<'g>>),
}

/// Maximum number of nodes: ten times those of the largest published networks.
const MAX_NODES: usize = 1 << 18;

struct Reader<'a> {
    name: &'a str,
    /// Size of the file.
    bytes: usize,
    tensors: TensorReader<'a>,
    opset: i64,
    builder: Builder,
    options: &'a ReadOptions,
}

impl<'a> Reader<'a> {
    fn bad(&self, reason: String) -> Error {
        Error::Model(format!("{}: {reason}", self.name))
    }

    fn read(&'a self, graph: proto::Graph) -> Result<()> {
        let b = &self.builder;
        let mut env = Scope::default();
        for tensor in graph.initializer {
            let name = tensor.name.clone().unwrap_or_default();
            let value = self.tensors.tensor(tensor)?;
            // This crate's writer names unnamed constants `%…`.
            let constant = if name.starts_with('%') { b.constant(value) } else { b.weight(&name, value) };
            env.insert(name, constant);
        }
        let inputs: Vec<_> = graph.input.iter().map(|i| i.name.clone().unwrap_or_default()).collect();
        self.check_names(&inputs)?;
        for (input, name) in graph.input.iter().zip(inputs) {
            if env.get(&name).is_none() {
                let (shape, dtype) = self.input_type(&name, input)?;
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
            b.output(&name, value);
        }
        Ok(())
    }

    fn node(&'a self, node: proto::Node, env: &mut Scope<'_, 'a>) -> Result<()> {
        self.check_growth()?;
        let op = node.op_type.clone().unwrap_or_default();
        let op_type = op.clone();
        let label = node.name.clone().unwrap_or_default();
        if !matches!(node.domain.as_deref(), None | Some("" | "ai.onnx")) {
            let domain = node.domain.unwrap_or_default();
            return Err(Error::Unsupported(format!(
                "{}: node `{label}` uses {domain}.{op}; only standard ops are supported",
                self.name
            )));
        }
        let input = |name: &String| {
            match env.get(name) {
            _ if name.is_empty() => Ok(None),
            Some(value) => Ok(Some(value)),
            None => Err(self.bad(format!(
                "{op} `{label}` reads `{name}`, which is neither an input, nor an initializer, nor the output of an earlier node"
            ))),
        }
        };
        let inputs = node.input.iter().map(input).collect::<Result<Vec<_>>>()?;
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
            ("Constant", _) => {
                vec![self.constant_node(&label, outputs.first().map_or("", |n| n.as_str()), &attrs)?]
            }
            // Weights stored as f16 become f32 weights under the name of the Cast's output.
            ("Cast", _) if is_stored_half(inputs.first().copied().flatten(), &attrs) => {
                vec![self.widened(inputs[0], outputs.first().map_or("", |n| n.as_str()))]
            }
            _ => self.standard_node(op, &label, inputs, attrs, outputs.len().max(1))?,
        };
        for (i, name) in outputs.into_iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let value = results.get(i).ok_or_else(|| {
                Error::Unsupported(format!("{}: {op_type} `{label}`: no rule for its output {i}", self.name))
            })?;
            env.insert(name.clone(), *value);
        }
        Ok(())
    }

    /// Adds a node of any opset: decomposed if its op is newer than opset 18, upgraded if it is older.
    fn standard_node(
        &'a self,
        op: String,
        label: &str,
        inputs: Vec<Option<Expr<'a>>>,
        attrs: Attrs,
        outputs: usize,
    ) -> Result<Vec<Expr<'a>>> {
        let (builder, opset) = (&self.builder, self.opset);
        let at = |e| in_file(&format!("{}: node `{label}`", self.name), e);
        let node = decompose::Node { builder, opset, op: &op, inputs: &inputs, attrs: &attrs, outputs };
        if let Some(values) = node.decompose().map_err(at)? {
            return Ok(values);
        }
        let old = OldNode { opset, op, inputs, attrs, outputs };
        Ok(match upgrade::to_18(builder, old).map_err(at)? {
            NewNode::Node(op, inputs, attrs) => builder.op_named(&op, label, &inputs, attrs, outputs),
            NewNode::Values(values) => values,
        })
    }

    /// Refuses a file from which far more is built than it contains: layers that are unrolled, constants that are expanded.
    fn check_growth(&self) -> Result<()> {
        let (nodes, bytes) = self.builder.extent();
        let read = self.bytes.saturating_add(self.tensors.external_bytes());
        if nodes > MAX_NODES
            || bytes > decoded::MAX_DECODED.saturating_add(read.saturating_mul(decoded::PER_BYTE))
        {
            return Err(Error::Limits(format!(
                "{}: its {read} bytes become {nodes} nodes and constants of {} MB; at most {MAX_NODES} nodes and constants of {} times \
                 the file and {} MB are supported",
                self.name,
                bytes >> 20,
                decoded::PER_BYTE,
                decoded::MAX_DECODED >> 20
            )));
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

    /// A Constant node. Floats become a weight under the name of the node's output: some exporters store all
    /// weights this way.
    fn constant_node(&'a self, label: &str, output: &str, attrs: &Attrs) -> Result<Expr<'a>> {
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
        if output.starts_with('%') || !tensor.dtype().is_float() {
            return Ok(self.builder.constant(tensor));
        }
        Ok(self.builder.weight(output, tensor))
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
                Attr::Tensor(self.tensors.tensor(*t)?)
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
