//! Converts nodes of other opsets to opset 18. Mostly, attributes have become inputs.

use super::{NewNode, OldNode, newer, older};
use crate::graph::{Attr, Attrs};
use crate::{Builder, DType, Error, Expr, Result, Tensor};

type Inputs<'g> = Vec<Option<Expr<'g>>>;

/// The equivalent in opset 18.
pub(super) fn to_18<'g>(b: &'g Builder, node: OldNode<'g>) -> Result<NewNode<'g>> {
    let node = match node.opset {
        ..7 => older::to_7(b, node)?,
        _ => node,
    };
    if let Some(values) = newer::decompose(b, &node)? {
        return Ok(NewNode::Values(values));
    }
    let OldNode { opset, mut op, mut inputs, mut attrs, outputs } = node;
    match op.as_str() {
        "Squeeze" | "Unsqueeze" => move_ints(b, &mut attrs, "axes", &mut inputs, 1),
        "Split" => {
            move_ints(b, &mut attrs, "split", &mut inputs, 1);
            attrs.0.remove("num_outputs");
            if let [Some(x)] | [Some(x), None] = inputs[..] {
                place(&mut inputs, 1, b.constant(Tensor::ints(&equal_pieces(x, &attrs, outputs))));
            }
        }
        _ if op.starts_with("Reduce") => move_ints(b, &mut attrs, "axes", &mut inputs, 1),
        "Slice" => {
            for (i, name) in ["starts", "ends", "axes"].into_iter().enumerate() {
                move_ints(b, &mut attrs, name, &mut inputs, i + 1);
            }
        }
        "Pad" if inputs.get(3).is_some_and(Option::is_some) => all_axes_of_pad(b, &mut inputs)?,
        "TopK" if attrs.get_ints("k").is_some() || attrs.0.contains_key("k") => {
            let k = attrs.get_int("k", 0);
            attrs.0.remove("k");
            place(&mut inputs, 1, b.constant(Tensor::ints(&[k])));
        }
        "Scatter" => op = "ScatterElements".into(),
        "Tile" | "Expand" | "Reshape" => move_ints(b, &mut attrs, "shape", &mut inputs, 1),
        "Pad" => {
            move_ints(b, &mut attrs, "pads", &mut inputs, 1);
            move_float(&mut attrs, "value", &mut inputs, 2);
        }
        "Clip" => {
            move_float(&mut attrs, "min", &mut inputs, 1);
            move_float(&mut attrs, "max", &mut inputs, 2);
        }
        "Upsample" => {
            op = "Resize".into();
            if let Some(Attr::Floats(scales)) = attrs.0.remove("scales") {
                inputs.truncate(1);
                inputs.push(Some(b.values(&[scales.len()], &scales)));
            }
            resize_10(&mut inputs, &mut attrs)?;
        }
        "Resize" if opset < 11 => resize_10(&mut inputs, &mut attrs)?,
        // Up to opset 12, Softmax flattened all axes from `axis` (default 1) on.
        "Softmax" | "LogSoftmax" | "Hardmax" if opset < 13 => {
            let (x, shape) = match inputs.first().copied().flatten() {
                Some(x) => (x, x.shape()),
                None => return Err(Error::Model(format!("{op}: input 0 is missing"))),
            };
            let given = attrs.get_int("axis", 1);
            let first = if given < 0 { given + shape.len() as i64 } else { given };
            let first = usize::try_from(first).ok().filter(|&f| f <= shape.len()).ok_or_else(|| {
                Error::Model(format!("{op}: the axis {given} is out of range for rank {}", shape.len()))
            })?;
            attrs = Attrs::new().int("axis", first as i64);
            if first == shape.len() || shape[first + 1..].iter().any(|&d| d != 1) {
                let (rows, columns) = (shape[..first].iter().product(), shape[first..].iter().product());
                let flat = b.op1(&op, &[x.reshape(&[rows, columns])], attrs.int("axis", 1));
                return Ok(NewNode::Values(vec![flat.reshape(&shape)]));
            }
        }
        // Attributes that opset 18 no longer has, or does not have yet, at values that have no effect.
        "BatchNormalization" => {
            if attrs.get_int("spatial", 1) != 1 {
                return Err(Error::Unsupported("BatchNormalization with spatial = 0".into()));
            }
            for gone in ["spatial", "is_test", "consumed_inputs"] {
                attrs.0.remove(gone);
            }
        }
        "Cast" | "CastLike" => {
            attrs.0.remove("saturate");
            attrs.0.remove("round_mode");
        }
        "Resize" => all_axes_of_resize(&mut inputs, &mut attrs)?,
        "AveragePool" if attrs.get_ints("dilations").is_some_and(|d| d.iter().all(|&d| d == 1)) => {
            attrs.0.remove("dilations");
        }
        "Dropout" => return dropout(b, opset, &inputs, &attrs),
        _ => {}
    }
    Ok(NewNode::Node(op, inputs, attrs))
}

