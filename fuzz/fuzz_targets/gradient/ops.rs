//! The ops of a random graph. Every step is valid for the values that there are: arguments are kept inside each op's domain.

use gani_onnx::graph::Attrs;
use gani_onnx::{Builder, DType, Expr, Tensor};

/// The rest of the program; 0 after its end.
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.next().unwrap_or(0)) % n.max(1)
    }
}

const UNARY: [&str; 26] = [
    "Relu",
    "LeakyRelu",
    "Elu",
    "Sigmoid",
    "Tanh",
    "Softplus",
    "HardSigmoid",
    "HardSwish",
    "Erf",
    "Sin",
    "Cos",
    "Atan",
    "Asinh",
    "Mish",
    "Softsign",
    "Celu",
    "Selu",
    "ThresholdedRelu",
    "Shrink",
    "Abs",
    "Neg",
    "Identity",
    "Gelu",
    "Floor",
    "Sign",
    "Ceil",
];
/// Ops of tanh x, which is in their domain.
const OF_TANH: [&str; 8] = ["Exp", "Sinh", "Cosh", "Tan", "Asin", "Acos", "Atanh", "Identity"];
/// Ops of x² + 1/2.
const OF_POSITIVE: [&str; 4] = ["Sqrt", "Log", "Reciprocal", "Acosh"];
const BINARY: [&str; 8] = ["Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean", "PRelu"];
const REDUCE: [&str; 10] = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
];
/// More elements are not needed to find a fault.
const MOST: usize = 512;

pub struct Net<'g> {
    b: &'g Builder,
    values: Vec<Expr<'g>>,
    dtype: DType,
}

