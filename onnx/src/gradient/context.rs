//! The context of a gradient rule: a node, the gradients of its outputs, and what the rules share.

use crate::graph::{Attrs, Node, Value};
use crate::{Builder, Error, Expr, Result, cost};
use std::collections::HashSet;

/// Gradients with respect to a node's inputs, in order; `None` where there is none.
pub(super) type Grads<'g> = Vec<Option<Expr<'g>>>;

/// Limit on the kernel taps, and so on the nodes, that one rule may emit. No real network exceeds it.
pub(super) const MAX_TAPS: i64 = 4096;

/// Largest constant that a rule may create, in elements.
pub(super) const MAX_CONSTANT: usize = 1 << 24;

/// A value with fewer elements is kept for the backward pass; see [`VjpContext::rematerialize`].
const REMAT_MIN_ELEMENTS: usize = 1 << 18;

/// A value that takes more floating-point operations for each element is kept too.
const REMAT_MAX_FLOPS: u64 = 100;

/// The context of one vector-Jacobian product: a node whose output gradients have arrived.
pub(super) struct VjpContext<'a, 'g> {
    pub builder: &'g Builder,
    pub node: &'a Node,
    /// The gradient of each output, where one has arrived.
    pub g: Vec<Option<Expr<'g>>>,
    /// Values that depend on the variables of differentiation.
    pub depends: &'a HashSet<Value>,
}

impl<'g> VjpContext<'_, 'g> {
    pub fn op(&self) -> &str {
        &self.node.op
    }

    pub fn attrs(&self) -> &Attrs {
        &self.node.attrs
    }

    /// Input `i`, rematerialized if that pays. Shape inference has checked that required inputs are present.
    pub fn x(&self, i: usize) -> Expr<'g> {
        match self.input(i) {
            Some(x) => self.rematerialize(x).unwrap_or(x),
            None => self.builder.fail(self.unsupported(&format!("its input {i} is missing"))),
        }
    }

    /// Recomputes a large, cheap intermediate in the backward pass instead of keeping it alive. Reshapes and
    /// transposes of such a value are recomputed too. Returns `None` if the value should be kept.
    ///
    /// A zero-valued dependency on the incoming gradient, added to the smallest input, stops the runtime from
    /// scheduling the recomputation early.
    pub fn rematerialize(&self, x: Expr<'g>) -> Option<Expr<'g>> {
        let node = self.builder.producer(x)?;
        let mut inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| self.builder.expr(v))).collect();
        if matches!(node.op.as_str(), "Reshape" | "Transpose") {
            inputs[0] = Some(self.rematerialize(inputs[0]?)?);
        } else {
            let used: usize =
                inputs.iter().flatten().filter(|e| e.constant().is_none()).map(|e| e.size()).sum();
            let operations = self.builder.with_graph(|graph| cost::flops(graph, &node));
            let (size, g) = (x.size(), self.g());
            let is_large = size >= REMAT_MIN_ELEMENTS && used > 0 && size >= 2 * used;
            if !is_large || operations > REMAT_MAX_FLOPS * size as u64 {
                return None;
            }
            let smallest =
                inputs.iter_mut().flatten().filter(|e| e.dtype() == g.dtype()).min_by_key(|e| e.size())?;
            let dependency = g.reshape(&[g.size()]).slice(&[0], &[0], &[1], &[1]) * 0.0;
            *smallest = *smallest + dependency.reshape(&vec![1; smallest.shape().len()]);
        }
        self.builder.op(&node.op, &inputs, node.attrs).first().copied()
    }

    /// Input `i` as the forward pass computed it; `None` if it is absent.
    pub fn input(&self, i: usize) -> Option<Expr<'g>> {
        self.node.inputs.get(i).copied().flatten().map(|v| self.builder.expr(v))
    }

    /// The first output.
    pub fn y(&self) -> Expr<'g> {
        self.builder.expr(self.node.outputs[0])
    }

    /// The gradient of the first output; zeros if none has arrived.
    pub fn g(&self) -> Expr<'g> {
        self.g.first().copied().flatten().unwrap_or_else(|| self.scalar(0.0).expand(&self.y().shape()))
    }

    /// A scalar constant of the element type of the first output.
    pub fn scalar(&self, value: f64) -> Expr<'g> {
        self.y().number(value)
    }

    /// A constant of the element type of the first output, from row-major values.
    pub fn values(&self, shape: &[usize], values: &[f32]) -> Expr<'g> {
        self.builder.values(shape, values).cast(self.y().dtype())
    }

    /// Whether the gradient of input `i` is needed. Rules check this before they build an expensive one.
    pub fn needs_grad(&self, i: usize) -> bool {
        self.node.inputs.get(i).copied().flatten().is_some_and(|v| self.depends.contains(&v))
    }

    /// The integers of the constant input `i`.
    pub fn ints(&self, i: usize) -> Option<Vec<i64>> {
        let tensor = self.input(i)?.constant()?;
        Some(tensor.to_f64().into_iter().map(|v| v as i64).collect())
    }

    /// The gradients of an op with a single differentiable input.
    pub fn single(&self, grad: Expr<'g>) -> Grads<'g> {
        vec![Some(grad)]
    }

    /// Gradients of broadcast inputs: each is summed over the axes along which its input was broadcast.
    pub fn broadcast(&self, grads: &[Expr<'g>]) -> Grads<'g> {
        grads.iter().enumerate().map(|(i, &g)| Some(unbroadcast(g, &self.x(i).shape()))).collect()
    }

    /// Fails if the product of `sizes` is greater than `limit`.
    pub fn limit(&self, what: &str, sizes: &[i64], limit: i64) -> Result<()> {
        match sizes.iter().try_fold(1i64, |n, &s| n.checked_mul(s)) {
            Some(n) if n <= limit => Ok(()),
            _ => Err(self.unsupported(&format!("its {what} {sizes:?} are too large"))),
        }
    }

    /// An [`Error::Unsupported`] that names the op, the node, the opset and the input shapes.
    pub fn unsupported(&self, why: &str) -> Error {
        let name = match self.node.name.as_str() {
            "" => "a node without a name".to_string(),
            name => format!("node `{name}`"),
        };
        let shapes: Vec<_> =
            (0..self.node.inputs.len()).filter_map(|i| self.input(i)).map(|x| x.shape()).collect();
        Error::Unsupported(format!(
            "no gradient through {} ({name}, opset {}, inputs {shapes:?}): {why}",
            self.op(),
            crate::OPSET
        ))
    }
}

/// Sums `g` over the axes along which `shape` was broadcast to the shape of `g`.
pub(super) fn unbroadcast<'g>(g: Expr<'g>, shape: &[usize]) -> Expr<'g> {
    let from = g.shape();
    if from == shape {
        return g;
    }
    let lead = from.len().saturating_sub(shape.len());
    let repeated = |i: &usize| *i < lead || (shape[*i - lead] == 1 && from[*i] != 1);
    let axes: Vec<usize> = (0..from.len()).filter(repeated).collect();
    g.sum(&axes, true).reshape(shape)
}
