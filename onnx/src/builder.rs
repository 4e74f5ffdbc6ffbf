//! Graph construction. A [`Builder`] collects nodes; an [`Expr`] is a handle to a value, with the arithmetic
//! operators and the ONNX ops as methods.
//!
//! Shapes are inferred as nodes are added. An ill-formed op does not panic: the builder records the first
//! error, ignores later ops, and [`Builder::finish`] returns the error. Equal ops on equal inputs become one
//! node (hash-consing), small constant expressions are folded, and local rewrites apply as nodes are added.

mod expr;
mod inline;
mod peephole;
mod state;

pub use expr::{ConvAttrs, Expr};

use crate::graph::{Attrs, Graph, Node, Value};
use crate::{DType, Error, Result, Tensor};
use state::{State, too_large};
use std::cell::RefCell;

/// Collects nodes into a [`Graph`].
#[derive(Default)]
pub struct Builder {
    state: RefCell<State>,
}

impl Builder {
    /// An empty graph.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Adds an f32 graph input.
    pub fn input(&self, name: &str, shape: &[usize]) -> Expr<'_> {
        self.typed_input(name, shape, DType::F32)
    }

    /// Adds a graph input of element type `dtype`.
    pub fn typed_input(&self, name: &str, shape: &[usize], dtype: DType) -> Expr<'_> {
        let mut state = self.state.borrow_mut();
        if let Some(error) = too_large(&format!("the input `{name}`"), shape) {
            let value = state.record_error(error, 1)[0];
            return Expr { builder: self, value };
        }
        let value = state.value(name, shape, dtype);
        state.graph.inputs.push(value);
        Expr { builder: self, value }
    }

    /// Adds a constant.
    pub fn constant(&self, tensor: Tensor) -> Expr<'_> {
        let value = self.state.borrow_mut().constant("", tensor);
        Expr { builder: self, value }
    }

    /// Adds a weight: a constant that keeps its name in the written file. Floating-point weights are never
    /// folded and never merged with other constants, whatever their size, so that [`Builder::inline`] can
    /// replace them and [`Builder::gradient`] differentiate them.
    pub fn weight(&self, name: &str, tensor: Tensor) -> Expr<'_> {
        let value = self.state.borrow_mut().constant(name, tensor);
        Expr { builder: self, value }
    }

    /// Concatenates values along `axis`.
    pub fn concat<'g>(&'g self, values: &[Expr<'g>], axis: usize) -> Expr<'g> {
        match values {
            [one] => *one,
            _ => self.op1("Concat", values, Attrs::new().int("axis", axis as i64)),
        }
    }

    /// A scalar f32 constant, shape `[]`.
    pub fn scalar(&self, value: f32) -> Expr<'_> {
        self.constant(Tensor::scalar(value))
    }

    /// An f32 constant of `shape` from row-major values.
    pub fn values(&self, shape: &[usize], values: &[f32]) -> Expr<'_> {
        match Tensor::f32(shape, values.to_vec()) {
            Some(t) => self.constant(t),
            None => {
                self.fail(Error::Input(format!("{} values do not fill a tensor of {shape:?}", values.len())))
            }
        }
    }

    /// Adds an ONNX op with one output and returns its outputs. `None` omits an optional input.
    pub fn op(&self, op: &str, inputs: &[Option<Expr<'_>>], attrs: Attrs) -> Vec<Expr<'_>> {
        self.op_named(op, "", inputs, attrs, 1)
    }

    /// As [`Builder::op`], with a node name for messages and the number of outputs.
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

    /// Adds an op with one output whose inputs are all present.
    pub(crate) fn op1(&self, op: &str, inputs: &[Expr<'_>], attrs: Attrs) -> Expr<'_> {
        let inputs: Vec<_> = inputs.iter().map(|e| Some(e.value)).collect();
        let values = self.state.borrow_mut().node(op, "", &inputs, attrs, 1);
        Expr { builder: self, value: values[0] }
    }

    /// Declares a graph output.
    pub fn output(&self, name: &str, value: Expr<'_>) {
        self.state.borrow_mut().graph.outputs.push((name.into(), value.value));
    }

    /// Turns `value`, which a node computes, into the graph input `name`, so that the caller can pass a
    /// result that another graph has already computed. Call this after [`Builder::gradient`]: gradients stop
    /// at graph inputs.
    pub fn expose_as_input(&self, name: &str, value: Expr<'_>) {
        if !std::ptr::eq(value.builder, self) {
            self.fail(Error::Input(format!("the value to expose as `{name}` belongs to another builder")));
            return;
        }
        self.state.borrow_mut().expose_as_input(name, value.value);
    }

    /// Returns the finished graph, pruned to what its outputs need.
    ///
    /// # Errors
    /// The first error recorded while the graph was built.
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

    /// Number of nodes, and bytes of all constants.
    pub(crate) fn extent(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.graph.nodes.len(), state.constant_bytes)
    }

    /// Records an error; later ops are ignored.
    pub(crate) fn fail(&self, error: Error) -> Expr<'_> {
        let value = self.state.borrow_mut().record_error(error, 1)[0];
        Expr { builder: self, value }
    }

    /// Returns the first recorded error, if any.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.state.borrow().error {
            None => Ok(()),
            Some(Error::Unsupported(text)) => Err(Error::Unsupported(text.clone())),
            Some(Error::Limits(text)) => Err(Error::Limits(text.clone())),
            Some(Error::Model(text)) => Err(Error::Model(text.clone())),
            Some(e) => Err(Error::Input(e.to_string())),
        }
    }

    /// The node that computes a value, if any.
    pub(crate) fn producer(&self, value: Expr<'_>) -> Option<Node> {
        self.state.borrow().producer(value.value).cloned()
    }

    pub(crate) fn expr(&self, value: Value) -> Expr<'_> {
        Expr { builder: self, value }
    }

    pub(crate) fn with_state<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        f(&self.state.borrow())
    }

    pub(crate) fn with_graph<R>(&self, f: impl FnOnce(&Graph) -> R) -> R {
        f(&self.state.borrow().graph)
    }
}