impl<'g> Net<'g> {
    pub fn new(b: &'g Builder, variables: &[Expr<'g>], dtype: DType) -> Net<'g> {
        Net { b, values: variables.to_vec(), dtype }
    }

    pub fn values(&self) -> &[Expr<'g>] {
        &self.values
    }

    fn number(&self, v: f64) -> Expr<'g> {
        self.b.constant(Tensor::from_f64(&[], &[v], self.dtype).expect("one value"))
    }

    fn ints(&self, v: &[usize]) -> Expr<'g> {
        self.b.constant(Tensor::ints(&v.iter().map(|&i| i as i64).collect::<Vec<_>>()))
    }

    fn op(&self, op: &str, inputs: &[Expr<'g>], attrs: Attrs) -> Expr<'g> {
        self.b.op(op, &inputs.iter().copied().map(Some).collect::<Vec<_>>(), attrs)[0]
    }

    fn unary(&self, op: &str, x: Expr<'g>) -> Expr<'g> {
        self.op(op, &[x], Attrs::new())
    }

    /// x² + 1/2.
    fn positive(&self, x: Expr<'g>) -> Expr<'g> {
        x * x + self.number(0.5)
    }

    /// Adds the value of one op.
    pub fn step(&mut self, op: u8, bytes: &mut Bytes<'_>) {
        let at = bytes.below(self.values.len() + 3);
        // Later values are more likely, so that programs are deep.
        let x = self.values[at.min(self.values.len() - 1)];
        let value = match op % 8 {
            0 => self.pointwise(x, bytes),
            1 => self.pair(x, bytes),
            2 => self.reduction(x, bytes),
            3 | 4 => self.layout(x, bytes),
            5 => self.linear(x, bytes),
            6 => self.spatial(x, bytes),
            _ => self.indexed(x, bytes),
        };
        if let Some(value) = value.filter(|v| (1..=MOST).contains(&v.size())) {
            self.values.push(value);
        }
    }

    fn pointwise(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let which = bytes.below(UNARY.len() + OF_TANH.len() + OF_POSITIVE.len() + 3);
        Some(match which {
            i if i < UNARY.len() && UNARY[i] == "Gelu" => {
                let erf = self.unary("Erf", x * self.number(0.5f64.sqrt()));
                x * (erf + self.number(1.0)) * self.number(0.5)
            }
            // ONNX Runtime computes Shrink of f64 in f32, which leaves too few digits for a difference.
            i if i < UNARY.len() && UNARY[i] == "Shrink" && self.dtype == DType::F64 => self.unary("Neg", x),
            i if i < UNARY.len() => self.unary(UNARY[i], x),
            i if i < UNARY.len() + OF_TANH.len() => {
                self.unary(OF_TANH[i - UNARY.len()], self.unary("Tanh", x) * self.number(0.9))
            }
            i if i < UNARY.len() + OF_TANH.len() + OF_POSITIVE.len() => {
                let op = OF_POSITIVE[i - UNARY.len() - OF_TANH.len()];
                self.unary(op, self.positive(x) + self.number(0.6))
            }
            i if i % 3 == 0 => self.op("Clip", &[x, self.number(-0.5), self.number(0.4)], Attrs::new()),
            i if i % 3 == 1 => self.op("Pow", &[self.positive(x), self.number(0.7)], Attrs::new()),
            _ => self.op("Pow", &[x, self.number(2.0)], Attrs::new()),
        })
    }

    /// A second value that broadcasts with x; else x itself.
    fn partner(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Expr<'g> {
        let y = self.values[bytes.below(self.values.len())];
        let (a, b) = (x.shape(), y.shape());
        match a.iter().rev().zip(b.iter().rev()).all(|(&i, &j)| i == j || i == 1 || j == 1) {
            true => y,
            false => x,
        }
    }

    fn pair(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let y = self.partner(x, bytes);
        Some(match bytes.below(BINARY.len() + 4) {
            // The slope must broadcast to x.
            i if i < BINARY.len() && BINARY[i] == "PRelu" => {
                self.op("PRelu", &[x, self.number(0.3)], Attrs::new())
            }
            i if i < BINARY.len() => self.op(BINARY[i], &[x, y], Attrs::new()),
            8 => self.op("Div", &[x, self.positive(y)], Attrs::new()),
            9 => self.op("Pow", &[self.positive(x), self.unary("Tanh", y)], Attrs::new()),
            10 => {
                let condition = self.op("Greater", &[x, y], Attrs::new());
                self.op("Where", &[condition, x * self.number(2.0), y], Attrs::new())
            }
            _ => {
                self.op("Where", &[self.op("Less", &[x, self.number(0.1)], Attrs::new()), y, x], Attrs::new())
            }
        })
    }

    fn reduction(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let shape = x.shape();
        if shape.is_empty() {
            return None;
        }
        let axis = bytes.below(shape.len());
        let along = Attrs::new().int("axis", axis as i64);
        Some(match bytes.below(REDUCE.len() + 5) {
            i if i < REDUCE.len() => {
                let x =
                    if REDUCE[i] == "ReduceLogSum" || REDUCE[i] == "ReduceL2" { self.positive(x) } else { x };
                let all = bytes.below(4) == 0;
                let axes: Vec<_> = if all { (0..shape.len()).collect() } else { vec![axis] };
                let keep = Attrs::new().int("keepdims", bytes.below(2) as i64);
                self.op(REDUCE[i], &[x, self.ints(&axes)], keep)
            }
            10 => self.op("Softmax", &[x], along),
            11 => self.op("LogSoftmax", &[x], along),
            12 => {
                let size = *shape.last()?;
                let scale = self.values[2..].iter().find(|v| v.shape() == [size])?;
                self.op(
                    "LayerNormalization",
                    &[x, *scale, *scale],
                    Attrs::new().int("axis", -1).float("epsilon", 0.1),
                )
            }
            13 => self.op(
                "CumSum",
                &[x, self.ints(&[axis]).reshape(&[])],
                Attrs::new().int("reverse", bytes.below(2) as i64),
            ),
            _ => x.mean(&[axis], true),
        })
    }

    fn layout(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let shape = x.shape();
        let rank = shape.len();
        if rank == 0 {
            return Some(x.expand(&[2, 2]));
        }
        let axis = bytes.below(rank);
        let size = shape[axis];
        let along = Attrs::new().int("axis", axis as i64);
        Some(match bytes.below(14) {
            0 => {
                let mut perm: Vec<_> = (0..rank).collect();
                perm.rotate_left(axis);
                x.transpose(&perm)
            }
            1 => x.reshape(&[x.size()]),
            2 => x.reshape(&[shape[..axis].iter().product(), shape[axis..].iter().product()]),
            3 => self.op("Concat", &[x, x * self.number(0.5), x], along),
            4 if size >= 2 => {
                let parts = x.split(axis, &[1, size - 1]);
                self.op("Concat", &[parts[1], parts[0]], along)
            }
            5 if size >= 2 => x.slice(&[axis], &[1], &[size as i64], &[1]),
            6 => x.slice(&[axis], &[-1], &[i64::MIN], &[-1]),
            7 => {
                let indices: Vec<_> = (0..3).map(|_| bytes.below(size)).collect();
                self.op("Gather", &[x, self.ints(&indices)], along)
            }
            8 => {
                let repeats: Vec<_> = (0..rank).map(|i| 1 + usize::from(i == axis)).collect();
                self.op("Tile", &[x, self.ints(&repeats)], Attrs::new())
            }
            9 | 10 => {
                let mode = ["constant", "reflect", "edge"][bytes.below(if size >= 2 { 3 } else { 1 })];
                let pads: Vec<_> = (0..2 * rank).map(|i| usize::from(i % rank == axis)).collect();
                self.op("Pad", &[x, self.ints(&pads)], Attrs::new().str("mode", mode))
            }
            11 => self.op("Unsqueeze", &[x, self.ints(&[axis])], Attrs::new()),
            12 if size == 1 && rank > 1 => self.op("Squeeze", &[x, self.ints(&[axis])], Attrs::new()),
            13 if rank >= 2 => self.op("Trilu", &[x], Attrs::new().int("upper", bytes.below(2) as i64)),
            _ => x.expand(&[&[2][..], &shape].concat()),
        })
    }

    fn linear(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let shape = x.shape();
        let (rank, last) = (shape.len(), *shape.last()?);
        let mut transposed: Vec<_> = (0..rank).collect();
        if rank >= 2 {
            transposed.swap(rank - 2, rank - 1);
        }
        Some(match bytes.below(4) {
            0 if last == 3 => x.matmul(self.values[3]),
            1 if rank == 2 => {
                let transposed = bytes.below(2) == 1;
                x.gemm(x, transposed, !transposed).mean(&[0], true)
            }
            1 if rank >= 2 => x.matmul(x.transpose(&transposed)),
            2 if rank == 2 => self.op("Einsum", &[x, x], Attrs::new().str("equation", "ij,kj->ik")),
            2 if rank >= 2 => self.op("Einsum", &[x], Attrs::new().str("equation", "...ij->...ji")),
            3 if rank == 2 && last == 3 => self.op(
                "Gemm",
                &[x, self.values[3], self.values[2]],
                Attrs::new().float("alpha", 0.5).int("transB", 1),
            ),
            _ => self.op("Flatten", &[x], Attrs::new().int("axis", bytes.below(rank + 1) as i64)),
        })
    }

    /// Images of four channels.
    fn spatial(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let shape = x.shape();
        let x = if shape.len() == 4 && shape[1] == 4 && shape[2] >= 3 && shape[3] >= 3 {
            x
        } else {
            self.values[1]
        };
        let (scale, kernel) = (self.values[4], self.values[5]);
        let windows =
            |size: i64| Attrs::new().ints("kernel_shape", &[size, size]).ints("pads", &[1, 1, 1, 1]);
        let stride = 1 + bytes.below(2) as i64;
        let conv = || windows(3).ints("strides", &[stride, stride]).int("group", 2);
        let resize = |mode: &str, to: [usize; 4], coordinates: &str| {
            let attrs = Attrs::new().str("mode", mode).str("coordinate_transformation_mode", coordinates);
            self.b.op("Resize", &[Some(x), None, None, Some(self.ints(&to))], attrs)[0]
        };
        let [n, c, h, w] = x.shape().try_into().ok()?;
        Some(match bytes.below(14) {
            0 => self.op("Conv", &[x, kernel], conv()),
            1 => self.op("Conv", &[x, kernel, scale], conv().ints("dilations", &[1, 1])),
            2 => self.op("ConvTranspose", &[x, kernel], conv()),
            3 => self.op("MaxPool", &[x], windows(3).ints("strides", &[stride, stride])),
            4 => self.op("AveragePool", &[x], windows(2).int("count_include_pad", bytes.below(2) as i64)),
            5 => self.unary("GlobalAveragePool", x),
            6 => self.unary("GlobalMaxPool", x),
            7 => self.op("InstanceNormalization", &[x, scale, scale], Attrs::new().float("epsilon", 0.1)),
            8 => self.op("BatchNormalization", &[x, scale, scale, scale, self.positive(scale)], Attrs::new()),
            9 => self.op("LRN", &[x], Attrs::new().int("size", 3).float("alpha", 0.5)),
            10 => self.op("DepthToSpace", &[x], Attrs::new().int("blocksize", 2)),
            11 => resize(
                "linear",
                [n, c, h + stride as usize, w],
                ["half_pixel", "align_corners"][bytes.below(2)],
            ),
            12 => resize("nearest", [n, c, 2 * h, w], "asymmetric"),
            _ => resize("cubic", [n, c, h, w + 1], "half_pixel"),
        })
    }

    fn indexed(&self, x: Expr<'g>, bytes: &mut Bytes<'_>) -> Option<Expr<'g>> {
        let shape = x.shape();
        let rank = shape.len();
        if rank == 0 {
            return None;
        }
        let axis = bytes.below(rank);
        let along = Attrs::new().int("axis", axis as i64);
        let index = bytes.below(shape[axis]);
        let fixed = |n: usize| {
            let to: Vec<_> = shape.iter().enumerate().map(|(i, &d)| if i == axis { n } else { d }).collect();
            self.ints(&vec![index; to.iter().product()]).reshape(&to)
        };
        Some(match bytes.below(5) {
            0 => self.b.op_named("TopK", "", &[Some(x), Some(self.ints(&[1]))], along, 2)[0],
            1 => self.op("GatherElements", &[x, fixed(2)], along),
            2 => {
                let indices = fixed(1);
                let part = x.slice(&[axis], &[0], &[1], &[1]) * self.number(0.7);
                let mode = ["none", "add"][bytes.below(2)];
                self.op("ScatterElements", &[x, indices, part], along.str("reduction", mode))
            }
            3 => {
                self.op("GatherND", &[x, self.ints(&[bytes.below(shape[0])]).reshape(&[1, 1])], Attrs::new())
            }
            _ => {
                let at = self.op("ArgMax", &[x], Attrs::new().int("axis", axis as i64).int("keepdims", 1));
                self.op("GatherElements", &[x, at], along)
            }
        })
    }
}
