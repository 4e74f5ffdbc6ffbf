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
mod of_graph;
mod pooling;
mod reduce;
mod resample;
mod scan;
mod trigonometric;

pub use of_graph::Seed;

use crate::graph::{Node, Value};
use crate::ops::QUANTIZING;
use crate::{Builder, Error, Expr, Result, Tensor};
use context::{Grads, VjpContext};
use std::collections::{HashMap, HashSet};

/// Ops that are piecewise constant, or read only the shape: no gradient flows through them. (Outputs that are
/// not floating-point never carry one.)
const NO_GRADIENT: &[&str] =
    &["Ceil", "ConstantOfShape", "Floor", "Hardmax", "Range", "Round", "Shape", "Sign"];

/// Inputs on which the result does not depend in value, as (op, input): it reads their type or shape only.
/// Every other floating-point input has a rule, or is refused when a gradient reaches it.
const ZERO_INPUTS: &[(&str, usize)] = &[("CastLike", 1), ("EyeLike", 0)];

/// Ops whose rules take the gradients of all outputs. For other ops, the gradient of any output but the first
/// is refused.
const SEVERAL_OUTPUTS: &[&str] = &["LayerNormalization", "MaxPool", "Split", "TopK"];

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
        let one = Tensor::from_f64(&loss.shape(), &[1.0], loss.dtype()).map(|t| self.constant(t));
        let seeds: Vec<_> = one.map(|one| (loss, one)).into_iter().collect();
        self.vector_jacobian_product(&seeds, wrt)
    }

    /// Returns ∂(Σ y·v)/∂w for each w in `wrt`, summed over the pairs (y, v) of `seeds`. v has the shape and
    /// the element type of y, and counts as a constant.
    ///
    /// # Errors
    /// As [`Builder::gradient`]; [`Error::Input`] if a seed does not fit its output.
    pub fn vector_jacobian_product<'g>(
        &'g self,
        seeds: &[(Expr<'g>, Expr<'g>)],
        wrt: &[Expr<'g>],
    ) -> Result<Vec<Expr<'g>>> {
        self.check()?;
        if let Some((y, v)) = seeds.iter().find(|(y, v)| y.shape() != v.shape() || y.dtype() != v.dtype()) {
            return Err(Error::Input(format!(
                "the seed is {:?} {:?}, but the output is {:?} {:?}",
                v.dtype(),
                v.shape(),
                y.dtype(),
                y.shape()
            )));
        }
        let nodes = self.with_graph(|g| g.nodes().to_vec());
        let depends = self.dependents(&nodes, wrt);
        // Backward: accumulate ∂(Σ y·v)/∂value.
        let mut grads: HashMap<Value, Expr<'g>> = HashMap::new();
        for (y, v) in seeds {
            let sum = grads.get(&y.value()).map_or(*v, |&before| before + *v);
            grads.insert(y.value(), sum);
        }
        for node in nodes.iter().rev() {
            let g: Vec<_> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
            if g.iter().all(Option::is_none) || !node.outputs.iter().any(|v| depends.contains(v)) {
                continue;
            }
            let ctx = VjpContext { builder: self, node, g, depends: &depends };
            let later = ctx.g.iter().skip(1).position(Option::is_some);
            let is_known = SEVERAL_OUTPUTS.contains(&ctx.op()) || QUANTIZING.contains(&ctx.op());
            if let Some(i) = later.filter(|_| !is_known) {
                return Err(ctx.unsupported(&format!("its output {} has no gradient rule", i + 1)));
            }
            let found = vjp(&ctx)?;
            for (i, input) in node.inputs.iter().enumerate() {
                let Some(v) = input.filter(|v| depends.contains(v)) else { continue };
                match found.get(i).copied().flatten() {
                    Some(grad) => {
                        let sum = grads.get(&v).map_or(grad, |&before| before + grad);
                        grads.insert(v, sum);
                    }
                    None if is_zero(&node.op, i) => {}
                    // Depends and is not a float: a quantised value, which the rules above have refused.
                    None if !self.expr(v).dtype().is_float() => {}
                    // The same value again, such as in a square: the first gradient covers both.
                    None if node.inputs[..i].contains(input) => {}
                    None => return Err(ctx.unsupported(&format!("its input {i} has no gradient rule"))),
                }
            }
        }
        self.check()?;
        let zero = |w: &Expr<'g>| w.number(0.0).expand(&w.shape());
        Ok(wrt.iter().map(|w| grads.get(&w.value()).copied().unwrap_or_else(|| zero(w))).collect())
    }

    /// The values that depend on `wrt` and can carry a gradient.
    fn dependents(&self, nodes: &[Node], wrt: &[Expr<'_>]) -> HashSet<Value> {
        let mut depends: HashSet<Value> = wrt.iter().map(|e| e.value()).collect();
        for node in nodes {
            let reads = |(i, v): (usize, &Option<Value>)| {
                v.is_some_and(|v| depends.contains(&v)) && !is_zero(&node.op, i)
            };
            if node.inputs.iter().enumerate().any(reads) && !self.is_step(node) {
                let is_quantizing = QUANTIZING.contains(&node.op.as_str());
                let carries = |v: &&Value| is_quantizing || self.expr(**v).dtype().is_float();
                depends.extend(node.outputs.iter().filter(carries));
            }
        }
        depends
    }

    /// Whether `node` is a step function as the rules emit it: a Clip of a value times the largest float. It
    /// is constant on both sides of the step, so no gradient flows through it.
    fn is_step(&self, node: &Node) -> bool {
        let producer = |v: Option<Value>| v.and_then(|v| self.producer(self.expr(v)));
        if node.op != "Clip" {
            return false;
        }
        let Some(mut from) = producer(node.inputs[0]) else { return false };
        while from.op == "Expand" {
            let Some(before) = producer(from.inputs[0]) else { return false };
            from = before;
        }
        let is_largest = |v: &Value| {
            let tensor = self.expr(*v).constant();
            tensor.is_some_and(|t| t.len() == 1 && [f32::MAX.into(), f64::MAX].contains(&t.to_f64()[0]))
        };
        from.op == "Mul" && from.inputs.iter().flatten().any(is_largest)
    }
}

/// Whether input `i` of `op` has the gradient 0 by definition.
pub(crate) fn is_zero(op: &str, i: usize) -> bool {
    NO_GRADIENT.contains(&op) || ZERO_INPUTS.contains(&(op, i))
}

/// Dispatches to the section that has a rule for the node's op.
fn vjp<'g>(ctx: &VjpContext<'_, 'g>) -> Result<Grads<'g>> {
    if QUANTIZING.contains(&ctx.op()) {
        return Err(ctx.unsupported("quantized values have no gradient; use the network before quantization"));
    }
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
