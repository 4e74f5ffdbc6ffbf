//! Reverse-mode automatic differentiation, graph to graph: gradients are standard ONNX ops on the same
//! [`Builder`].
//!
//! The walk visits the nodes between `wrt` and the loss in reverse order. A rule computes the vector-Jacobian
//! product (VJP): it receives the gradient of the loss with respect to a node's outputs and returns the
//! gradient with respect to its inputs. A gradient that does not exist is `None`, not zero.

mod activation;
mod context;
mod convolution;
mod einsum;
mod elementwise;
mod index;
mod layout;
mod linear;
mod local_response;
mod normalization;
mod pooling;
mod reduce;
mod resample;
mod scan;
mod trigonometric;

use crate::graph::Value;
use crate::{Builder, Error, Expr, Result, Tensor};
use context::{Grads, VjpContext};
use std::collections::{HashMap, HashSet};

/// Ops that are piecewise constant, or read only the shape: no gradient flows through them. (Outputs that are
/// not floating-point never carry one.)
const NO_GRADIENT: &[&str] =
    &["Ceil", "ConstantOfShape", "Floor", "Hardmax", "Range", "Round", "Shape", "Sign"];

impl Builder {
    /// Returns ∂`loss`/∂w for each w in `wrt`, with the shape of w. `loss` has one element.
    ///
    /// At kinks the gradients are those of PyTorch: 0 for Relu and Abs at 0, 1 for Clip at its bounds, equal
    /// shares among ties of Min, Max, ReduceMin, ReduceMax and a Scatter op with the reduction `min` or `max`,
    /// and the first maximum for MaxPool and GlobalMaxPool. Where the derivative is infinite or undefined (Sqrt
    /// at 0, Asin at ±1, the exponent of Pow at 0), the gradient is 0.
    ///
    /// The gradient is zero for a w that the loss does not depend on.
    ///
    /// # Errors
    /// [`Error::Input`] if `loss` is not a scalar. [`Error::Unsupported`] if a gradient has to pass through
    /// an op that has no gradient rule.
    pub fn gradient<'g>(&'g self, loss: Expr<'g>, wrt: &[Expr<'g>]) -> Result<Vec<Expr<'g>>> {
        self.check()?;
        if loss.size() != 1 {
            return Err(Error::Input(format!(
                "the loss must be a scalar, but it has shape {:?}",
                loss.shape()
            )));
        }
        let nodes = self.with_graph(|g| g.nodes().to_vec());

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
        let one = Tensor::from_f64(&loss.shape(), &[1.0], loss.dtype()).map(|t| self.constant(t));
        grads.extend(one.map(|one| (loss.value(), one)));
        for node in nodes.iter().rev() {
            let g: Vec<_> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
            if g.iter().all(Option::is_none) || !node.outputs.iter().any(|v| depends.contains(v)) {
                continue;
            }
            let ctx = VjpContext { builder: self, node, g, depends: &depends };
            for (input, grad) in node.inputs.iter().zip(vjp(&ctx)?) {
                let (Some(v), Some(grad)) = (input, grad) else { continue };
                if depends.contains(v) {
                    let sum = grads.get(v).map_or(grad, |&before| before + grad);
                    grads.insert(*v, sum);
                }
            }
        }
        self.check()?;
        let zero = |w: &Expr<'g>| w.number(0.0).expand(&w.shape());
        Ok(wrt.iter().map(|w| grads.get(&w.value()).copied().unwrap_or_else(|| zero(w))).collect())
    }
}

/// Dispatches to the section that has a rule for the node's op.
fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Grads<'g>> {
    let sections = [
        elementwise::vjp,
        activation::vjp,
        trigonometric::vjp,
        reduce::vjp,
        layout::vjp,
        index::vjp,
        scan::vjp,
        linear::vjp,
        einsum::vjp,
        convolution::vjp,
        pooling::vjp,
        normalization::vjp,
        local_response::vjp,
        resample::vjp,
    ];
    for section in sections {
        if let Some(grads) = section(ctx)? {
            return Ok(grads);
        }
    }
    Err(ctx.unsupported("it has no gradient rule"))
}
