//! Converts nodes of opsets 1 to 6 to opset 7, where broadcasting became NumPy's.

use super::OldNode;
use crate::graph::{Attr, Attrs};
use crate::{Builder, DType, Error, Expr, Result};

/// The equivalent node of opset 7; attributes that later opsets turned into inputs stay attributes.
pub(super) fn to_7<'g>(b: &'g Builder, mut node: OldNode<'g>) -> Result<OldNode<'g>> {
    let opset = node.opset;
    let attrs = &mut node.attrs;
    attrs.0.remove("consumed_inputs");
    match node.op.as_str() {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Greater" | "Less" => {
            broadcast(&node.op, &mut node.inputs, attrs)?;
        }
        "PRelu" => channel_slope(&mut node.inputs),
        "Gemm" => drop(attrs.0.remove("broadcast")),
        "Concat" if opset < 4 && !attrs.0.contains_key("axis") => {
            attrs.0.insert("axis".into(), Attr::Int(1));
        }
        "BatchNormalization" if attrs.get_int("is_test", 0) == 0 => {
            return Err(Error::Unsupported(format!(
                "BatchNormalization of opset {opset} in training mode (is_test = 0): export the network for \
                 inference"
            )));
        }
        "Selu" => {
            for (name, value) in [("alpha", 1.6732), ("gamma", 1.0507)] {
                attrs.0.entry(name.into()).or_insert(Attr::Float(value));
            }
        }
        "Pad" => {
            if let Some(pads) = attrs.0.remove("paddings") {
                attrs.0.insert("pads".into(), pads);
            }
        }
        "Cast" => {
            if let Some(Attr::Str(name)) = attrs.0.get("to") {
                let dtype = match name.as_str() {
                    "FLOAT" => DType::F32,
                    "FLOAT16" => DType::F16,
                    "DOUBLE" => DType::F64,
                    "INT64" => DType::I64,
                    "INT32" => DType::I32,
                    "BOOL" => DType::Bool,
                    other => return Err(Error::Unsupported(format!("Cast of opset {opset} to {other}"))),
                };
                attrs.0.insert("to".into(), Attr::Int(dtype.onnx_code()));
            }
        }
        "Upsample" => {
            let [height, width] = ["height_scale", "width_scale"].map(|name| attrs.0.remove(name));
            if let (Some(Attr::Float(height)), Some(Attr::Float(width))) = (height, width) {
                attrs.0.insert("scales".into(), Attr::Floats(vec![1.0, 1.0, height, width]));
            }
            if attrs.get_str("mode", "nearest") == "bilinear" {
                attrs.0.insert("mode".into(), Attr::Str("linear".into()));
            }
        }
        "Split" if node.inputs.get(1).is_some_and(Option::is_some) => {
            let sizes = node.inputs[1].and_then(|e| e.known());
            let sizes =
                sizes.ok_or_else(|| Error::Unsupported("Split with sizes that are not constant".into()))?;
            let sizes: Vec<i64> = sizes.to_f64().into_iter().map(|v| v as i64).collect();
            node.inputs.truncate(1);
            attrs.0.insert("split".into(), Attr::Ints(sizes));
        }
        "Tile" if opset < 6 => tile(b, &mut node.inputs)?,
        "LpPool" | "GlobalLpPool" => {
            if let Some(Attr::Float(p)) = attrs.0.get("p").cloned() {
                attrs.0.insert("p".into(), Attr::Int(p as i64));
            }
        }
        _ => {}
    }
    Ok(node)
}

/// `broadcast = 1` aligns the second operand with the axes of the first from `axis` on, by default with the
/// last ones.
fn broadcast<'g>(op: &str, inputs: &mut [Option<Expr<'g>>], attrs: &mut Attrs) -> Result<()> {
    let (is_broadcast, axis) = (attrs.get_int("broadcast", 0) != 0, attrs.0.get("axis").cloned());
    attrs.0.remove("broadcast");
    attrs.0.remove("axis");
    let [Some(x), Some(y)] = *inputs else { return Ok(()) };
    let (rank, mut shape) = (x.shape().len(), y.shape());
    let Some(Attr::Int(axis)) = axis.filter(|_| is_broadcast) else { return Ok(()) };
    let at = crate::ops::axis(axis, rank).map_err(|e| Error::Model(format!("{op}: {e}")))?;
    let after = rank.checked_sub(at + shape.len()).ok_or_else(|| {
        Error::Model(format!("{op}: the shape {shape:?} at axis {axis} exceeds {:?}", x.shape()))
    })?;
    shape.extend(vec![1; after]);
    inputs[1] = Some(y.reshape(&shape));
    Ok(())
}

/// A slope with one value for each channel, axis 1.
fn channel_slope(inputs: &mut [Option<Expr<'_>>]) {
    if let [Some(x), Some(slope)] = *inputs
        && slope.shape().len() == 1
        && slope.size() > 1
        && x.shape().len() > 1
    {
        let mut shape = vec![1; x.shape().len() - 1];
        shape[0] = slope.size();
        inputs[1] = Some(slope.reshape(&shape));
    }
}

/// Tile of opset 1 repeats one axis: inputs (x, repeats, axis).
fn tile<'g>(b: &'g Builder, inputs: &mut Vec<Option<Expr<'g>>>) -> Result<()> {
    let number = |i: usize| {
        let value = inputs.get(i).copied().flatten().and_then(|e| e.known());
        value.and_then(|t| t.to_f64().first().copied())
    };
    let (Some(Some(x)), Some(repeats), Some(axis)) = (inputs.first().copied(), number(1), number(2)) else {
        return Err(Error::Unsupported("Tile with repeats or an axis that are not constant".into()));
    };
    let rank = x.shape().len();
    let at = crate::ops::axis(axis as i64, rank).map_err(|e| Error::Model(format!("Tile: {e}")))?;
    let mut all = vec![1; rank];
    all[at] = repeats as i64;
    *inputs = vec![Some(x), Some(b.constant(crate::Tensor::ints(&all)))];
    Ok(())
}
