//! Building graphs: a [`Builder`] collects nodes, an [`Expr`] is a handle to a value with `+ - * /` and the ops.
//!
//! Shapes are inferred as nodes are added. An ill-formed op does not panic: the first error is kept, later ops
//! on its result are ignored, and [`Builder::finish`] returns it. Nodes are hash-consed (equal ops on equal
//! inputs are one node) and small constant expressions are folded, so a finished graph is already simplified.

use crate::graph::{Attrs, Graph, Node, Value, ValueInfo};
use crate::{DType, Error, OPSET, Result, Tensor, eval, ops, peephole};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// Constant results up to this many elements are folded; larger ones are left to the runtime, which folds them
/// at load without making the file larger.
const FOLD_LIMIT: usize = 1 << 16;

/// No value may have more elements: far beyond any machine, and shape arithmetic below it cannot overflow.
const MAX_ELEMENTS: usize = 1 << 40;

/// Constants up to this many elements are compared by content, larger ones by address.
const SMALL: usize = 64;

/// Collects nodes into a [`Graph`].
#[derive(Default)]
pub struct Builder {
    state: RefCell<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) graph: Graph,
    seen: HashMap<String, Vec<Value>>,
    /// Which node made a value.
    made: HashMap<Value, usize>,
    pub(crate) error: Option<Error>,
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

    /// Copies `graph` into this one and returns its outputs. `bindings` gives a value to each of its inputs, and
    /// may replace named constants too: so a generator's weights become inputs of a training graph. A binding whose
    /// name the graph does not have is an error.
    pub fn inline<'g>(&'g self, graph: &Graph, bindings: &[(&str, Expr<'_>)]) -> Result<Vec<Expr<'g>>> {
        let bound: HashMap<&str, Value> = bindings.iter().map(|(n, e)| (*n, e.value)).collect();
        let known: HashSet<&str> =
            graph.inputs.iter().chain(graph.constants.keys()).map(|&v| graph.info(v).name.as_str()).collect();
        if let Some((name, _)) = bindings.iter().find(|(name, _)| !known.contains(name)) {
            return Err(Error::Input(format!("the graph has neither an input nor a weight called `{name}`")));
        }
        if let Some((name, _)) = bindings.iter().find(|(_, e)| !std::ptr::eq(e.builder, self)) {
            return Err(Error::Input(format!("the value bound to `{name}` belongs to another builder")));
        }
        let mut state = self.state.borrow_mut();
        let mut map: HashMap<Value, Value> = HashMap::new();
        for &v in graph.inputs.iter().chain(graph.constants.keys()) {
            let info = graph.info(v);
            let target = match (bound.get(info.name.as_str()), graph.constants.get(&v)) {
                (Some(&to), _) => {
                    let given = state.graph.info(to);
                    if given.shape != info.shape || given.dtype != info.dtype {
                        return Err(Error::Input(format!(
                            "`{}` is {:?} {:?}, but a value that is {:?} {:?} was bound to it",
                            info.name, info.dtype, info.shape, given.dtype, given.shape
                        )));
                    }
                    to
                }
                (None, Some(tensor)) => state.constant(&info.name, tensor.clone()),
                (None, None) => {
                    return Err(Error::Input(format!("no value was bound to the input `{}`", info.name)));
                }
            };
            map.insert(v, target);
        }
        for node in &graph.nodes {
            let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| map[&v])).collect();
            let outputs = state.node(&node.op, &node.name, &inputs, node.attrs.clone(), node.outputs.len());
            map.extend(node.outputs.iter().copied().zip(outputs));
        }
        Ok(graph.outputs.iter().map(|(_, v)| Expr { builder: self, value: map[v] }).collect())
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

    pub(crate) fn expr(&self, value: Value) -> Expr<'_> {
        Expr { builder: self, value }
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(&Graph) -> R) -> R {
        f(&self.state.borrow().graph)
    }
}

