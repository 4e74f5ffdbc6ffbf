//! Brings nodes of older opsets to opset 18: mostly attributes that became inputs.

use crate::graph::{Attr, Attrs};
use crate::{Builder, Error, Expr, Result, Tensor};

type Inputs<'g> = Vec<Option<Expr<'g>>>;

/// The same operation as opset 18 says it.
pub(super) fn to_18<'g>(
    b: &'g Builder,
    opset: i64,
    mut op: String,
    mut inputs: Inputs<'g>,
    mut attrs: Attrs,
) -> Result<(String, Inputs<'g>, Attrs)> {
    match op.as_str() {
        "Squeeze" | "Unsqueeze" => move_ints(b, &mut attrs, "axes", &mut inputs, 1),
        "Split" => {
            move_ints(b, &mut attrs, "split", &mut inputs, 1);
            attrs.0.remove("num_outputs");
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
            resize_10(&mut inputs, &mut attrs);
        }
        "Resize" if opset < 11 => resize_10(&mut inputs, &mut attrs),
        // Until opset 12 Softmax ran over everything from `axis` (default 1) on, flattened.
        "Softmax" | "LogSoftmax" if opset < 13 => {
            let rank = inputs.first().copied().flatten().map_or(0, |x| x.shape().len()) as i64;
            let axis = attrs.get_int("axis", 1);
            if axis != -1 && axis != rank - 1 {
                return Err(Error::Unsupported(format!(
                    "{op} of opset {opset} over axes {axis}…{}: export with opset 13 or newer",
                    rank - 1
                )));
            }
            attrs = attrs.int("axis", -1);
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

/// Resize of opset 10 and Upsample: (x, scales), corners at zero.
fn resize_10(inputs: &mut Inputs<'_>, attrs: &mut Attrs) {
    if inputs.len() == 2 {
        inputs.insert(1, None);
    }
    *attrs = std::mem::take(attrs)
        .str("coordinate_transformation_mode", "asymmetric")
        .str("nearest_mode", "floor");
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