/// Dropout for inference is the identity, and its mask is true everywhere.
fn dropout<'g>(b: &'g Builder, opset: i64, inputs: &Inputs<'g>, attrs: &Attrs) -> Result<NewNode<'g>> {
    let x = inputs.first().copied().flatten();
    let x = x.ok_or_else(|| Error::Model("Dropout: input 0 is missing".into()))?;
    let number = |i: usize| match inputs.get(i).copied().flatten() {
        Some(e) => Ok(Some(e.known().and_then(|t| t.to_f64().first().copied()).ok_or_else(|| {
            Error::Unsupported(format!("Dropout of opset {opset} with an input {i} that is not constant"))
        })?)),
        None => Ok(None),
    };
    let training = match opset {
        ..7 => attrs.get_int("is_test", 0) == 0,
        7..12 => false,
        _ => number(2)?.is_some_and(|t| t != 0.0) && number(1)? != Some(0.0),
    };
    if training {
        return Err(Error::Unsupported(format!(
            "Dropout of opset {opset} in training mode: its mask is random; export the network for inference"
        )));
    }
    let all = b.constant(Tensor::from_f64(&[], &[1.0], DType::Bool).unwrap_or_else(|| Tensor::scalar(1.0)));
    Ok(NewNode::Values(vec![x, all.expand(&x.shape())]))
}

/// Pad that names its axes (input 3): the pads of all axes.
fn all_axes_of_pad<'g>(b: &'g Builder, inputs: &mut Inputs<'g>) -> Result<()> {
    let ints = |i: usize| {
        let constant = inputs.get(i).copied().flatten().and_then(|e| e.known());
        constant.map(|t| t.to_f64().into_iter().map(|v| v as i64).collect::<Vec<_>>())
    };
    let rank = inputs[0].map_or(0, |x| x.shape().len());
    let (Some(pads), Some(axes)) = (ints(1), ints(3)) else {
        return Err(Error::Unsupported("Pad with pads or axes that are not constant".into()));
    };
    let mut all = vec![0; 2 * rank];
    for (i, axis) in axes.iter().enumerate() {
        let at = crate::ops::axis(*axis, rank).map_err(|e| Error::Model(format!("Pad: {e}")))?;
        let (Some(before), Some(after)) = (pads.get(i), pads.get(axes.len() + i)) else {
            return Err(Error::Model(format!("Pad: pads {pads:?} do not fit the axes {axes:?}")));
        };
        (all[at], all[rank + at]) = (*before, *after);
    }
    inputs[1] = Some(b.constant(Tensor::ints(&all)));
    inputs.truncate(3);
    Ok(())
}

