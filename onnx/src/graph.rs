//! The graph data structure: statically shaped standard ONNX ops, with nodes in execution order, values and
//! constants.

use crate::{DType, Error, Result, Tensor};
use std::collections::{BTreeMap, HashSet};

/// Handle to a value of a [`Graph`]: a graph input, a constant, or a node output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value(pub(crate) u32);

impl Value {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// An attribute of a node.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // each variant is its ONNX attribute type
pub enum Attr {
    Int(i64),
    Float(f32),
    Str(String),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strs(Vec<String>),
    Tensor(Tensor),
}

/// Node attributes, by name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Attrs(pub BTreeMap<String, Attr>);

impl Attrs {
    /// An empty attribute list.
    pub fn new() -> Attrs {
        Attrs::default()
    }

    /// Adds the attribute `name` with `value`.
    pub fn with(mut self, name: &str, value: Attr) -> Attrs {
        self.0.insert(name.into(), value);
        self
    }

    /// Adds the integer attribute `name`.
    pub fn int(self, name: &str, value: i64) -> Attrs {
        self.with(name, Attr::Int(value))
    }

    /// Adds the integer-list attribute `name`.
    pub fn ints(self, name: &str, values: &[i64]) -> Attrs {
        self.with(name, Attr::Ints(values.to_vec()))
    }

    /// Adds the float attribute `name`.
    pub fn float(self, name: &str, value: f32) -> Attrs {
        self.with(name, Attr::Float(value))
    }

    /// Adds the string attribute `name`.
    pub fn str(self, name: &str, value: &str) -> Attrs {
        self.with(name, Attr::Str(value.into()))
    }

    /// The integer attribute `name`, or `default` if it is absent.
    pub fn get_int(&self, name: &str, default: i64) -> i64 {
        match self.0.get(name) {
            Some(Attr::Int(v)) => *v,
            _ => default,
        }
    }

    /// The float attribute `name`, or `default` if it is absent.
    pub fn get_float(&self, name: &str, default: f32) -> f32 {
        match self.0.get(name) {
            Some(Attr::Float(v)) => *v,
            _ => default,
        }
    }

    /// The string attribute `name`, or `default` if it is absent.
    pub fn get_str<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.0.get(name) {
            Some(Attr::Str(v)) => v,
            _ => default,
        }
    }

    /// The integer-list attribute `name`, if present.
    pub fn get_ints(&self, name: &str) -> Option<&[i64]> {
        match self.0.get(name) {
            Some(Attr::Ints(v)) => Some(v),
            _ => None,
        }
    }
}

/// A node: one application of an op.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Op type in the default ONNX domain, such as `Conv`.
    pub op: String,
    /// Node name for messages and profiles; may be empty.
    pub name: String,
    /// Inputs in order; `None` is an omitted optional input.
    pub inputs: Vec<Option<Value>>,
    /// Outputs in order.
    pub outputs: Vec<Value>,
    /// Attributes.
    pub attrs: Attrs,
}

/// Name, shape and element type of a value.
#[derive(Clone, PartialEq, Debug)]
pub struct ValueInfo {
    /// Name of a graph input or named constant; empty for all other values.
    pub name: String,
    /// Static shape.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

/// A graph, built by [`crate::Builder::finish`] or read by [`crate::read`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Graph {
    pub(crate) values: Vec<ValueInfo>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) constants: BTreeMap<Value, Tensor>,
    pub(crate) inputs: Vec<Value>,
    pub(crate) outputs: Vec<(String, Value)>,
    /// Set by [`crate::winograd`]. Gradient rules then choose the forms that are fastest on the CPU, where a
    /// cache-sized working set is worth an extra copy.
    pub(crate) for_cpu: bool,
}

impl Graph {
    /// Nodes in execution order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Graph inputs in order.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// Graph outputs in order, by name.
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// Name, shape and element type of a value.
    pub fn info(&self, value: Value) -> &ValueInfo {
        &self.values[value.index()]
    }

    /// The tensor of a constant; `None` for other values.
    pub fn constant(&self, value: Value) -> Option<&Tensor> {
        self.constants.get(&value)
    }

    /// Named constants (the weights), in order of creation.
    pub fn named_constants(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.constants.iter().map(|(v, t)| (self.info(*v).name.as_str(), t)).filter(|(n, _)| !n.is_empty())
    }

