//! The ops of the default domain that this crate reads, and which of their inputs have a gradient.

/// What happens to a gradient that reaches an op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// There is a gradient rule.
    Rule,
    /// The gradient is zero: the op is piecewise constant, or reads shapes and types only.
    Zero,
    /// The op runs forward; a gradient that reaches it is refused.
    Forward,
}

/// How an op of a file becomes ops of the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// It stays, in the form of opset 18.
    Native,
    /// It is replaced by other ops when the file is read.
    Rewritten,
}

/// An op that this crate supports.
#[derive(Clone, Copy, Debug)]
pub struct OpSupport {
    /// The op type.
    pub op: &'static str,
    /// What happens to a gradient.
    pub gradient: Gradient,
    /// How the op is read.
    pub reading: Reading,
    /// Floating-point inputs that must be constant: a gradient that reaches them is refused.
    pub constant_inputs: &'static [usize],
    /// Floating-point inputs whose gradient is zero: only their type, shape or rounded value matters.
    pub zero_inputs: &'static [usize],
    /// Limits, in words; may be empty.
    pub note: &'static str,
}

/// Every supported op, by name.
pub fn ops() -> &'static [OpSupport] {
    OPS
}

const fn op(
    op: &'static str,
    gradient: Gradient,
    reading: Reading,
    constant_inputs: &'static [usize],
    zero_inputs: &'static [usize],
    note: &'static str,
) -> OpSupport {
    OpSupport { op, gradient, reading, constant_inputs, zero_inputs, note }
}

use Gradient::{Forward, Rule, Zero};
use Reading::{Native, Rewritten};

