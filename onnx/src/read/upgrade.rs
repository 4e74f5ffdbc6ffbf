//! Converts nodes of older opsets to opset 18. Mostly, attributes have become inputs.

use crate::graph::{Attr, Attrs};
use crate::{Builder, Error, Expr, Result, Tensor};

type Inputs<'g> = Vec<Option<Expr<'g>>>;

/// The equivalent node in opset 18: op, inputs and attributes.
pub(super) fn to_18<'g>(
    b: &'g Builder,
    opset: i64,
    mut op: String,
    mut inputs: Inputs<'g>,
    mut attrs: Attrs,
    outputs: usize,
) -> Result<(String, Inputs<'g>, Attrs)> {
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
        "Tile" | "Expand" | "Reshape" => move_ints(b, &mut attrs, "shape", &mut inputs, 1),
        "Pad" => {
            move_ints(b, &mut attrs, "pads", &mut inputs, 1);
            move_float(b, &mut attrs, "value", &mut inputs, 2);
        }
        "Clip" => {
            move_float(b, &mut attrs, "min", &mut inputs, 1);
            move_float(b, &mut attrs, "max", &mut inputs, 2);
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
        "Softmax" | "LogSoftmax" if opset < 13 => {
            let shape = inputs.first().copied().flatten().map_or_else(Vec::new, Expr::shape);
            let axis = attrs.get_int("axis", 1);
            let first = if axis < 0 { axis + shape.len() as i64 } else { axis };
            let rest =
                shape.get(usize::try_from(first).unwrap_or(usize::MAX).saturating_add(1)..).unwrap_or(&[]);
            if rest.iter().any(|&d| d != 1) {
                return Err(Error::Unsupported(format!(
                    "{op} of opset {opset} over several axes, from axis {axis} of {shape:?} on: export with opset 13 or newer"
                )));
            }
            attrs = attrs.int("axis", axis);
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
        "Cast" => drop(attrs.0.remove("saturate")),
        "AveragePool" if attrs.get_ints("dilations").is_some_and(|d| d.iter().all(|&d| d == 1)) => {
            attrs.0.remove("dilations");
        }
        "Dropout" => {
            op = "Identity".into();
            inputs.truncate(1);
            attrs = Attrs::new();
        }
        _ => {}
    }
    Ok((op, inputs, attrs))
}

/// Resize of opset 10, and Upsample: inputs (x, scales), asymmetric coordinates. Nearest takes the floor when
/// enlarging and the ceiling when reducing.
fn resize_10(inputs: &mut Inputs<'_>, attrs: &mut Attrs) -> Result<()> {
    if inputs.len() == 2 {
        inputs.insert(1, None);
    }
    let scales =
        inputs.get(2).copied().flatten().and_then(|e| e.constant()).map_or_else(Vec::new, |t| t.to_f64());
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

fn move_float<'g>(b: &'g Builder, attrs: &mut Attrs, name: &str, inputs: &mut Inputs<'g>, at: usize) {
    if let Some(Attr::Float(value)) = attrs.0.remove(name) {
        place(inputs, at, b.scalar(value));
    }
}
