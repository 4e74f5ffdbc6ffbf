//! Reverse-mode differentiation, graph to graph: gradients come out as standard ONNX ops on the same [`Builder`].
//!
//! The walk goes backwards over the nodes between `wrt` and the loss. A rule gets the gradient of the loss with
//! respect to a node's outputs and returns it with respect to its inputs (the vector-Jacobian product), written
//! as its formula. A gradient that does not exist is absent, not zero.

mod convolution;
mod elementwise;
mod layout;
mod linear;
mod normalization;
mod pooling;
mod reduce;
mod resample;

use crate::graph::{Attrs, Node, Value};
use crate::{Builder, Error, Expr, Result, Tensor, cost};
use std::collections::{HashMap, HashSet};

/// Gradients with respect to the inputs of a node, in order; `None` where there is none.
type Grads<'g> = Vec<Option<Expr<'g>>>;

/// Ops that are constant almost everywhere, or read only the shape: their float outputs carry no gradient. (Outputs
/// that are no floats never do.)
const NO_GRADIENT: &[&str] = &["Ceil", "ConstantOfShape", "Floor", "Range", "Round", "Shape", "Sign"];

impl Builder {
    /// ∂`loss`/∂w for each w of `wrt`, each in the shape of its w. `loss` is a scalar (one element).
    ///
    /// At kinks the gradients are PyTorch's: 0 for Relu and Abs at 0, 1 for Clip at its bounds, equal shares for ties
    /// of Min, Max, ReduceMin and ReduceMax, the first maximum for MaxPool. Where it would be infinite, for Sqrt at 0
    /// and the exponent of Pow at 0, it is 0.
    ///
    /// A w that the loss does not depend on gets zeros. An op without a gradient rule is an error only
    /// when a gradient has to pass through it.
    pub fn gradient<'g>(&'g self, loss: Expr<'g>, wrt: &[Expr<'g>]) -> Result<Vec<Expr<'g>>> {
        self.check()?;
        if loss.size() != 1 {
            return Err(Error::Input(format!("the loss must be a scalar, it has shape {:?}", loss.shape())));
        }
        let nodes = self.with(|g| g.nodes().to_vec());

        // Forwards: which values depend on wrt.
        let mut depends: HashSet<Value> = wrt.iter().map(|e| e.value()).collect();
        for node in &nodes {
            if node.inputs.iter().flatten().any(|v| depends.contains(v))
                && !NO_GRADIENT.contains(&node.op.as_str())
            {
                depends.extend(node.outputs.iter().filter(|v| self.expr(**v).dtype().is_float()));
            }
        }

        // Backwards: accumulate ∂loss/∂value.
        let mut grads: HashMap<Value, Expr<'g>> = HashMap::new();
        let one = Tensor::f32(&loss.shape(), vec![1.0]).map(|t| self.constant(t));
        grads.extend(one.map(|one| (loss.value(), one)));
        for node in nodes.iter().rev() {
            let g: Vec<_> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
            if g.iter().all(Option::is_none) || !node.outputs.iter().any(|v| depends.contains(v)) {
                continue;
            }
            let site = Site { builder: self, node, g, depends: &depends };
            for (input, grad) in node.inputs.iter().zip(vjp(&site)?) {
                let (Some(v), Some(grad)) = (input, grad) else { continue };
                if depends.contains(v) {
                    let sum = grads.get(v).map_or(grad, |&before| before + grad);
                    grads.insert(*v, sum);
                }
            }
        }
        self.check()?;
        let zero = |w: &Expr<'g>| self.scalar(0.0).expand(&w.shape());
        Ok(wrt.iter().map(|w| grads.get(&w.value()).copied().unwrap_or_else(|| zero(w))).collect())
    }
}

/// The table: every rule by section, and the refusal by name.
fn vjp<'g>(site: &Site<'_, 'g>) -> Result<Grads<'g>> {
    let sections = [
        elementwise::vjp,
        reduce::vjp,
        layout::vjp,
        linear::vjp,
        convolution::vjp,
        pooling::vjp,
        normalization::vjp,
        resample::vjp,
    ];
    for section in sections {
        if let Some(grads) = section(site)? {
            return Ok(grads);
        }
    }
    Err(site.refuse("it has no gradient rule"))
}

/// Nodes and constants that one rule may emit are limited by this: a window of so many taps, say. More is no network.
const MAX_TAPS: i64 = 4096;

/// Largest constant that a rule may make, in elements.
const MAX_CONSTANT: usize = 1 << 24;

/// A value of fewer elements may as well be kept for the backward pass, and one that takes more operations for each of its
/// elements must be, see [`Site::again`].
const WORTHWHILE: usize = 1 << 18;
const CHEAP: u64 = 100;

