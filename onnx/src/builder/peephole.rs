//! Local rewrites that preserve the result and never cost more, applied as a node is added.

use super::state::State;
use crate::Tensor;
use crate::graph::{Attrs, Node, Value};
use crate::ops::{broadcast, permutation};

/// The value that already holds the result of `op`, if a rewrite finds one.
pub(crate) fn rewrite(state: &mut State, op: &str, inputs: &[Option<Value>], attrs: &Attrs) -> Option<Value> {
    let first = (*inputs.first()?)?;
    if let Some(inputs) = without_expand(state, op, inputs) {
        return Some(state.node(op, "", &inputs, attrs.clone(), 1)[0]);
    }
    if let Some((fewer, dims)) = delay_expand(state, op, inputs) {
        let small = state.node(op, "", &fewer, attrs.clone(), 1)[0];
        return Some(state.node("Expand", "", &[Some(small), dims], Attrs::new(), 1)[0]);
    }
    if let Some(inputs) = match_rank(state, op, inputs) {
        return Some(state.node(op, "", &inputs, attrs.clone(), 1)[0]);
    }
    let shape = |v: Value| &state.graph.info(v).shape;
    match op {
        "Identity" | "Dropout" => Some(first),
        "Add" | "Sub" | "Mul" | "Div" => {
            let second = (*inputs.get(1)?)?;
            let neutral = if matches!(op, "Add" | "Sub") { 0.0 } else { 1.0 };
            let is_neutral = |v: Value| {
                !state.is_weight(v)
                    && state.graph.constant(v).is_some_and(|t| t.len() == 1 && t.to_f64()[0] == neutral)
            };
            // The neutral element must not add axes: x[3] + 0[1,1] has shape [1,3].
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
        "Cast" => (attrs.get_int("to", 0) == state.graph.info(first).dtype.onnx_code()).then_some(first),
        "Reshape" => {
            let target = resolved(state, first, inputs, attrs)?;
            if *shape(first) == target {
                return Some(first);
            }
            // Reshape of a Reshape: skip the inner one.
            let before = producer(state, first, "Reshape")?.inputs[0]?;
            if target.contains(&0) {
                return None; // a size of 0 means "copy from the input"
            }
            let dims: Vec<i64> = target.iter().map(|&d| d as i64).collect();
            let dims = state.constant("", Tensor::ints(&dims));
            Some(state.node("Reshape", "", &[Some(before), Some(dims)], Attrs::new(), 1)[0])
        }
        "Transpose" => {
            let rank = shape(first).len();
            let perm = permutation(attrs, rank);
            if perm.len() == rank && perm.iter().enumerate().all(|(i, &p)| i == p) {
                return Some(first);
            }
            // Transpose of a Transpose: merge into one, or cancel. Networks exported from NHWC depend on
            // this.
            let node = producer(state, first, "Transpose")?;
            let (before, inner) = (node.inputs[0]?, permutation(&node.attrs, rank));
            let both: Option<Vec<i64>> = perm.iter().map(|&p| inner.get(p).map(|&i| i as i64)).collect();
            Some(state.node("Transpose", "", &[Some(before)], Attrs::new().ints("perm", &both?), 1)[0])
        }
        "Slice" => {
            let ints = |i: usize| state.graph.constant((*inputs.get(i)?)?)?.as_i64();
            let (starts, ends, axes, steps) = (ints(1)?, ints(2)?, ints(3)?, ints(4)?);
            let size = |axis: i64| shape(first).get(usize::try_from(axis).ok()?).map(|&d| d as i64);
            let all = |((&start, &end), (&axis, &step))| {
                start == 0 && step == 1 && size(axis).is_some_and(|size| end >= size)
            };
            let well_formed = [ends, axes, steps].iter().all(|i| i.len() == starts.len());
            (well_formed && starts.iter().zip(ends).zip(axes.iter().zip(steps)).all(all)).then_some(first)
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

/// The inputs of a broadcasting op without an Expand that the op's own broadcasting replaces.
fn without_expand(state: &State, op: &str, inputs: &[Option<Value>]) -> Option<Vec<Option<Value>>> {
    if !matches!(op, "Add" | "Sub" | "Mul" | "Div" | "Where") {
        return None;
    }
    let result = |inputs: &[Option<Value>]| {
        let shapes: Vec<&[usize]> =
            inputs.iter().flatten().map(|&v| &state.graph.info(v).shape[..]).collect();
        broadcast(&shapes).ok()
    };
    let whole = result(inputs)?;
    (0..inputs.len()).find_map(|i| {
        let mut fewer = inputs.to_vec();
        fewer[i] = producer(state, inputs[i]?, "Expand")?.inputs[0];
        (result(&fewer)? == whole).then_some(fewer)
    })
}

/// For a binary op on an Expand and a scalar: the inputs without the Expand, and the Expand's target shape.
/// The Expand then follows the op, which runs on fewer elements.
fn delay_expand(
    state: &State,
    op: &str,
    inputs: &[Option<Value>],
) -> Option<(Vec<Option<Value>>, Option<Value>)> {
    if !matches!(op, "Add" | "Sub" | "Mul" | "Div") {
        return None;
    }
    (0..2).find_map(|i| {
        let node = producer(state, (*inputs.get(i)?)?, "Expand")?;
        let scalar = state.graph.info((*inputs.get(1 - i)?)?).shape.is_empty();
        let mut fewer = inputs.to_vec();
        fewer[i] = node.inputs[0];
        scalar.then(|| (fewer, node.inputs.get(1).copied().flatten()))
    })
}

/// Reshapes scalar operands of an element-wise op to the rank of an operand whose trailing axes have size 1.
/// ONNX Runtime's CPU kernels take fifty times as long for `[O,I,1,1]` and `[]` as for `[O,I,1,1]` and
/// `[1,1,1,1]`.
fn match_rank(state: &mut State, op: &str, inputs: &[Option<Value>]) -> Option<Vec<Option<Value>>> {
    if !matches!(op, "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Greater" | "Where") {
        return None;
    }
    let shapes: Option<Vec<_>> = inputs.iter().map(|v| Some(state.graph.info((*v)?).shape.clone())).collect();
    let shapes = shapes?;
    let rank = shapes.iter().filter(|s| s.len() > 1 && s.ends_with(&[1])).map(Vec::len).max()?;
    let is_low = |shape: &Vec<usize>| shape.len() < rank && shape.iter().all(|&d| d == 1);
    if shapes.iter().any(|shape| shape.len() > rank) || !shapes.iter().any(is_low) {
        return None;
    }
    // Not a Reshape: a Reshape of a Reshape skips the inner one, whose gradient a caller may ask for.
    let level = |(&input, shape): (&Option<Value>, &Vec<usize>)| match is_low(shape) {
        true => {
            let axes: Vec<i64> = (0..(rank - shape.len()) as i64).collect();
            let axes = state.constant("", Tensor::ints(&axes));
            Some(state.node("Unsqueeze", "", &[input, Some(axes)], Attrs::new(), 1)[0])
        }
        false => input,
    };
    Some(inputs.iter().zip(&shapes).map(level).collect())
}

fn producer<'a>(state: &'a State, value: Value, op: &str) -> Option<&'a Node> {
    state.producer(value).filter(|n| n.op == op)
}

fn resolved(state: &State, first: Value, inputs: &[Option<Value>], attrs: &Attrs) -> Option<Vec<usize>> {
    let info = state.graph.info(first);
    let dims = state.graph.constant((*inputs.get(1)?)?)?;
    crate::ops::reshape_target(&info.shape, dims.as_i64()?, attrs).ok()
}