impl State {
    pub(crate) fn value(&mut self, name: &str, shape: &[usize], dtype: DType) -> Value {
        let value = Value(self.graph.values.len() as u32);
        self.graph.values.push(ValueInfo { name: name.into(), shape: shape.to_vec(), dtype });
        value
    }

    pub(crate) fn constant(&mut self, name: &str, tensor: Tensor) -> Value {
        // Equal small constants of one name, and shared large ones (the same memory), are one value.
        let key = if tensor.len() <= SMALL {
            format!("const {name} {:?} {:?}", tensor.shape(), tensor.data())
        } else {
            format!("const {name} {:?} @{:?}", tensor.shape(), address(&tensor))
        };
        if let Some(found) = self.seen.get(&key) {
            return found[0];
        }
        let value = self.value(name, tensor.shape(), tensor.dtype());
        self.graph.constants.insert(value, tensor);
        self.seen.insert(key, vec![value]);
        value
    }

    /// Whether `v` is a named constant that may be replaced later: it must stay what it is.
    pub(crate) fn is_weight(&self, v: Value) -> bool {
        let info = self.graph.info(v);
        info.dtype.is_float() && !info.name.is_empty() && self.graph.constant(v).is_some_and(|t| t.len() > 1)
    }

    /// The node that computes `v`, where one does.
    pub(crate) fn producer(&self, v: Value) -> Option<&Node> {
        self.made.get(&v).and_then(|&i| self.graph.nodes.get(i))
    }

    /// Adds a node, or returns the values that already hold its result.
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
        if let Some(value) = peephole::rewrite(self, op, inputs, &attrs) {
            return vec![value];
        }
        let key = format!("{op} {inputs:?} {attrs:?} {outputs}");
        if let Some(found) = self.seen.get(&key) {
            return found.clone();
        }
        let results = {
            let args: Vec<_> = inputs.iter().map(|v| v.map(|v| self.arg(v))).collect();
            ops::infer(op, &attrs, &args, outputs).map_err(|reason| {
                let shapes: Vec<_> = args.iter().flatten().map(|a| format!("{:?}", a.shape)).collect();
                let at = if name.is_empty() { String::new() } else { format!(" (node `{name}`)") };
                let text = format!("{op}{at} of opset {OPSET} on shapes {}: {reason}", shapes.join(", "));
                if reason.starts_with("no rule") { Error::Unsupported(text) } else { Error::Model(text) }
            })
        };
        let results = match results {
            Ok(r) => r,
            Err(e) => return self.poison(e, outputs),
        };
        if let Some(e) = results.iter().find_map(|(shape, _)| too_large(&format!("{op} `{name}`"), shape)) {
            return self.poison(e, outputs);
        }
        if results.len() != outputs {
            let text =
                format!("{op} `{name}` with {outputs} outputs: we have a rule for {} only", results.len());
            return self.poison(Error::Unsupported(text), outputs);
        }
        if let Some(tensor) = self.fold(op, inputs, &attrs, &results) {
            let value = self.constant("", tensor);
            self.seen.insert(key, vec![value]);
            return vec![value];
        }
        let values: Vec<_> = results.iter().map(|(shape, dtype)| self.value("", shape, *dtype)).collect();
        self.made.extend(values.iter().map(|&v| (v, self.graph.nodes.len())));
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