/// A node at which gradients have arrived.
struct Site<'a, 'g> {
    builder: &'g Builder,
    node: &'a Node,
    g: Vec<Option<Expr<'g>>>,
    depends: &'a HashSet<Value>,
}

impl<'g> Site<'_, 'g> {
    fn op(&self) -> &str {
        &self.node.op
    }

    fn attrs(&self) -> &Attrs {
        &self.node.attrs
    }

    /// Input `i`, as it was or computed again. Shape inference has seen that required inputs are there.
    fn x(&self, i: usize) -> Expr<'g> {
        match self.input(i) {
            Some(x) => self.again(x).unwrap_or(x),
            None => self.builder.fail(self.refuse(&format!("its input {i} is missing"))),
        }
    }

    /// A value much larger than what it is made of, and cheap, is not kept from the forward pass on: here it is computed again.
    /// So is what reshapes or transposes it.
    ///
    /// So that this waits for the backward pass, its smallest input gets 0 times a number of the gradient added.
    fn again(&self, x: Expr<'g>) -> Option<Expr<'g>> {
        let node = self.builder.producer(x)?;
        let mut inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| self.builder.expr(v))).collect();
        if matches!(node.op.as_str(), "Reshape" | "Transpose") {
            inputs[0] = Some(self.again(inputs[0]?)?);
        } else {
            let used: usize =
                inputs.iter().flatten().filter(|e| e.constant().is_none()).map(|e| e.size()).sum();
            let operations = self.builder.with(|graph| cost::flops(graph, &node));
            let (size, g) = (x.size(), self.g());
            let is_large = size >= WORTHWHILE && used > 0 && size >= 2 * used;
            if !is_large || operations > CHEAP * size as u64 {
                return None;
            }
            let smallest =
                inputs.iter_mut().flatten().filter(|e| e.dtype() == g.dtype()).min_by_key(|e| e.size())?;
            let late = g.reshape(&[g.size()]).slice(&[0], &[0], &[1], &[1]) * 0.0;
            *smallest = *smallest + late.reshape(&vec![1; smallest.shape().len()]);
        }
        self.builder.op(&node.op, &inputs, node.attrs).first().copied()
    }

    fn input(&self, i: usize) -> Option<Expr<'g>> {
        self.node.inputs.get(i).copied().flatten().map(|v| self.builder.expr(v))
    }

    /// The first output.
    fn y(&self) -> Expr<'g> {
        self.builder.expr(self.node.outputs[0])
    }

    /// The gradient that arrived at the first output.
    fn g(&self) -> Expr<'g> {
        self.g
            .first()
            .copied()
            .flatten()
            .unwrap_or_else(|| self.builder.scalar(0.0).expand(&self.y().shape()))
    }

    /// Whether anyone needs the gradient of input `i`; saves building costly ones.
    fn wants(&self, i: usize) -> bool {
        self.node.inputs.get(i).copied().flatten().is_some_and(|v| self.depends.contains(&v))
    }

    /// The constant integers of input `i`.
    fn ints(&self, i: usize) -> Option<Vec<i64>> {
        let tensor = self.input(i)?.constant()?;
        Some(tensor.to_f64().into_iter().map(|v| v as i64).collect())
    }

    /// A gradient of the one differentiable input.
    fn one(&self, grad: Expr<'g>) -> Grads<'g> {
        vec![Some(grad)]
    }

    /// Gradients of broadcast inputs: each is summed over the axes along which its input was repeated.
    fn broadcast(&self, grads: &[Expr<'g>]) -> Grads<'g> {
        grads.iter().enumerate().map(|(i, &g)| Some(unbroadcast(g, &self.x(i).shape()))).collect()
    }

    /// Refuses sizes whose product is more than `limit`.
    fn limit(&self, what: &str, sizes: &[i64], limit: i64) -> Result<()> {
        match sizes.iter().try_fold(1i64, |n, &s| n.checked_mul(s)) {
            Some(n) if n <= limit => Ok(()),
            _ => Err(self.refuse(&format!("its {what} {sizes:?} are too large"))),
        }
    }

    fn refuse(&self, why: &str) -> Error {
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
fn unbroadcast<'g>(g: Expr<'g>, shape: &[usize]) -> Expr<'g> {
    let from = g.shape();
    if from == shape {
        return g;
    }
    let lead = from.len().saturating_sub(shape.len());
    let repeated = |i: &usize| *i < lead || (shape[*i - lead] == 1 && from[*i] != 1);
    let axes: Vec<usize> = (0..from.len()).filter(repeated).collect();
    g.sum(&axes, true).reshape(shape)
}
