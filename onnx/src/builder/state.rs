//! The builder's state: the graph so far, the table of known nodes, and constant folding.

use super::peephole;
use crate::graph::{Attrs, Graph, Node, Value, ValueInfo};
use crate::{DType, Error, OPSET, Tensor, eval, ops};
use std::collections::HashMap;

/// Constant results of up to this many elements are folded. Larger ones are left to the runtime, which folds
/// them at load time without making the file larger.
const FOLD_LIMIT: usize = 1 << 16;

/// Values that follow from weights are computed up to this many elements: enough for shapes and scales.
const KNOWN_LIMIT: usize = 64;

/// Upper limit on a value's element count. It is far beyond any machine, and shape arithmetic below it cannot
/// overflow.
const MAX_ELEMENTS: usize = 1 << 40;

/// Constants of up to this many elements are compared by content, larger ones by address.
const SMALL: usize = 64;

/// The result of folding a node.
enum Folded {
    /// The node is replaced by a constant.
    Constant(Tensor),
    /// The node stays; its value is known while its weights are not replaced.
    Known(Tensor),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) graph: Graph,
    seen: HashMap<String, Vec<Value>>,
    /// Index of the node that produces a value.
    made: HashMap<Value, usize>,
    /// Small values that follow from weights alone. They stay in the graph, so that a weight can be replaced or
    /// differentiated; shapes and other parameters that must be known are read from here.
    known: HashMap<Value, Tensor>,
    /// Bytes of all constants.
    pub(crate) constant_bytes: usize,
    pub(crate) error: Option<Error>,
}

impl State {
    pub(crate) fn value(&mut self, name: &str, shape: &[usize], dtype: DType) -> Value {
        let value = Value(self.graph.values.len() as u32);
        self.graph.values.push(ValueInfo { name: name.into(), shape: shape.to_vec(), dtype });
        value
    }

    pub(crate) fn constant(&mut self, name: &str, tensor: Tensor) -> Value {
        // Small constants with equal name and content share one value. So do large constants in the same
        // memory.
        let key = if tensor.len() <= SMALL {
            format!("const {name} {:?} {:?}", tensor.shape(), tensor.data())
        } else {
            format!("const {name} {:?} @{:?}", tensor.shape(), address(&tensor))
        };
        if let Some(found) = self.seen.get(&key) {
            return found[0];
        }
        let value = self.value(name, tensor.shape(), tensor.dtype());
        self.constant_bytes += tensor.len() * tensor.dtype().bytes();
        self.graph.constants.insert(value, tensor);
        self.seen.insert(key, vec![value]);
        value
    }

    /// Whether `v` is a named constant that a caller may replace or differentiate later, so that it must not be
    /// folded, whatever its size.
    pub(crate) fn is_weight(&self, v: Value) -> bool {
        let info = self.graph.info(v);
        info.dtype.is_float() && !info.name.is_empty() && self.graph.constant(v).is_some()
    }

    /// The tensor of a constant, or of a small value that follows from weights alone.
    pub(crate) fn known(&self, v: Value) -> Option<&Tensor> {
        self.graph.constant(v).or_else(|| self.known.get(&v))
    }

    /// The node that computes `v`, if any.
    pub(crate) fn producer(&self, v: Value) -> Option<&Node> {
        self.made.get(&v).and_then(|&i| self.graph.nodes.get(i))
    }

    /// Makes `value`, which a node computes, a graph input. The node gets a new unnamed output instead, so
    /// that pruning removes it.
    pub(crate) fn expose_as_input(&mut self, name: &str, value: Value) {
        let Some(&node) = self.made.get(&value) else {
            self.record_error(Error::Input(format!("no node computes the value to expose as `{name}`")), 0);
            return;
        };
        let ValueInfo { shape, dtype, .. } = self.graph.info(value).clone();
        let unused = self.value("", &shape, dtype);
        self.graph.nodes[node].outputs.iter_mut().filter(|o| **o == value).for_each(|o| *o = unused);
        self.graph.values[value.index()].name = name.into();
        self.graph.inputs.push(value);
    }