/// Resize that names its axes: the scales or sizes of all axes.
fn all_axes_of_resize(inputs: &mut Inputs<'_>, attrs: &mut Attrs) -> Result<()> {
    let Some(axes) = attrs.get_ints("axes").map(<[i64]>::to_vec) else { return Ok(()) };
    let Some(x) = inputs.first().copied().flatten() else { return Ok(()) };
    let shape = x.shape();
    for (i, neutral) in [(2, None), (3, Some(&shape))] {
        let Some(given) = inputs.get(i).copied().flatten().and_then(|e| e.known()) else { continue };
        if given.is_empty() {
            continue;
        }
        let mut all = neutral.map_or_else(
            || vec![1.0; shape.len()],
            |shape| shape.iter().map(|&d| d as f64).collect::<Vec<_>>(),
        );
        for (axis, value) in axes.iter().zip(given.to_f64()) {
            let at =
                crate::ops::axis(*axis, shape.len()).map_err(|e| Error::Model(format!("Resize: {e}")))?;
            all[at] = value;
        }
        inputs[i] = Tensor::from_f64(&[shape.len()], &all, given.dtype()).map(|t| x.builder().constant(t));
    }
    // The region of interest: the starts, then the ends, of all axes.
    if let Some(roi) = inputs.get(1).copied().flatten().and_then(|e| e.known())
        && roi.len() == 2 * axes.len()
    {
        let rank = shape.len();
        let mut all = [vec![0.0; rank], vec![1.0; rank]].concat();
        for (k, value) in roi.to_f64().into_iter().enumerate() {
            let at = crate::ops::axis(axes[k % axes.len()], rank);
            let at = at.map_err(|e| Error::Model(format!("Resize: {e}")))?;
            all[if k < axes.len() { at } else { rank + at }] = value;
        }
        inputs[1] = Tensor::from_f64(&[2 * rank], &all, roi.dtype()).map(|t| x.builder().constant(t));
    }
    attrs.0.remove("axes");
    Ok(())
}

/// Resize of opset 10, and Upsample: inputs (x, scales), asymmetric coordinates. Nearest takes the floor when
/// enlarging and the ceiling when reducing.
fn resize_10(inputs: &mut Inputs<'_>, attrs: &mut Attrs) -> Result<()> {
    if inputs.len() == 2 {
        inputs.insert(1, None);
    }
    let scales =
        inputs.get(2).copied().flatten().and_then(|e| e.known()).map_or_else(Vec::new, |t| t.to_f64());
    let rounding = match (scales.iter().any(|&s| s < 1.0), scales.iter().any(|&s| s > 1.0)) {
        (true, true) => {
            let text = format!("Resize of opset 10 by {scales:?}: export with opset 11 or newer");
            return Err(Error::Unsupported(text));
        }
        (true, false) => "ceil",
        _ => "floor",
    };
    *attrs = std::mem::take(attrs)
        .str("coordinate_transformation_mode", "asymmetric")
        .str("nearest_mode", rounding);
    Ok(())
}

/// The sizes of a Split that gives only the number of pieces: equal sizes, the last piece may be smaller.
fn equal_pieces(x: Expr<'_>, attrs: &Attrs, outputs: usize) -> Vec<i64> {
    let axis = attrs.get_int("axis", 0);
    let axis = if axis < 0 { axis + x.shape().len() as i64 } else { axis };
    let total = x.dim(usize::try_from(axis).unwrap_or(usize::MAX));
    let piece = total.div_ceil(outputs.max(1));
    (0..outputs).map(|i| piece.min(total.saturating_sub(i * piece)) as i64).collect()
}

fn place<'g>(inputs: &mut Inputs<'g>, at: usize, value: Expr<'g>) {
    while inputs.len() <= at {
        inputs.push(None);
    }
    inputs[at] = Some(value);
}

fn move_ints<'g>(b: &'g Builder, attrs: &mut Attrs, name: &str, inputs: &mut Inputs<'g>, at: usize) {
    if let Some(Attr::Ints(values)) = attrs.0.remove(name) {
        place(inputs, at, b.constant(Tensor::ints(&values)));
    }
}

/// The constant gets the element type of the first input.
fn move_float(attrs: &mut Attrs, name: &str, inputs: &mut Inputs<'_>, at: usize) {
    if let (Some(Attr::Float(value)), Some(x)) = (attrs.0.remove(name), inputs.first().copied().flatten())
        && let Some(tensor) = Tensor::from_f64(&[], &[value.into()], x.dtype())
    {
        place(inputs, at, x.builder().constant(tensor));
    }
}