    fn arg(&self, v: Value) -> ops::Arg<'_> {
        let info = self.graph.info(v);
        ops::Arg { shape: &info.shape, dtype: info.dtype, constant: self.graph.constant(v) }
    }

    fn fold(
        &self,
        op: &str,
        inputs: &[Option<Value>],
        attrs: &Attrs,
        results: &[(Vec<usize>, DType)],
    ) -> Option<Tensor> {
        let [(shape, dtype)] = results else { return None };
        if op == "Shape" {
            let dims: Vec<i64> = self.graph.info(inputs[0]?).shape.iter().map(|&d| d as i64).collect();
            return eval::slice_shape(&dims, attrs);
        }
        if inputs.iter().flatten().any(|&v| self.is_weight(v)) {
            return None;
        }
        // A repeated number is better repeated by whoever reads it.
        if op == "Expand" && dtype.is_float() {
            return None;
        }
        let args: Option<Vec<&Tensor>> = inputs.iter().flatten().map(|&v| self.graph.constant(v)).collect();
        let args = args?;
        let size: usize = shape.iter().product();
        let small = size <= FOLD_LIMIT && args.iter().all(|t| t.len() <= FOLD_LIMIT);
        if small || op == "Cast" { eval::eval(op, attrs, &args, shape, *dtype) } else { None }
    }

    fn poison(&mut self, error: Error, outputs: usize) -> Vec<Value> {
        self.error.get_or_insert(error);
        let value = self.value("", &[], DType::F32);
        vec![value; outputs]
    }
}

/// The refusal of a shape with more than [`MAX_ELEMENTS`] elements.
fn too_large(what: &str, shape: &[usize]) -> Option<Error> {
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
        Bool(v) => v.as_ptr().cast(),
    }
}