    /// The constant called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none.
    pub fn find_constant(&self, name: &str) -> Result<&Tensor> {
        self.named_constants()
            .find(|(n, _)| *n == name)
            .map(|(_, t)| t)
            .ok_or_else(|| Error::Input(format!("the graph has no weight called `{name}`")))
    }

    /// Shape of the input called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none; it lists the inputs.
    pub fn input_shape(&self, name: &str) -> Result<&[usize]> {
        self.inputs.iter().map(|v| self.info(*v)).find(|i| i.name == name).map(|i| &i.shape[..]).ok_or_else(
            || {
                let have: Vec<_> = self.inputs.iter().map(|v| self.info(*v).name.as_str()).collect();
                Error::Input(format!("the graph has no input called `{name}`; it has {}", have.join(", ")))
            },
        )
    }

    /// Shape of the output called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none; it lists the outputs.
    pub fn output_shape(&self, name: &str) -> Result<&[usize]> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, v)| &self.info(*v).shape[..]).ok_or_else(|| {
            let have: Vec<_> = self.outputs.iter().map(|(n, _)| n.as_str()).collect();
            Error::Input(format!("the graph has no output called `{name}`; it has {}", have.join(", ")))
        })
    }

    /// Removes the nodes and constants that no output depends on, and moves the nodes that only produce graph
    /// outputs to the end, in output order. Unused inputs stay, because they are part of the graph's
    /// signature.
    ///
    /// ONNX Runtime traverses depth-first from such nodes and starts with the last one. If the outputs are
    /// gradients by layer, the gradient that is available first is then computed first, and the values that
    /// only it reads are freed before the next layer's gradient is computed.
    pub fn prune(&mut self) {
        let mut live: HashSet<Value> = self.outputs.iter().map(|(_, v)| *v).collect();
        let mut kept: Vec<Node> = Vec::with_capacity(self.nodes.len());
        for node in std::mem::take(&mut self.nodes).into_iter().rev() {
            if node.outputs.iter().any(|o| live.contains(o)) {
                live.extend(node.inputs.iter().flatten());
                kept.push(node);
            }
        }
        kept.reverse();
        let read: HashSet<Value> = kept.iter().flat_map(|n| n.inputs.iter().flatten().copied()).collect();
        let (mut nodes, mut last): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|n| n.outputs.iter().any(|o| read.contains(o)));
        last.sort_by_key(|n| self.outputs.iter().position(|(_, v)| n.outputs.contains(v)));
        nodes.append(&mut last);
        self.nodes = nodes;
        self.constants.retain(|v, _| live.contains(v));
    }
}

impl std::fmt::Display for Graph {
    /// A stable text form, one node per line: `Conv(x[1,3,8,8], w[4,3,3,3]) -> %7[1,4,8,8] {pads=[1,1,1,1]}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Unnamed values are numbered in the order in which nodes produce them.
        let unnamed = self.nodes.iter().flat_map(|n| &n.outputs).filter(|v| self.info(**v).name.is_empty());
        let number: BTreeMap<Value, usize> = unnamed.enumerate().map(|(i, v)| (*v, i + 1)).collect();
        let show = |v: Value| {
            let info = self.info(v);
            match (&info.name, self.constants.get(&v)) {
                (n, _) if !n.is_empty() => format!("{n}{:?}", info.shape),
                (_, Some(t)) if t.len() <= 8 => match t.as_i64() {
                    Some(ints) => format!("{ints:?}"),
                    None => format!("{:?}", t.to_f64()),
                },
                (_, Some(_)) => format!("constant{:?}", info.shape),
                _ => format!("%{}{:?}", number.get(&v).copied().unwrap_or(0), info.shape),
            }
        };
        for &v in &self.inputs {
            writeln!(f, "input {}", show(v))?;
        }
        for n in &self.nodes {
            let ins: Vec<_> = n.inputs.iter().map(|v| v.map_or("-".into(), show)).collect();
            let outs: Vec<_> = n.outputs.iter().map(|v| show(*v)).collect();
            write!(f, "{}({}) -> {}", n.op, ins.join(", "), outs.join(", "))?;
            for (k, a) in &n.attrs.0 {
                write!(f, " {k}={a:?}")?;
            }
            writeln!(f)?;
        }
        for (name, v) in &self.outputs {
            writeln!(f, "output {name} = {}", show(*v))?;
        }
        Ok(())
    }
}
