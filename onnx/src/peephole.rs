//! Rewrites that are always right and always cheaper, applied as a node is added.

use crate::expr::State;
use crate::graph::{Attr, Attrs, Node, Value};
use crate::{DType, Tensor};

/// The value that already holds the result of `op`, where there is one.
pub(crate) fn rewrite(state: &mut State, op: &str, inputs: &[Option<Value>], attrs: &Attrs) -> Option<Value> {
    let first = (*inputs.first()?)?;
    let shape = |v: Value| &state.graph.info(v).shape;
    match op {
        "Identity" | "Dropout" => Some(first),
        "Add" | "Sub" | "Mul" | "Div" => {
            let second = (*inputs.get(1)?)?;
            let neutral = if matches!(op, "Add" | "Sub") { 0.0 } else { 1.0 };
            let is_neutral =
                |v: Value| state.graph.constant(v).is_some_and(|t| t.len() == 1 && t.to_f64()[0] == neutral);
            // The neutral element must not widen the shape: x[3] + 0[1,1] is [1,3].
            if is_neutral(second) && shape(second).len() <= shape(first).len() {
                Some(first)
            } else if matches!(op, "Add" | "Mul")
                && is_neutral(first)
                && shape(first).len() <= shape(second).len()
            {
                Some(second)
            } else {
                None
            }
        }
        "Cast" => (attrs.get_int("to", 0) == crate::write::onnx_type(state.graph.info(first).dtype))
            .then_some(first),
        "Reshape" => {
            let target = resolved(state, first, inputs, attrs)?;
            if *shape(first) == target {
                return Some(first);
            }
            // Reshape of a reshape: skip the one between.
            let before = producer(state, first, "Reshape")?.inputs[0]?;
            let dims: Vec<i64> = target.iter().map(|&d| d as i64).collect();
            let dims = state.constant("", Tensor::ints(&dims));
            Some(state.node("Reshape", "", &[Some(before), Some(dims)], Attrs::new(), 1)[0])
        }
        "Transpose" => {
            let rank = shape(first).len();
            let perm = perm(attrs, rank);
            if perm.iter().enumerate().all(|(i, &p)| i as i64 == p) {
                return Some(first);
            }
            // Transpose of a transpose: one, or none where they cancel. Networks exported from NHWC live on this.
            let node = producer(state, first, "Transpose")?;
            let (before, inner) = (node.inputs[0]?, self::perm(&node.attrs, rank));
            let both: Option<Vec<i64>> = perm.iter().map(|&p| inner.get(p as usize).copied()).collect();
            Some(state.node("Transpose", "", &[Some(before)], Attrs::new().ints("perm", &both?), 1)[0])
        }
        "Expand" => {
            let dims = state.graph.constant((*inputs.get(1)?)?)?.as_i64()?.to_vec();
            let same = dims.len() <= shape(first).len()
                && dims.iter().rev().zip(shape(first).iter().rev()).all(|(&d, &s)| d == 1 || d == s as i64);
            same.then_some(first)
        }
        _ => None,
    }
}

fn producer<'a>(state: &'a State, value: Value, op: &str) -> Option<&'a Node> {
    // Nodes are few and looked up from the end, where the producer of a fresh value is.
    state.graph.nodes.iter().rev().find(|n| n.outputs.contains(&value)).filter(|n| n.op == op)
}

fn perm(attrs: &Attrs, rank: usize) -> Vec<i64> {
    match attrs.0.get("perm") {
        Some(Attr::Ints(p)) => p.clone(),
        _ => (0..rank as i64).rev().collect(),
    }
}

fn resolved(state: &State, first: Value, inputs: &[Option<Value>], attrs: &Attrs) -> Option<Vec<usize>> {
    let info = state.graph.info(first);
    let dims = state.graph.constant((*inputs.get(1)?)?)?;
    debug_assert_eq!(dims.dtype(), DType::I64);
    crate::ops::reshape_target(&info.shape, dims.as_i64()?, attrs).ok()
}
