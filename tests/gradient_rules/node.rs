//! Parses the text of a node, builds the graph of its outputs and gradients, and runs it in ONNX Runtime.

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions, Session};
use gani_onnx::{Attr, Attrs, Builder, DType, Data, Expr, Graph, Tensor};
use ndarray::ArrayD;
use std::collections::BTreeMap;

/// A node given as text.
#[derive(Default)]
pub struct Node {
    op: String,
    attrs: Attrs,
    constants: BTreeMap<usize, Option<Tensor>>,
}

impl Node {
    pub fn parse(text: &str) -> Node {
        let mut words = text.split(' ');
        let mut node = Node { op: words.next().unwrap().into(), ..Node::default() };
        for word in words.take_while(|w| !w.starts_with(':')) {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{text}: `{word}`"));
            match key.strip_prefix('#') {
                Some(position) => drop(node.constants.insert(position.parse().unwrap(), constant(value))),
                None => node.attrs = node.attrs.with(key, attribute(value)),
            }
        }
        node
    }

    /// Converts the floating-point constants to `dtype`, except for the scales of Resize, which are always f32.
    fn in_type(mut self, dtype: DType) -> Node {
        let is_resize = self.op == "Resize";
        for constant in self.constants.values_mut().flatten() {
            if constant.dtype().is_float() && !is_resize {
                *constant = constant.cast(dtype);
            }
        }
        self
    }

    /// Adds the node. `xs` fill the input positions that have no constant.
    pub fn add<'g>(&self, b: &'g Builder, xs: &[Expr<'g>], outputs: usize) -> Vec<Expr<'g>> {
        let mut rest = xs.iter();
        let mut inputs = vec![];
        for position in 0..xs.len() + self.constants.len() {
            inputs.push(match self.constants.get(&position) {
                Some(constant) => constant.clone().map(|t| b.constant(t)),
                None => rest.next().copied(),
            });
        }
        b.op_named(&self.op, "tested", &inputs, self.attrs.clone(), outputs)
    }
}

fn attribute(text: &str) -> Attr {
    if let (true, Ok(list)) = (text.contains(','), ints(text)) {
        return Attr::Ints(list);
    }
    match (text.parse::<i64>(), text.parse::<f32>()) {
        (Ok(int), _) => Attr::Int(int),
        (_, Ok(float)) => Attr::Float(float),
        _ => Attr::Str(text.into()),
    }
}

fn ints(text: &str) -> Result<Vec<i64>, std::num::ParseIntError> {
    text.split(',').filter(|t| !t.is_empty()).map(str::parse).collect()
}

fn constant(text: &str) -> Option<Tensor> {
    if text == "none" {
        return None;
    }
    let boolean = text.starts_with('b');
    let list = text.trim_start_matches('b').trim_matches(['[', ']']);
    let data = match ints(list) {
        Ok(v) if boolean => Data::Bool(v.iter().map(|&v| v != 0).collect()),
        Ok(v) => Data::I64(v.into()),
        Err(_) => Data::F32(list.split(',').map(|t| t.parse::<f32>().unwrap()).collect()),
    };
    let shape = if text.contains('[') { vec![data.len()] } else { vec![] };
    Tensor::new(&shape, data)
}

/// The graph x0…, r0… → y0…, g0…: a node's outputs y, and the gradients g of Σ r·y with respect to its inputs x.
pub fn differentiated(text: &str, shapes: &[Vec<usize>], outputs: usize) -> gani_onnx::Result<Graph> {
    with_gradients(text, shapes, |b, xs| Ok(Node::parse(text).add(b, xs, outputs)))
}

/// As [`differentiated`], but the node computes in `dtype`.
pub fn differentiated_in(
    text: &str,
    shapes: &[Vec<usize>],
    outputs: usize,
    dtype: DType,
) -> gani_onnx::Result<Graph> {
    with_gradients(text, shapes, |b, xs| {
        let cast = |x: &Expr<'_>| b.op("Cast", &[Some(*x)], Attrs::new().int("to", code(dtype)))[0];
        let xs: Vec<_> = xs.iter().map(cast).collect();
        Ok(Node::parse(text).in_type(dtype).add(b, &xs, outputs))
    })
}

/// The value of `TensorProto.DataType`.
fn code(dtype: DType) -> i64 {
    match dtype {
        DType::F16 => 10,
        DType::F64 => 11,
        _ => 1,
    }
}

/// As [`differentiated`], for a file with the inputs x0….
pub fn differentiated_file(name: &str, bytes: &[u8], shapes: &[Vec<usize>]) -> gani_onnx::Result<Graph> {
    let file = gani_onnx::read::from_bytes(name, bytes.to_vec(), None, &[])?;
    with_gradients(name, shapes, |b, xs| {
        let names: Vec<_> = (0..xs.len()).map(|i| format!("x{i}")).collect();
        let bindings: Vec<_> = names.iter().map(String::as_str).zip(xs.iter().copied()).collect();
        b.inline(&file, &bindings)
    })
}

fn with_gradients(
    name: &str,
    shapes: &[Vec<usize>],
    add: impl for<'g> Fn(&'g Builder, &[Expr<'g>]) -> gani_onnx::Result<Vec<Expr<'g>>>,
) -> gani_onnx::Result<Graph> {
    let b = Builder::new();
    let xs: Vec<_> = shapes.iter().enumerate().map(|(i, s)| b.input(&format!("x{i}"), s)).collect();
    let mut loss = b.scalar(0.0);
    for (i, y) in add(&b, &xs)?.into_iter().enumerate() {
        // Outputs of the runtime are f32.
        let y = b.op("Cast", &[Some(y)], Attrs::new().int("to", 1))[0];
        let y = if y.constant().is_some() { y + b.scalar(0.0) } else { y };
        loss = loss + (b.input(&format!("r{i}"), &y.shape()) * y).sum_all();
        b.output(&format!("y{i}"), y);
    }
    for (i, g) in b.gradient(loss, &xs)?.into_iter().enumerate() {
        assert_eq!((g.dtype(), g.shape()), (DType::F32, xs[i].shape()), "{name}: gradient {i}");
        b.output(&format!("g{i}"), g);
    }
    b.finish()
}

/// A graph loaded in ONNX Runtime.
pub struct LoadedGraph {
    graph: Graph,
    session: Session,
}

impl LoadedGraph {
    pub fn new(name: &str, graph: Graph) -> Result<LoadedGraph, String> {
        let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, library: None };
        let runtime = Runtime::load(&options).unwrap();
        let bytes = gani_onnx::write::to_bytes(&graph).unwrap();
        let session = runtime.session(name, &bytes).map_err(|e| format!("{e}\n{graph}"))?;
        Ok(LoadedGraph { graph, session })
    }

    /// Outputs by name. Each must have the shape that the shape rules inferred.
    pub fn run(&self, inputs: &[(String, ArrayD<f32>)]) -> Result<BTreeMap<String, ArrayD<f32>>, String> {
        let views: Vec<_> = inputs.iter().map(|(n, a)| (n.as_str(), a.view())).collect();
        let outputs = self.session.run(&views, &Cancel::new());
        let outputs = outputs.map_err(|e| format!("{e}\n{}", self.graph))?;
        let named = self.session.outputs().iter().zip(outputs).map(|(port, array)| {
            let inferred = self.graph.output_shape(&port.name).unwrap();
            match array.shape() == inferred {
                true => Ok((port.name.clone(), array)),
                false => Err(format!(
                    "{} has the shape {:?}, inferred {inferred:?}:\n{}",
                    port.name,
                    array.shape(),
                    self.graph
                )),
            }
        });
        named.collect()
    }
}
