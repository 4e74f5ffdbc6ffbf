//! Building graphs: a [`Builder`] collects nodes, an [`Expr`] is a handle to a value with `+ - * /` and the ops.
//!
//! Shapes are inferred as nodes are added. An ill-formed op does not panic: the first error is kept, later ops
//! on its result are ignored, and [`Builder::finish`] returns it. Nodes are hash-consed (equal ops on equal
//! inputs are one node) and small constant expressions are folded, so a finished graph is already simplified.

mod methods;
mod state;

pub use methods::ConvAttrs;
pub(crate) use state::State;

use crate::graph::{Attrs, Graph, Node, Value};
use crate::{DType, Error, Result, Tensor};
use state::too_large;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Collects nodes into a [`Graph`].
#[derive(Default)]
pub struct Builder {
    state: RefCell<State>,
}

/// `graph` with another way to compute a node's one output where `lower` knows one. Inputs, outputs and weights keep their names.
pub(crate) fn rewritten(
    graph: &Graph,
    lower: impl for<'g> Fn(&Node, &[Option<Expr<'g>>]) -> Option<Expr<'g>>,
) -> Result<Graph> {
    let b = Builder::new();
    let infos = graph.inputs().iter().map(|&v| graph.info(v));
    let inputs: Vec<_> = infos.map(|i| (i.name.as_str(), b.input_of(&i.name, &i.shape, i.dtype))).collect();
    let outputs = b.inline_with(graph, &inputs, lower)?;
    for ((name, _), value) in graph.outputs().iter().zip(outputs) {
        b.output(name, value);
    }
    b.finish()
}

/// A value under construction.
#[derive(Clone, Copy)]
pub struct Expr<'g> {
    builder: &'g Builder,
    value: Value,
}