    /// Adds a node, or returns the existing values that hold the same result.
    pub(crate) fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[Option<Value>],
        attrs: Attrs,
        outputs: usize,
    ) -> Vec<Value> {
        if self.error.is_some() {
            return vec![Value(0); outputs];
        }
        // Trailing absent inputs are dropped. ONNX Runtime's CUDA convolution takes an input named "" for a
        // bias, and reads memory that is not there.
        let inputs = &inputs[..inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1)];
        if let Some(value) = peephole::rewrite(self, op, inputs, &attrs) {
            return vec![value];
        }
        let key = format!("{op} {inputs:?} {attrs:?} {outputs}");
        if let Some(found) = self.seen.get(&key) {
            return found.clone();
        }
        let results = match self.infer(op, name, inputs, &attrs, outputs) {
            Ok(results) => results,
            Err(e) => return self.record_error(e, outputs),
        };
        let known = match self.fold(op, inputs, &attrs, &results) {
            Some(Folded::Constant(tensor)) => {
                let value = self.constant("", tensor);
                self.seen.insert(key, vec![value]);
                return vec![value];
            }
            Some(Folded::Known(tensor)) => Some(tensor),
            None => None,
        };
        let values: Vec<_> = results.iter().map(|(shape, dtype)| self.value("", shape, *dtype)).collect();
        self.made.extend(values.iter().map(|&v| (v, self.graph.nodes.len())));
        self.known.extend(known.map(|tensor| (values[0], tensor)));
        self.graph.nodes.push(Node {
            op: op.into(),
            name: name.into(),
            inputs: inputs.to_vec(),
            outputs: values.clone(),
            attrs,
        });
        self.seen.insert(key, values.clone());
        values
    }

    /// Shape and element type of each output, by the op's rule.
    fn infer(
        &self,
        op: &str,
        name: &str,
        inputs: &[Option<Value>],
        attrs: &Attrs,
        outputs: usize,
    ) -> Result<Vec<(Vec<usize>, DType)>, Error> {
        let args: Vec<_> = inputs.iter().map(|v| v.map(|v| self.arg(v))).collect();
        let results = ops::infer(op, attrs, &args, outputs).map_err(|reason| {
            let shapes: Vec<_> = args.iter().flatten().map(|a| format!("{:?}", a.shape)).collect();
            let at = if name.is_empty() { String::new() } else { format!(" (node `{name}`)") };
            let text = format!("{op}{at} of opset {OPSET} on shapes {}: {reason}", shapes.join(", "));
            if reason.starts_with("no rule") { Error::Unsupported(text) } else { Error::Model(text) }
        })?;
        if let Some(e) = results.iter().find_map(|(shape, _)| too_large(&format!("{op} `{name}`"), shape)) {
            return Err(e);
        }
        match results.len() == outputs {
            true => Ok(results),
            false => Err(Error::Unsupported(format!(
                "{op} `{name}` with {outputs} outputs: there is a rule for {} only",
                results.len()
            ))),
        }
    }

    fn arg(&self, v: Value) -> ops::Arg<'_> {
        let info = self.graph.info(v);
        ops::Arg { shape: &info.shape, dtype: info.dtype, constant: self.known(v) }
    }

    fn fold(
        &self,
        op: &str,
        inputs: &[Option<Value>],
        attrs: &Attrs,
        results: &[(Vec<usize>, DType)],
    ) -> Option<Folded> {
        let [(shape, dtype)] = results else { return None };
        if op == "Shape" {
            let dims: Vec<i64> = self.graph.info(inputs[0]?).shape.iter().map(|&d| d as i64).collect();
            return eval::slice_shape(&dims, attrs).map(Folded::Constant);
        }
        if op == "Size" {
            let size = self.graph.info(inputs[0]?).shape.iter().product::<usize>();
            return Tensor::ints(&[size as i64]).reshaped(&[]).map(Folded::Constant);
        }
        // An Expand of a constant stays as it is: the runtime repeats the value without enlarging the file.
        if op == "Expand" && dtype.is_float() {
            return None;
        }
        let from_weights = inputs.iter().flatten().any(|&v| self.is_weight(v) || self.known.contains_key(&v));
        let args: Option<Vec<&Tensor>> = inputs.iter().flatten().map(|&v| self.known(v)).collect();
        let args = args?;
        let size: usize = shape.iter().product();
        let limit = if from_weights { KNOWN_LIMIT } else { FOLD_LIMIT };
        let small = size <= limit && args.iter().all(|t| t.len() <= limit);
        if !(small || op == "Cast" && !from_weights) {
            return None;
        }
        let tensor = eval::eval(op, attrs, &args, shape, *dtype)?;
        // Integers are sizes, axes and indices: graphs are static, so they are folded whatever they follow from.
        let is_int = matches!(dtype, DType::I64 | DType::I32);
        Some(if from_weights && !is_int { Folded::Known(tensor) } else { Folded::Constant(tensor) })
    }

    pub(super) fn record_error(&mut self, error: Error, outputs: usize) -> Vec<Value> {
        self.error.get_or_insert(error);
        let value = self.value("", &[], DType::F32);
        vec![value; outputs]
    }
}

/// The error for a shape with more than [`MAX_ELEMENTS`] elements.
pub(super) fn too_large(what: &str, shape: &[usize]) -> Option<Error> {
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    (count.is_none_or(|n| n > MAX_ELEMENTS)).then(|| {
        Error::Limits(format!("{what} would have the shape {shape:?}, more than {MAX_ELEMENTS} elements"))
    })
}

fn address(tensor: &Tensor) -> *const u8 {
    use crate::Data::*;
    match tensor.data() {
        F32(v) => v.as_ptr().cast(),
        F16(v) => v.as_ptr().cast(),
        F64(v) => v.as_ptr().cast(),
        I64(v) => v.as_ptr().cast(),
        I32(v) => v.as_ptr().cast(),
        U8(v) => v.as_ptr().cast(),
        I8(v) => v.as_ptr().cast(),
        Bool(v) => v.as_ptr().cast(),
    }
}