#[rustfmt::skip]
const OPS: &[OpSupport] = &[
    op("Abs", Rule, Native, &[], &[], ""),
    op("Acos", Rule, Native, &[], &[], ""),
    op("Acosh", Rule, Native, &[], &[], ""),
    op("Add", Rule, Native, &[], &[], ""),
    op("And", Zero, Native, &[], &[], ""),
    op("ArgMax", Zero, Native, &[], &[], ""),
    op("ArgMin", Zero, Native, &[], &[], ""),
    op("Asin", Rule, Native, &[], &[], ""),
    op("Asinh", Rule, Native, &[], &[], ""),
    op("Atan", Rule, Native, &[], &[], ""),
    op("Atanh", Rule, Native, &[], &[], ""),
    op("Attention", Rule, Rewritten, &[], &[], "opsets 23 to 25"),
    op("AveragePool", Rule, Native, &[], &[], ""),
    op("BatchNormalization", Rule, Native, &[], &[], "inference mode"),
    op("Cast", Rule, Native, &[], &[], ""),
    op("CastLike", Rule, Rewritten, &[], &[1], ""),
    op("Ceil", Zero, Native, &[], &[], ""),
    op("Celu", Rule, Native, &[], &[], ""),
    op("Clip", Rule, Native, &[], &[], ""),
    op("Concat", Rule, Native, &[], &[], ""),
    op("Constant", Zero, Rewritten, &[], &[], "floats are offered as weights"),
    op("ConstantOfShape", Zero, Native, &[], &[], "constant shape"),
    op("Conv", Rule, Native, &[], &[], ""),
    op("ConvInteger", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("ConvTranspose", Rule, Native, &[], &[], "explicit pads"),
    op("Cos", Rule, Native, &[], &[], ""),
    op("Cosh", Rule, Native, &[], &[], ""),
    op("CumProd", Rule, Rewritten, &[], &[], ""),
    op("CumSum", Rule, Native, &[], &[], ""),
    op("DepthToSpace", Rule, Native, &[], &[], ""),
    op("DequantizeLinear", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("Det", Forward, Native, &[], &[], "no gradient rule"),
    op("Div", Rule, Native, &[], &[], ""),
    op("Dropout", Rule, Rewritten, &[1], &[], "inference mode"),
    op("DynamicQuantizeLinear", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("Einsum", Rule, Native, &[], &[], ""),
    op("Elu", Rule, Native, &[], &[], ""),
    op("Equal", Zero, Native, &[], &[], ""),
    op("Erf", Rule, Native, &[], &[], ""),
    op("Exp", Rule, Native, &[], &[], ""),
    op("Expand", Rule, Native, &[], &[], ""),
    op("EyeLike", Zero, Rewritten, &[], &[], ""),
    op("Flatten", Rule, Native, &[], &[], ""),
    op("Floor", Zero, Native, &[], &[], ""),
    op("Gather", Rule, Native, &[], &[], ""),
    op("GatherElements", Rule, Native, &[], &[], ""),
    op("GatherND", Rule, Native, &[], &[], ""),
    op("Gelu", Rule, Rewritten, &[], &[], ""),
    op("Gemm", Rule, Native, &[], &[], ""),
    op("GlobalAveragePool", Rule, Native, &[], &[], ""),
    op("GlobalLpPool", Rule, Rewritten, &[], &[], ""),
    op("GlobalMaxPool", Rule, Native, &[], &[], ""),
    op("Greater", Zero, Native, &[], &[], ""),
    op("GreaterOrEqual", Zero, Native, &[], &[], ""),
    op("GroupNormalization", Rule, Rewritten, &[], &[], ""),
    op("GRU", Rule, Rewritten, &[], &[], "unrolled over the steps"),
    op("Hardmax", Zero, Native, &[], &[], ""),
    op("HardSigmoid", Rule, Native, &[], &[], ""),
    op("HardSwish", Rule, Native, &[], &[], ""),
    op("Identity", Rule, Native, &[], &[], ""),
    op("If", Rule, Rewritten, &[], &[], "the condition must be constant"),
    op("InstanceNormalization", Rule, Native, &[], &[], ""),
    op("IsInf", Zero, Native, &[], &[], ""),
    op("IsNaN", Zero, Native, &[], &[], ""),
    op("LayerNormalization", Rule, Native, &[], &[], ""),
    op("LeakyRelu", Rule, Native, &[], &[], ""),
    op("Less", Zero, Native, &[], &[], ""),
    op("LessOrEqual", Zero, Native, &[], &[], ""),
    op("Log", Rule, Native, &[], &[], ""),
    op("LogSoftmax", Rule, Native, &[], &[], ""),
    op("LpNormalization", Rule, Rewritten, &[], &[], ""),
    op("LpPool", Rule, Rewritten, &[], &[], ""),
    op("LRN", Rule, Native, &[], &[], ""),
    op("LSTM", Rule, Rewritten, &[], &[], "unrolled over the steps"),
    op("MatMul", Rule, Native, &[], &[], ""),
    op("MatMulInteger", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("Max", Rule, Native, &[], &[], ""),
    op("MaxPool", Rule, Native, &[], &[], ""),
    op("Mean", Rule, Native, &[], &[], ""),
    op("MeanVarianceNormalization", Rule, Rewritten, &[], &[], ""),
    op("Min", Rule, Native, &[], &[], ""),
    op("Mish", Rule, Native, &[], &[], ""),
    op("Mod", Rule, Native, &[], &[], ""),
    op("Mul", Rule, Native, &[], &[], ""),
    op("Neg", Rule, Native, &[], &[], ""),
    op("NegativeLogLikelihoodLoss", Rule, Rewritten, &[], &[], ""),
    op("Not", Zero, Native, &[], &[], ""),
    op("OneHot", Rule, Rewritten, &[1], &[0], "constant depth"),
    op("Or", Zero, Native, &[], &[], ""),
    op("Pad", Rule, Native, &[], &[], "constant, reflect and edge"),
    op("Pow", Rule, Native, &[], &[], ""),
    op("PRelu", Rule, Native, &[], &[], ""),
    op("QLinearConv", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("QLinearMatMul", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("QuantizeLinear", Forward, Native, &[], &[], "quantized values have no gradient"),
    op("Range", Zero, Native, &[0, 1, 2], &[], "constant inputs"),
    op("Reciprocal", Rule, Native, &[], &[], ""),
    op("ReduceL1", Rule, Native, &[], &[], ""),
    op("ReduceL2", Rule, Native, &[], &[], ""),
    op("ReduceLogSum", Rule, Native, &[], &[], ""),
    op("ReduceLogSumExp", Rule, Native, &[], &[], ""),
    op("ReduceMax", Rule, Native, &[], &[], ""),
    op("ReduceMean", Rule, Native, &[], &[], ""),
    op("ReduceMin", Rule, Native, &[], &[], ""),
    op("ReduceProd", Rule, Native, &[], &[], ""),
    op("ReduceSum", Rule, Native, &[], &[], ""),
    op("ReduceSumSquare", Rule, Native, &[], &[], ""),
    op("Relu", Rule, Native, &[], &[], ""),
    op("Reshape", Rule, Native, &[], &[], ""),
    op("Resize", Rule, Native, &[1, 2], &[], ""),
    op("RMSNormalization", Rule, Rewritten, &[], &[], ""),
    op("RNN", Rule, Rewritten, &[], &[], "unrolled over the steps"),
    op("RotaryEmbedding", Rule, Rewritten, &[], &[], ""),
    op("Round", Zero, Native, &[], &[], ""),
    op("Scatter", Rule, Rewritten, &[], &[], "read as ScatterElements"),
    op("ScatterElements", Rule, Native, &[], &[], ""),
    op("ScatterND", Rule, Native, &[], &[], ""),
    op("Selu", Rule, Native, &[], &[], ""),
    op("Shape", Zero, Native, &[], &[], ""),
    op("Shrink", Rule, Native, &[], &[], ""),
    op("Sigmoid", Rule, Native, &[], &[], ""),
    op("Sign", Zero, Native, &[], &[], ""),
    op("Sin", Rule, Native, &[], &[], ""),
    op("Sinh", Rule, Native, &[], &[], ""),
    op("Size", Zero, Rewritten, &[], &[], ""),
    op("Slice", Rule, Native, &[], &[], ""),
    op("Softmax", Rule, Native, &[], &[], ""),
    op("SoftmaxCrossEntropyLoss", Rule, Rewritten, &[], &[], ""),
    op("Softplus", Rule, Native, &[], &[], ""),
    op("Softsign", Rule, Native, &[], &[], ""),
    op("SpaceToDepth", Rule, Native, &[], &[], ""),
    op("Split", Rule, Native, &[], &[], ""),
    op("Sqrt", Rule, Native, &[], &[], ""),
    op("Squeeze", Rule, Native, &[], &[], ""),
    op("Sub", Rule, Native, &[], &[], ""),
    op("Sum", Rule, Native, &[], &[], ""),
    op("SwiGLU", Rule, Rewritten, &[], &[], ""),
    op("Swish", Rule, Rewritten, &[], &[], ""),
    op("Tan", Rule, Native, &[], &[], ""),
    op("Tanh", Rule, Native, &[], &[], ""),
    op("ThresholdedRelu", Rule, Native, &[], &[], ""),
    op("Tile", Rule, Native, &[], &[], "constant repeats"),
    op("TopK", Rule, Native, &[], &[], "constant k"),
    op("Transpose", Rule, Native, &[], &[], ""),
    op("Trilu", Rule, Native, &[], &[], ""),
    op("Unsqueeze", Rule, Native, &[], &[], ""),
    op("Upsample", Rule, Rewritten, &[1], &[], "read as Resize"),
    op("Where", Rule, Native, &[], &[], ""),
    op("Xor", Zero, Native, &[], &[], ""),
];
