//! Recovers MobileStyleGAN's layers from its synthesis graph, walking back from the image.

use crate::graph::{Graph, Node, Value};
use crate::{Error, Result, Tensor};
use std::collections::HashMap;

/// The network, layer by layer.
pub(super) struct Synthesis {
    /// Width of w.
    pub style_width: usize,
    /// Input of the first layer, `[1, C, 4, 4]`.
    pub constant: Tensor,
    /// 3×3 at 4 px.
    pub conv1: Layer,
    /// The blocks for 8 px, 16 px, …
    pub blocks: Vec<Block>,
    /// 1×1 convolution to the image's twelve wavelet channels.
    pub to_img: Layer,
}

/// The layers of one resolution.
pub(super) struct Block {
    /// Multiplies the input of the inverse Haar transform.
    pub up: Style,
    pub conv1: Layer,
    pub conv2: Layer,
}

/// A style: scale · (A w + b).
pub(super) struct Style {
    /// A, `[C, 512]`.
    pub weight: Tensor,
    /// b, C values.
    pub bias: Tensor,
    pub scale: f32,
}

/// lrelu(conv(style ⊙ x) + noise + bias). The image's layer has neither noise nor lrelu.
pub(super) struct Layer {
    pub style: Style,
    /// Depthwise 3×3 kernel, applied before the dense weight, `[C, 1, 3, 3]`.
    pub depthwise: Option<Tensor>,
    /// Dense, demodulated weight, `[O, C, k, k]`.
    pub weight: Tensor,
    /// `[1, 1, h, w]`
    pub noise: Option<Tensor>,
    /// O values.
    pub bias: Tensor,
}

pub(super) fn read(graph: &Graph) -> Result<Synthesis> {
    let [(_, image)] = graph.outputs() else { return Err(bad("it must have one output")) };
    let made = graph.nodes().iter().flat_map(|n| n.outputs.iter().map(move |o| (*o, n))).collect();
    let walk = Walk { graph, made };
    let (to_img, mut x) = walk.layer(walk.inverse_haar(*image)?)?;
    let mut blocks = Vec::new();
    let conv1 = loop {
        let (last, before) = walk.layer(x)?;
        if last.depthwise.is_none() {
            x = before;
            break last;
        }
        let (first, before) = walk.layer(before)?;
        let (up, before) = walk.modulation(walk.inverse_haar(before)?)?;
        blocks.push(Block { up, conv1: first, conv2: last });
        x = before;
    };
    blocks.reverse();
    // The constant is repeated along the batch, which has size 1 here.
    while walk.is(x, "Tile") || walk.is(x, "Expand") {
        x = walk.input(walk.made[&x], 0)?;
    }
    let style_width = conv1.style.weight.shape().last().copied().unwrap_or(0);
    Ok(Synthesis { style_width, constant: walk.constant(x)?.clone(), conv1, blocks, to_img })
}

pub(super) fn bad(reason: &str) -> Error {
    Error::Model(format!("this is not the synthesis network of MobileStyleGAN: {reason}"))
}

struct Walk<'a> {
    graph: &'a Graph,
    made: HashMap<Value, &'a Node>,
}

impl<'a> Walk<'a> {
    /// The node that produces a value; its op must be `op`.
    fn node(&self, v: Value, op: &str) -> Result<&'a Node> {
        let node = self.made.get(&v).copied();
        node.filter(|n| n.op == op).ok_or_else(|| {
            let found = node.map_or("a constant or an input", |n| &n.op);
            bad(&format!("expected {op}, found {found} (shape {:?})", self.graph.info(v).shape))
        })
    }

    fn is(&self, v: Value, op: &str) -> bool {
        self.made.get(&v).is_some_and(|n| n.op == op)
    }

    fn input(&self, node: &Node, i: usize) -> Result<Value> {
        node.inputs.get(i).copied().flatten().ok_or_else(|| bad(&format!("{} has no input {i}", node.op)))
    }

    fn constant(&self, v: Value) -> Result<&'a Tensor> {
        let found = self.graph.constant(v);
        found.ok_or_else(|| bad(&format!("expected a constant of shape {:?}", self.graph.info(v).shape)))
    }

    /// A node's constant operand, and its other operand.
    fn with_constant(&self, node: &Node) -> Result<(&'a Tensor, Value)> {
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        match self.graph.constant(a) {
            Some(constant) => Ok((constant, b)),
            None => Ok((self.constant(b)?, a)),
        }
    }

    /// The layer that ends at `v`, and its input.
    fn layer(&self, v: Value) -> Result<(Layer, Value)> {
        let v = match self.is(v, "LeakyRelu") {
            true => self.input(self.node(v, "LeakyRelu")?, 0)?,
            false => v,
        };
        let (bias, mut v) = self.with_constant(self.node(v, "Add")?)?;
        let mut noise = None;
        if self.is(v, "Add") {
            let (added, before) = self.with_constant(self.node(v, "Add")?)?;
            (noise, v) = (Some(added.clone()), before);
        }
        let dense = self.node(v, "Conv")?;
        let weight = self.constant(self.input(dense, 1)?)?.clone();
        let mut v = self.input(dense, 0)?;
        let mut depthwise = None;
        if self.is(v, "Conv") {
            let node = self.node(v, "Conv")?;
            depthwise = Some(self.constant(self.input(node, 1)?)?.clone());
            v = self.input(node, 0)?;
        }
        let (style, before) = self.modulation(v)?;
        Ok((Layer { style, depthwise, weight, noise, bias: flat(bias)? }, before))
    }

    /// A modulation style ⊙ x that ends at `v`: the style, and x.
    fn modulation(&self, v: Value) -> Result<(Style, Value)> {
        let product = self.node(v, "Mul")?;
        let (a, b) = (self.input(product, 0)?, self.input(product, 1)?);
        let is_style = |v: Value| self.graph.constant(v).is_none() && self.graph.info(v).shape[2..] == [1, 1];
        let (style, x) = if is_style(a) { (a, b) } else { (b, a) };
        let mut scale = 1.0;
        let mut v = style;
        if self.is(v, "Mul") {
            let (factor, before) = self.with_constant(self.node(v, "Mul")?)?;
            scale = factor.to_f64().first().copied().unwrap_or(1.0) as f32;
            v = before;
        }
        let affine = self.input(self.node(v, "Reshape")?, 0)?;
        let (bias, product) = self.with_constant(self.node(affine, "Add")?)?;
        let weight = self.constant(self.input(self.node(product, "Gemm")?, 1)?)?.clone();
        Ok((Style { weight, bias: flat(bias)?, scale }, x))
    }

    /// The input of the inverse Haar transform that ends at `v`: transposed convolutions with ±1/√2, added
    /// up.
    fn inverse_haar(&self, v: Value) -> Result<Value> {
        let mut v = v;
        for op in ["Add", "ConvTranspose", "Add", "ConvTranspose"] {
            let node = self.node(v, op)?;
            if op == "ConvTranspose" {
                let filter = self.constant(self.input(node, 1)?)?.to_f64();
                if filter.iter().any(|f| (f - std::f64::consts::FRAC_1_SQRT_2).abs() > 1e-6) {
                    return Err(bad("its upsampling is not a Haar transform"));
                }
            }
            v = self.input(node, 0)?;
        }
        self.input(self.node(v, "Slice")?, 0)
    }
}

fn flat(t: &Tensor) -> Result<Tensor> {
    t.reshaped(&[t.len()]).ok_or_else(|| bad("an empty bias"))
}
