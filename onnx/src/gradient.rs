//! Reverse-mode automatic differentiation, graph to graph: gradients are standard ONNX ops on the same
//! [`Builder`].
//!
//! The walk visits the nodes between `wrt` and the loss in reverse order. A rule computes the vector-Jacobian
//! product (VJP): it receives the gradient of the loss with respect to a node's outputs and returns the
//! gradient with respect to its inputs. A gradient that does not exist is `None`, not zero.

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

/// Gradients with respect to a node's inputs, in order; `None` where there is none.
type Grads<'g> = Vec<Option<Expr<'g>>>;

/// Ops that are piecewise constant, or read only the shape: no gradient flows through them. (Outputs that are
/// not floating-point never carry one.)
const NO_GRADIENT: &[&str] = &["Ceil", "ConstantOfShape", "Floor", "Range", "Round", "Shape", "Sign"];

impl Builder {
    /// Returns ∂`loss`/∂w for each w in `wrt`, with the shape of w. `loss` has one element.
    ///
    /// At kinks the gradients are those of PyTorch: 0 for Relu and Abs at 0, 1 for Clip at its bounds, equal
    /// shares among ties of Min, Max, ReduceMin and ReduceMax, and the first maximum for MaxPool. Where the
    /// derivative is infinite or undefined (Sqrt at 0, the exponent of Pow at 0), the gradient is 0.
    ///
    /// The gradient is zero for a w that the loss does not depend on.
    ///
    /// # Errors
    /// [`Error::Input`] if `loss` is not a scalar. [`Error::Unsupported`] if a gradient has to pass through
    /// an op that has no gradient rule.
    pub fn gradient<'g>(&'g self, loss: Expr<'g>, wrt: &[Expr<'g>]) -> Result<Vec<Expr<'g>>> {
        self.check()?;
        if loss.size() != 1 {
            return Err(Error::Input(format!("the loss must be a scalar, but it has shape {:?}", loss.shape())));
        }
        let nodes = self.with(|g| g.nodes().to_vec());

        // Forward: which values depend on `wrt`.
        let mut depends: HashSet<Value> = wrt.iter().map(|e| e.value()).collect();
        for node in &nodes {
            if node.inputs.iter().flatten().any(|v| depends.contains(v))
                && !NO_GRADIENT.contains(&node.op.as_str())
            {
                depends.extend(node.outputs.iter().filter(|v| self.expr(**v).dtype().is_float()));
            }
        }

        // Backward: accumulate ∂loss/∂value.
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

/// Dispatches to the section that has a rule for the node's op.
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

/// Limit on the kernel taps, and so on the nodes, that one rule may emit. No real network exceeds it.
const MAX_TAPS: i64 = 4096;

/// Largest constant that a rule may create, in elements.
const MAX_CONSTANT: usize = 1 << 24;

/// Values with fewer elements than this, or with more operations for each element, are kept for the backward
/// pass. See [`Site::again`].
const WORTHWHILE: usize = 1 << 18;
const CHEAP: u64 = 100;

/// The context of one vector-Jacobian product: a node whose output gradients have arrived.
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

    /// Input `i`, rematerialized if that pays. Shape inference has checked that required inputs are present.
    fn x(&self, i: usize) -> Expr<'g> {
        match self.input(i) {
            Some(x) => self.again(x).unwrap_or(x),
            None => self.builder.fail(self.refuse(&format!("its input {i} is missing"))),
        }
    }

    /// Recomputes a large, cheap intermediate in the backward pass instead of keeping it alive. Reshapes and
    /// transposes of such a value are recomputed too. Returns `None` if the value should be kept.
    ///
    /// A zero-valued dependency on the incoming gradient, added to the smallest input, stops the runtime from
    /// scheduling the recomputation early.
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

    /// The gradient of the first output; zeros if none has arrived.
    fn g(&self) -> Expr<'g> {
        self.g
            .first()
            .copied()
            .flatten()
            .unwrap_or_else(|| self.builder.scalar(0.0).expand(&self.y().shape()))
    }

    /// Whether the gradient of input `i` is needed. Rules check this before they build an expensive one.
    fn wants(&self, i: usize) -> bool {
        self.node.inputs.get(i).copied().flatten().is_some_and(|v| self.depends.contains(&v))
    }

    /// The integers of the constant input `i`.
    fn ints(&self, i: usize) -> Option<Vec<i64>> {
        let tensor = self.input(i)?.constant()?;
        Some(tensor.to_f64().into_iter().map(|v| v as i64).collect())
    }

    /// The gradients of an op with a single differentiable input.
    fn one(&self, grad: Expr<'g>) -> Grads<'g> {
        vec![Some(grad)]
    }

    /// Gradients of broadcast inputs: each is summed over the axes along which its input was broadcast.
    fn broadcast(&self, grads: &[Expr<'g>]) -> Grads<'g> {
        grads.iter().enumerate().map(|(i, &g)| Some(unbroadcast(g, &self.x(i).shape()))).collect()
    }

    /// Fails if the product of `sizes` is greater than `limit`.
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