impl Builder {
    /// An empty graph.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// A graph input of f32 elements.
    pub fn input(&self, name: &str, shape: &[usize]) -> Expr<'_> {
        self.input_of(name, shape, DType::F32)
    }

    /// A graph input of another element type.
    pub fn input_of(&self, name: &str, shape: &[usize], dtype: DType) -> Expr<'_> {
        let mut state = self.state.borrow_mut();
        if let Some(error) = too_large(&format!("the input `{name}`"), shape) {
            let value = state.poison(error, 1)[0];
            return Expr { builder: self, value };
        }
        let value = state.value(name, shape, dtype);
        state.graph.inputs.push(value);
        Expr { builder: self, value }
    }

    /// A constant.
    pub fn constant(&self, tensor: Tensor) -> Expr<'_> {
        let value = self.state.borrow_mut().constant("", tensor);
        Expr { builder: self, value }
    }

    /// A constant that keeps its name in the written file: a weight. It is never merged with another constant nor
    /// folded into one (a scalar may be), so that [`Builder::inline`] can put another value in its place.
    pub fn weight(&self, name: &str, tensor: Tensor) -> Expr<'_> {
        let value = self.state.borrow_mut().constant(name, tensor);
        Expr { builder: self, value }
    }

    /// Joins values along `axis`.
    pub fn concat<'g>(&'g self, values: &[Expr<'g>], axis: usize) -> Expr<'g> {
        match values {
            [one] => *one,
            _ => self.op1("Concat", values, Attrs::new().int("axis", axis as i64)),
        }
    }

    /// A scalar constant, shape `[]`.
    pub fn scalar(&self, value: f32) -> Expr<'_> {
        self.constant(Tensor::scalar(value))
    }

    /// An f32 constant from row-major values.
    pub fn values(&self, shape: &[usize], values: &[f32]) -> Expr<'_> {
        match Tensor::f32(shape, values.to_vec()) {
            Some(t) => self.constant(t),
            None => {
                self.fail(Error::Input(format!("{} values do not fill a tensor of {shape:?}", values.len())))
            }
        }
    }

    /// Adds any ONNX op; returns its outputs. Optional inputs are left out with `None`.
    pub fn op(&self, op: &str, inputs: &[Option<Expr<'_>>], attrs: Attrs) -> Vec<Expr<'_>> {
        self.op_named(op, "", inputs, attrs, 1)
    }

    /// As [`Builder::op`] with a node name for messages and the number of outputs asked for.
    pub fn op_named(
        &self,
        op: &str,
        name: &str,
        inputs: &[Option<Expr<'_>>],
        attrs: Attrs,
        outputs: usize,
    ) -> Vec<Expr<'_>> {
        if inputs.iter().flatten().any(|e| !std::ptr::eq(e.builder, self)) {
            return vec![self.fail(Error::Input(format!("{op} on a value of another builder"))); outputs];
        }
        let inputs: Vec<_> = inputs.iter().map(|e| e.map(|e| e.value)).collect();
        let values = self.state.borrow_mut().node(op, name, &inputs, attrs, outputs);
        values.into_iter().map(|value| Expr { builder: self, value }).collect()
    }

    /// One-output op with all inputs present.
    pub(crate) fn op1(&self, op: &str, inputs: &[Expr<'_>], attrs: Attrs) -> Expr<'_> {
        let inputs: Vec<_> = inputs.iter().map(|e| Some(e.value)).collect();
        let values = self.state.borrow_mut().node(op, "", &inputs, attrs, 1);
        Expr { builder: self, value: values[0] }
    }

    /// Declares a graph output.
    pub fn output(&self, name: &str, value: Expr<'_>) {
        self.state.borrow_mut().graph.outputs.push((name.into(), value.value));
    }

    /// Lets `value` be given from outside, as the input `name`, where a node computed it so far: what another graph has left
    /// over need not be computed again. Gradients are taken before.
    pub fn supply(&self, name: &str, value: Expr<'_>) {
        if !std::ptr::eq(value.builder, self) {
            self.fail(Error::Input(format!("the value supplied as `{name}` belongs to another builder")));
            return;
        }
        self.state.borrow_mut().supply(name, value.value);
    }

    /// Copies `graph` into this one and returns its outputs. `bindings` gives a value to each of its inputs, and
    /// may replace named constants too: so a generator's weights become inputs of a training graph. A binding whose
    /// name the graph does not have is an error.
    pub fn inline<'g>(&'g self, graph: &Graph, bindings: &[(&str, Expr<'_>)]) -> Result<Vec<Expr<'g>>> {
        self.inline_with(graph, bindings, |_, _| None)
    }

    /// [`Builder::inline`], with another way to compute a node's one output where `lower` knows one.
    pub(crate) fn inline_with<'g>(
        &'g self,
        graph: &Graph,
        bindings: &[(&str, Expr<'_>)],
        lower: impl Fn(&Node, &[Option<Expr<'g>>]) -> Option<Expr<'g>>,
    ) -> Result<Vec<Expr<'g>>> {
        let bound: HashMap<&str, Value> = bindings.iter().map(|(n, e)| (*n, e.value)).collect();
        let known: HashSet<&str> =
            graph.inputs.iter().chain(graph.constants.keys()).map(|&v| graph.info(v).name.as_str()).collect();
        if let Some((name, _)) = bindings.iter().find(|(name, _)| !known.contains(name)) {
            return Err(Error::Input(format!("the graph has neither an input nor a weight called `{name}`")));
        }
        if let Some((name, _)) = bindings.iter().find(|(_, e)| !std::ptr::eq(e.builder, self)) {
            return Err(Error::Input(format!("the value bound to `{name}` belongs to another builder")));
        }
        self.state.borrow_mut().graph.for_processor |= graph.for_processor;
        let mut map: HashMap<Value, Expr<'g>> = HashMap::new();
        for &v in graph.inputs.iter().chain(graph.constants.keys()) {
            let info = graph.info(v);
            let target = match (bound.get(info.name.as_str()), graph.constants.get(&v)) {
                (Some(&to), _) => {
                    let given = self.with(|g| g.info(to).clone());
                    if given.shape != info.shape || given.dtype != info.dtype {
                        return Err(Error::Input(format!(
                            "`{}` is {:?} {:?}, but a value that is {:?} {:?} was bound to it",
                            info.name, info.dtype, info.shape, given.dtype, given.shape
                        )));
                    }
                    to
                }
                (None, Some(tensor)) => self.state.borrow_mut().constant(&info.name, tensor.clone()),
                (None, None) => {
                    return Err(Error::Input(format!("no value was bound to the input `{}`", info.name)));
                }
            };
            map.insert(v, self.expr(target));
        }
        for node in &graph.nodes {
            let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
            let outputs = match lower(node, &inputs) {
                Some(output) => vec![output],
                None => self.op_named(&node.op, &node.name, &inputs, node.attrs.clone(), node.outputs.len()),
            };
            map.extend(node.outputs.iter().copied().zip(outputs));
        }
        Ok(graph.outputs.iter().map(|(_, v)| map[v]).collect())
    }

    /// The finished graph: only what its outputs need; or the first error met on the way.
    pub fn finish(self) -> Result<Graph> {
        let State { mut graph, error, .. } = self.state.into_inner();
        match error {
            Some(e) => Err(e),
            None => {
                graph.prune();
                Ok(graph)
            }
        }
    }

    pub(crate) fn fail(&self, error: Error) -> Expr<'_> {
        let value = self.state.borrow_mut().poison(error, 1)[0];
        Expr { builder: self, value }
    }

    pub(crate) fn check(&self) -> Result<()> {
        match &self.state.borrow().error {
            None => Ok(()),
            Some(Error::Unsupported(text)) => Err(Error::Unsupported(text.clone())),
            Some(Error::Limits(text)) => Err(Error::Limits(text.clone())),
            Some(Error::Model(text)) => Err(Error::Model(text.clone())),
            Some(e) => Err(Error::Input(e.to_string())),
        }
    }

    /// The node that computes a value, where one does.
    pub(crate) fn producer(&self, value: Expr<'_>) -> Option<Node> {
        self.state.borrow().producer(value.value).cloned()
    }

    pub(crate) fn expr(&self, value: Value) -> Expr<'_> {
        Expr { builder: self, value }
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&Graph) -> R) -> R {
        f(&self.state.borrow().graph)
    }
}