impl<'g> Expr<'g> {
    /// The builder that this value belongs to.
    pub fn builder(self) -> &'g Builder {
        self.builder
    }

    /// The value behind the handle.
    pub fn value(self) -> Value {
        self.value
    }

    /// Static shape.
    pub fn shape(self) -> Vec<usize> {
        self.builder.with(|g| g.info(self.value).shape.clone())
    }

    /// Size of axis `i` (0 where there is no such axis).
    pub fn dim(self, i: usize) -> usize {
        self.shape().get(i).copied().unwrap_or(0)
    }

    /// Element type.
    pub fn dtype(self) -> DType {
        self.builder.with(|g| g.info(self.value).dtype)
    }

    /// Number of elements.
    pub fn size(self) -> usize {
        self.shape().iter().product()
    }

    /// The constant behind the value, where it is one.
    pub fn constant(self) -> Option<Tensor> {
        self.builder.with(|g| g.constant(self.value).cloned())
    }

    /// One-input, one-output op without attributes.
    pub fn unary(self, op: &str) -> Expr<'g> {
        self.builder.op1(op, &[self], Attrs::new())
    }

    /// Two-input, one-output op without attributes; numpy broadcasting where the op has it.
    pub fn binary(self, op: &str, other: Expr<'g>) -> Expr<'g> {
        self.builder.op1(op, &[self, other], Attrs::new())
    }

    fn ints(self, values: &[i64]) -> Expr<'g> {
        self.builder.constant(Tensor::ints(values))
    }

    /// e^x.
    pub fn exp(self) -> Expr<'g> {
        self.unary("Exp")
    }

    /// √x.
    pub fn sqrt(self) -> Expr<'g> {
        self.unary("Sqrt")
    }

    /// 1/x.
    pub fn reciprocal(self) -> Expr<'g> {
        self.unary("Reciprocal")
    }

    /// x².
    pub fn square(self) -> Expr<'g> {
        self * self
    }

    /// |x|.
    pub fn abs(self) -> Expr<'g> {
        self.unary("Abs")
    }

    /// max(x, 0).
    pub fn relu(self) -> Expr<'g> {
        self.unary("Relu")
    }

    /// x where x ≥ 0, `slope`·x elsewhere.
    pub fn leaky_relu(self, slope: f32) -> Expr<'g> {
        self.builder.op1("LeakyRelu", &[self], Attrs::new().float("alpha", slope))
    }

    /// x > y, as truth values.
    pub fn greater(self, other: Expr<'g>) -> Expr<'g> {
        self.binary("Greater", other)
    }

    /// `self` ? a : b, element by element.
    pub fn select(self, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
        self.builder.op1("Where", &[self, a, b], Attrs::new())
    }

    /// Matrix product over the last two axes.
    pub fn matmul(self, other: Expr<'g>) -> Expr<'g> {
        self.binary("MatMul", other)
    }

    /// 2-D matrix product with either side transposed first: [m,k]·[k,n].
    pub fn gemm(self, other: Expr<'g>, trans_a: bool, trans_b: bool) -> Expr<'g> {
        let attrs = Attrs::new().int("transA", trans_a.into()).int("transB", trans_b.into());
        self.builder.op1("Gemm", &[self, other], attrs)
    }

    /// The same elements in another shape.
    pub fn reshape(self, shape: &[usize]) -> Expr<'g> {
        let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        self.builder.op1("Reshape", &[self, self.ints(&dims)], Attrs::new())
    }

    /// Axes in another order: axis i of the result is axis `perm[i]`.
    pub fn transpose(self, perm: &[usize]) -> Expr<'g> {
        let perm: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        self.builder.op1("Transpose", &[self], Attrs::new().ints("perm", &perm))
    }

    /// Broadcasts to `shape`.
    pub fn expand(self, shape: &[usize]) -> Expr<'g> {
        let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        self.builder.op1("Expand", &[self, self.ints(&dims)], Attrs::new())
    }

    /// Sum over `axes`, which stay with size 1 where `keep`.
    pub fn sum(self, axes: &[usize], keep: bool) -> Expr<'g> {
        self.reduce("ReduceSum", axes, keep)
    }

    /// Mean over `axes`, which stay with size 1 where `keep`.
    pub fn mean(self, axes: &[usize], keep: bool) -> Expr<'g> {
        self.reduce("ReduceMean", axes, keep)
    }

    /// Sum of all elements, shape `[]`.
    pub fn sum_all(self) -> Expr<'g> {
        let axes: Vec<usize> = (0..self.shape().len()).collect();
        self.sum(&axes, false)
    }

    /// Mean of all elements, shape `[]`.
    pub fn mean_all(self) -> Expr<'g> {
        let axes: Vec<usize> = (0..self.shape().len()).collect();
        self.mean(&axes, false)
    }

    fn reduce(self, op: &str, axes: &[usize], keep: bool) -> Expr<'g> {
        if axes.is_empty() {
            return self;
        }
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        self.builder.op1(op, &[self, self.ints(&axes)], Attrs::new().int("keepdims", keep.into()))
    }

    /// `[start, end)` in steps of `step` along each of `axes`; ONNX `Slice` semantics.
    pub fn slice(self, axes: &[usize], starts: &[i64], ends: &[i64], steps: &[i64]) -> Expr<'g> {
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        let args = [self, self.ints(starts), self.ints(ends), self.ints(&axes), self.ints(steps)];
        self.builder.op1("Slice", &args, Attrs::new())
    }

    /// Zero padding: `before` and `after` per axis. Negative values cut off instead.
    pub fn pad(self, before: &[i64], after: &[i64]) -> Expr<'g> {
        let grow = |e: Expr<'g>| {
            let pads: Vec<i64> = before.iter().chain(after).map(|&p| p.max(0)).collect();
            if pads.iter().all(|&p| p == 0) {
                e
            } else {
                e.builder.op1("Pad", &[e, e.ints(&pads)], Attrs::new())
            }
        };
        let cut = |e: Expr<'g>| {
            let axes: Vec<usize> = (0..before.len()).filter(|&i| before[i] < 0 || after[i] < 0).collect();
            let starts: Vec<i64> = axes.iter().map(|&i| (-before[i]).max(0)).collect();
            let ends: Vec<i64> = axes.iter().map(|&i| e.dim(i) as i64 + after[i].min(0)).collect();
            if axes.is_empty() { e } else { e.slice(&axes, &starts, &ends, &vec![1; axes.len()]) }
        };
        // Cutting first is cheaper, but a cut may reach into the padding.
        let fits = |i: usize| (-before[i]).max(0) + (-after[i]).max(0) <= self.dim(i) as i64;
        if (0..before.len()).all(fits) { grow(cut(self)) } else { cut(grow(self)) }
    }

    /// Joins values along `axis`.
    pub fn concat(values: &[Expr<'g>], axis: usize) -> Expr<'g> {
        match values {
            [one] => *one,
            [first, ..] => first.builder.op1("Concat", values, Attrs::new().int("axis", axis as i64)),
            [] => unreachable_concat(),
        }
    }

    /// Cuts into pieces of `sizes` along `axis`.
    pub fn split(self, axis: usize, sizes: &[usize]) -> Vec<Expr<'g>> {
        let mut start = 0i64;
        let pieces = sizes.iter().map(|&n| {
            let piece = self.slice(&[axis], &[start], &[start + n as i64], &[1]);
            start += n as i64;
            piece
        });
        pieces.collect()
    }

    /// Convolution, [N,C,…] with w [O,C/group,…].
    pub fn conv(self, w: Expr<'g>, conv: &ConvAttrs) -> Expr<'g> {
        self.builder.op1("Conv", &[self, w], conv.attrs())
    }

    /// Transposed convolution, [N,C,…] with w [C,O/group,…]; the result has spatial size `output` where given.
    pub fn conv_transpose(self, w: Expr<'g>, conv: &ConvAttrs, output_padding: &[i64]) -> Expr<'g> {
        let mut attrs = conv.attrs();
        if output_padding.iter().any(|&p| p != 0) {
            attrs = attrs.ints("output_padding", output_padding);
        }
        self.builder.op1("ConvTranspose", &[self, w], attrs)
    }
}

#[cold]
fn unreachable_concat() -> ! {
    unreachable!("Expr::concat of no values: callers pass at least one")
}

/// The geometry of a convolution over d spatial axes.
#[derive(Clone, PartialEq, Debug)]
pub struct ConvAttrs {
    /// Step per axis (d values).
    pub strides: Vec<i64>,
    /// Kernel spacing per axis (d values).
    pub dilations: Vec<i64>,
    /// Padding: d values before, then d values after; may not be negative.
    pub pads: Vec<i64>,
    /// Number of groups.
    pub group: i64,
}

impl ConvAttrs {
    /// A 2-D convolution of stride 1 with `pad` on all sides.
    pub fn same(pad: usize) -> ConvAttrs {
        ConvAttrs { strides: vec![1; 2], dilations: vec![1; 2], pads: vec![pad as i64; 4], group: 1 }
    }

    /// With another stride on both axes.
    pub fn stride(mut self, stride: usize) -> ConvAttrs {
        self.strides = vec![stride as i64; 2];
        self
    }

    /// With `group` groups.
    pub fn groups(mut self, group: usize) -> ConvAttrs {
        self.group = group as i64;
        self
    }

    fn attrs(&self) -> Attrs {
        Attrs::new()
            .ints("strides", &self.strides)
            .ints("dilations", &self.dilations)
            .ints("pads", &self.pads)
            .int("group", self.group)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:literal) => {
        impl<'g> std::ops::$trait for Expr<'g> {
            type Output = Expr<'g>;
            fn $method(self, other: Expr<'g>) -> Expr<'g> {
                self.binary($op, other)
            }
        }
        impl<'g> std::ops::$trait<f32> for Expr<'g> {
            type Output = Expr<'g>;
            fn $method(self, other: f32) -> Expr<'g> {
                self.binary($op, self.builder.scalar(other))
            }
        }
        impl<'g> std::ops::$trait<Expr<'g>> for f32 {
            type Output = Expr<'g>;
            fn $method(self, other: Expr<'g>) -> Expr<'g> {
                other.builder.scalar(self).binary($op, other)
            }
        }
    };
}
operator!(Add, add, "Add");
operator!(Sub, sub, "Sub");
operator!(Mul, mul, "Mul");
operator!(Div, div, "Div");

impl<'g> std::ops::Neg for Expr<'g> {
    type Output = Expr<'g>;
    fn neg(self) -> Expr<'g> {
        self.unary("Neg")
    }
}
