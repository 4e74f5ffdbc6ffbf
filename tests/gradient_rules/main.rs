//! The shape rule and the gradient rule of every op, run in ONNX Runtime and tested in three ways: against finite differences and
//! PyTorch (`reference.rs`), and against analytic values (`analytic.rs`).
//!
//! A case is the text of a node: `Conv strides=2,2 pads=1,1,1,1`. `name=2` is an attribute and `name=2,` a list attribute.
//! `#1=[0,2]` is a constant at input 1: `none` omits the input, `b[1,0]` holds booleans. The case's inputs fill the other
//! positions. A word that starts with `:` is a comment.

mod analytic;
mod emitted;
mod node;
mod reference;
mod refusals;
mod second;

use std::collections::BTreeSet;

/// The ops with a gradient rule, except `Constant`, which occurs in files only (`onnx_files.rs`).
const SUPPORTED: &str = "Add Sub Mul Div Pow Sqrt Reciprocal Exp Log Abs Neg Relu LeakyRelu PRelu Elu Sigmoid Tanh \
    Softplus HardSigmoid HardSwish Erf Clip Min Max Where Equal Greater GreaterOrEqual Less LessOrEqual MatMul Gemm \
    Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization InstanceNormalization \
    LayerNormalization Softmax LogSoftmax ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 \
    ReduceLogSum ReduceLogSumExp ReduceSumSquare Reshape Flatten Transpose Squeeze Unsqueeze Concat Split Slice \
    Gather Expand Tile Pad Resize DepthToSpace SpaceToDepth Cast Identity ConstantOfShape Shape Sin Cos Tan Asin Acos \
    Atan Sinh Cosh Asinh Acosh Atanh Mish Softsign Celu Selu ThresholdedRelu Shrink Mod GlobalMaxPool LRN CumSum Trilu \
    Einsum";

#[test]
fn every_supported_op_is_tested_in_three_ways() {
    let reference = reference::names();
    let op = |text: &str| text.split(' ').next().unwrap_or_default().to_string();
    let fixture: BTreeSet<String> = reference.iter().map(|n| op(n)).collect();
    let smooth: BTreeSet<String> =
        reference.iter().filter(|n| reference::is_smooth(n)).map(|n| op(n)).collect();
    let analytic: BTreeSet<String> = analytic::names().into_iter().map(op).collect();
    for (tested, how) in
        [(fixture, "PyTorch"), (smooth, "finite differences"), (analytic, "an analytic value")]
    {
        let missing: Vec<_> = SUPPORTED.split_whitespace().filter(|op| !tested.contains(*op)).collect();
        assert!(missing.is_empty(), "not tested against {how}: {missing:?}");
    }
}
