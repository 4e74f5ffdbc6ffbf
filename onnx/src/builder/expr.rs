//! The ONNX ops as methods and operators of [`Expr`].

use crate::graph::{Attrs, Value};
use crate::{Builder, DType, Tensor};

/// A value of a graph under construction.
#[derive(Clone, Copy)]
pub struct Expr<'g> {
    pub(super) builder: &'g Builder,
    pub(super) value: Value,
}

impl<'g> Expr<'g> {
    /// The builder that this value belongs to.
    pub fn builder(self) -> &'g Builder {
        self.builder
    }

    /// The graph value behind this handle.
    pub fn value(self) -> Value {
        self.value
    }

    /// Static shape.
    pub fn shape(self) -> Vec<usize> {
        self.builder.with_graph(|g| g.info(self.value).shape.clone())
    }

    /// Size of axis `i`; 0 if there is no such axis.
    pub fn dim(self, i: usize) -> usize {
        self.shape().get(i).copied().unwrap_or(0)
    }

    /// Element type.
    pub fn dtype(self) -> DType {
        self.builder.with_graph(|g| g.info(self.value).dtype)
    }

    /// Number of elements.
    pub fn size(self) -> usize {
        self.shape().iter().product()
    }

    /// The tensor, if this value is a constant.
    pub fn constant(self) -> Option<Tensor> {
        self.builder.with_graph(|g| g.constant(self.value).cloned())
    }

    /// The tensor, if this value is a constant or a small value that follows from weights alone.
    pub(crate) fn known(self) -> Option<Tensor> {
        self.builder.with_state(|s| s.known(self.value).cloned())
    }

    /// Whether this value is a weight, which a caller may replace or differentiate.
    pub(crate) fn is_weight(self) -> bool {
        self.builder.with_state(|s| s.is_weight(self.value))
    }

    /// Adds an op with one input, one output and no attributes.
    pub fn unary(self, op: &str) -> Expr<'g> {
        self.builder.op1(op, &[self], Attrs::new())
    }

    /// Adds an op with two inputs, one output and no attributes. Inputs broadcast if the op supports it.
    pub fn binary(self, op: &str, other: Expr<'g>) -> Expr<'g> {
        self.builder.op1(op, &[self, other], Attrs::new())
    }

    /// A scalar constant of this value's element type, shape `[]`; f32 if that is not a floating-point type.
    pub(crate) fn number(self, value: f64) -> Expr<'g> {
        let dtype = Some(self.dtype()).filter(|d| d.is_float()).unwrap_or(DType::F32);
        let tensor = Tensor::from_f64(&[], &[value], dtype);
        self.builder.constant(tensor.unwrap_or_else(|| Tensor::scalar(value as f32)))
    }

    fn ints(self, values: &[i64]) -> Expr<'g> {
        self.builder.constant(Tensor::ints(values))
    }

    /// Converts to another element type.
    pub(crate) fn cast(self, to: DType) -> Expr<'g> {
        self.builder.op1("Cast", &[self], Attrs::new().int("to", to.onnx_code()))
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

    /// x > y, element by element, as booleans.
    pub fn greater(self, other: Expr<'g>) -> Expr<'g> {
        self.binary("Greater", other)
    }

    /// `self` ? a : b, element by element; `self` is boolean.
    pub fn select(self, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
        self.builder.op1("Where", &[self, a, b], Attrs::new())
    }

    /// Matrix product over the last two axes.
    pub fn matmul(self, other: Expr<'g>) -> Expr<'g> {
        self.binary("MatMul", other)
    }

    /// 2-D matrix product `[m,k]`·`[k,n]`, with either operand optionally transposed first.
    pub fn gemm(self, other: Expr<'g>, trans_a: bool, trans_b: bool) -> Expr<'g> {
        let attrs = Attrs::new().int("transA", trans_a.into()).int("transB", trans_b.into());
        self.builder.op1("Gemm", &[self, other], attrs)
    }

    /// Reshapes to `shape`, which must have as many elements.
    pub fn reshape(self, shape: &[usize]) -> Expr<'g> {
        let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        self.builder.op1("Reshape", &[self, self.ints(&dims)], Attrs::new())
    }

    /// Permutes axes: axis i of the result is axis `perm[i]` of the input.
    pub fn transpose(self, perm: &[usize]) -> Expr<'g> {
        let perm: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        self.builder.op1("Transpose", &[self], Attrs::new().ints("perm", &perm))
    }

    /// Broadcasts to `shape`.
    pub fn expand(self, shape: &[usize]) -> Expr<'g> {
        let dims: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        self.builder.op1("Expand", &[self, self.ints(&dims)], Attrs::new())
    }

    /// Sum over `axes`; with `keep`, they remain with size 1.
    pub fn sum(self, axes: &[usize], keep: bool) -> Expr<'g> {
        self.reduce("ReduceSum", axes, keep)
    }

    /// Mean over `axes`; with `keep`, they remain with size 1.
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

    /// The range `[start, end)` in steps of `step` along each of `axes`, with the semantics of ONNX `Slice`.
    pub fn slice(self, axes: &[usize], starts: &[i64], ends: &[i64], steps: &[i64]) -> Expr<'g> {
        let axes: Vec<i64> = axes.iter().map(|&a| a as i64).collect();
        let args = [self, self.ints(starts), self.ints(ends), self.ints(&axes), self.ints(steps)];
        self.builder.op1("Slice", &args, Attrs::new())
    }

    /// Zero padding by `before` and `after` on each axis. Negative values crop.
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
        // Cropping first is cheaper, but a crop may extend into the padding.
        let fits = |i: usize| (-before[i]).max(0) + (-after[i]).max(0) <= self.dim(i) as i64;
        if (0..before.len()).all(fits) { grow(cut(self)) } else { cut(grow(self)) }
    }

    /// Splits into pieces of `sizes` along `axis`.
    pub fn split(self, axis: usize, sizes: &[usize]) -> Vec<Expr<'g>> {
        let mut start = 0i64;
        let pieces = sizes.iter().map(|&n| {
            let piece = self.slice(&[axis], &[start], &[start + n as i64], &[1]);
            start += n as i64;
            piece
        });
        pieces.collect()
    }

    /// Convolution of `[N,C,…]` with w `[O,C/group,…]`.
    pub fn conv(self, w: Expr<'g>, conv: &ConvAttrs) -> Expr<'g> {
        self.builder.op1("Conv", &[self, w], conv.attrs())
    }

    /// Transposed convolution of `[N,C,…]` with w `[C,O/group,…]`. `output_padding` is empty or has a value
    /// for each spatial axis.
    pub fn conv_transpose(self, w: Expr<'g>, conv: &ConvAttrs, output_padding: &[i64]) -> Expr<'g> {
        let mut attrs = conv.attrs();
        if output_padding.iter().any(|&p| p != 0) {
            attrs = attrs.ints("output_padding", output_padding);
        }
        self.builder.op1("ConvTranspose", &[self, w], attrs)
    }
}

/// The geometry of a convolution over d spatial axes.
#[derive(Clone, PartialEq, Debug)]
pub struct ConvAttrs {
    /// Stride for each axis (d values).
    pub strides: Vec<i64>,
    /// Dilation for each axis (d values).
    pub dilations: Vec<i64>,
    /// Padding: d values before, then d values after; not negative.
    pub pads: Vec<i64>,
    /// Number of groups.
    pub group: i64,
}

impl ConvAttrs {
    /// A 2-D convolution with stride 1 and padding `pad` on all sides.
    pub fn same(pad: usize) -> ConvAttrs {
        ConvAttrs { strides: vec![1; 2], dilations: vec![1; 2], pads: vec![pad as i64; 4], group: 1 }
    }

    /// Sets the stride of both axes.
    pub fn stride(mut self, stride: usize) -> ConvAttrs {
        self.strides = vec![stride as i64; 2];
        self
    }

    /// Sets the number of groups.
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
                self.binary($op, self.number(other.into()))
            }
        }
        impl<'g> std::ops::$trait<Expr<'g>> for f32 {
            type Output = Expr<'g>;
            fn $method(self, other: Expr<'g>) -> Expr<'g> {
                other.number(self.into()).binary($op, other)
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
