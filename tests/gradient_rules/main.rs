//! Every op's shape rule and gradient rule, tested three ways, all through ONNX Runtime: finite differences and
//! PyTorch's values (`reference.rs`), and values worked out by hand (`analytic.rs`).
//!
//! A case is the text of a node: `Conv strides=2,2 pads=1,1,1,1`. `name=2` is an attribute, `name=2,` a list,
//! `#1=[0,2]` a constant at input 1 (`none` leaves it out, `b[1,0]` are truth values); the inputs of the case take the
//! places left. A word that starts with `:` is a remark.

mod analytic;
mod emitted;
mod node;
mod reference;
mod refusals;

use std::collections::BTreeSet;

/// The ops that issue 2 promises, less `Constant`, which only files have (`onnx_files.rs`).
const PROMISED: &str = "Add Sub Mul Div Pow Sqrt Reciprocal Exp Log Abs Neg Relu LeakyRelu PRelu Elu Sigmoid Tanh \
    Softplus HardSigmoid HardSwish Erf Clip Min Max Where Equal Greater GreaterOrEqual Less LessOrEqual MatMul Gemm \
    Conv ConvTranspose MaxPool AveragePool GlobalAveragePool BatchNormalization InstanceNormalization \
    LayerNormalization Softmax LogSoftmax ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 \
    ReduceLogSum ReduceLogSumExp ReduceSumSquare Reshape Flatten Transpose Squeeze Unsqueeze Concat Split Slice \
    Gather Expand Tile Pad Resize DepthToSpace SpaceToDepth Cast Identity ConstantOfShape Shape Sin Cos Tan Asin Acos \
    Atan Sinh Cosh Asinh Acosh Atanh Mish Softsign Celu Selu ThresholdedRelu Shrink Mod GlobalMaxPool LRN CumSum Trilu \
    Einsum";

#[test]
fn every_promised_op_is_tested_three_ways() {
    let reference = reference::names();
    let op = |text: &str| text.split(' ').next().unwrap_or_default().to_string();
    let fixture: BTreeSet<String> = reference.iter().map(|n| op(n)).collect();
    let smooth: BTreeSet<String> =
        reference.iter().filter(|n| reference::is_smooth(n)).map(|n| op(n)).collect();
    let by_hand: BTreeSet<String> = analytic::names().into_iter().map(op).collect();
    for (tested, how) in [(fixture, "PyTorch"), (smooth, "finite differences"), (by_hand, "a value by hand")]
    {
        let missing: Vec<_> = PROMISED.split_whitespace().filter(|op| !tested.contains(*op)).collect();
        assert!(missing.is_empty(), "not tested against {how}: {missing:?}");
    }
}
