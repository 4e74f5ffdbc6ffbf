//! Converts OpenVINO layers to ONNX ops.

use super::layer::Layer;
use crate::{Attrs, Builder, Error, Expr, Result, Tensor};

/// Adds `layer` on `inputs` and returns its outputs.
pub(super) fn convert<'g>(b: &'g Builder, layer: &Layer<'_>, inputs: &[Expr<'g>]) -> Result<Vec<Expr<'g>>> {
    let input = |i: usize| inputs.get(i).copied().ok_or_else(|| layer.bad(&format!("input {i} is missing")));
    let op = |name: &str, args: &[Expr<'g>], attrs: Attrs| {
        let args: Vec<_> = args.iter().copied().map(Some).collect();
        b.op_named(name, layer.name, &args, attrs, 1)
    };
    let none = Attrs::new;
    let flag = |key: &str| layer.data.get(key).is_some_and(|v| *v == "true" || *v == "1");
    Ok(match layer.op {
        "Add" => op("Add", &[input(0)?, input(1)?], none()),
        "Multiply" => op("Mul", &[input(0)?, input(1)?], none()),
        "Power" => op("Pow", &[input(0)?, input(1)?], none()),
        "MatMul" => {
            let (a, b) = (input(0)?, input(1)?);
            if !flag("transpose_a") && !flag("transpose_b") {
                op("MatMul", &[a, b], none())
            } else if a.shape().len() == 2 && b.shape().len() == 2 {
                vec![a.gemm(b, flag("transpose_a"), flag("transpose_b"))]
            } else {
                return Err(unsupported(layer, "transposed operands must be matrices"));
            }
        }
        // Shape arithmetic is folded as it is added.
        "ShapeOf" => op("Shape", &[input(0)?], none()),
        "Gather" => {
            let axis = integers(layer, input(2)?)?.first().copied().unwrap_or(0);
            op("Gather", &[input(0)?, input(1)?], none().int("axis", axis))
        }
        "Unsqueeze" | "Squeeze" => {
            let axes = b.constant(Tensor::ints(&integers(layer, input(1)?)?));
            op(layer.op, &[input(0)?, axes], none())
        }
        "Concat" => {
            let axis = layer.numbers("axis")?.first().copied().unwrap_or(0);
            op("Concat", inputs, none().int("axis", axis))
        }
        "Reshape" => {
            op("Reshape", &[input(0)?, input(1)?], none().int("allowzero", (!flag("special_zero")).into()))
        }
        "Broadcast" => op("Expand", &[input(0)?, input(1)?], none()),
        "Tile" => op("Tile", &[input(0)?, input(1)?], none()),
        "ReduceMean" => {
            let axes = b.constant(Tensor::ints(&integers(layer, input(1)?)?));
            op("ReduceMean", &[input(0)?, axes], none().int("keepdims", flag("keep_dims").into()))
        }
        "PReLU" => {
            let (x, slope) = (input(0)?, input(1)?);
            match slope.constant().map(|t| t.to_f64()).as_deref() {
                Some(&[alpha]) => vec![x.leaky_relu(alpha as f32)],
                _ => {
                    let shape: Vec<usize> =
                        [slope.size()].into_iter().chain(x.shape().iter().skip(2).map(|_| 1)).collect();
                    op("PRelu", &[x, slope.reshape(&shape)], none())
                }
            }
        }
        "VariadicSplit" => {
            let x = input(0)?;
            let axis = integers(layer, input(1)?)?.first().copied().unwrap_or(0);
            let axis = usize::try_from(if axis < 0 { axis + x.shape().len() as i64 } else { axis })
                .unwrap_or(usize::MAX);
            let sizes = integers(layer, input(2)?)?;
            // One size may be -1 (the rest). Sizes whose sum overflows are invalid.
            let known = sizes.iter().filter(|&&s| s >= 0).try_fold(0i64, |sum, &s| sum.checked_add(s));
            let size = |&s: &i64| usize::try_from(if s < 0 { x.dim(axis) as i64 - known? } else { s }).ok();
            let sizes: Vec<usize> = sizes.iter().filter_map(size).collect();
            let sum = sizes.iter().try_fold(0usize, |sum, &s| sum.checked_add(s));
            if sum != Some(x.dim(axis)) || sizes.len() != layer.outputs.len() {
                return Err(
                    layer.bad(&format!("the sizes {sizes:?} do not split axis {axis} of {:?}", x.shape()))
                );
            }
            x.split(axis, &sizes)
        }
        "Convolution" => op("Conv", &[input(0)?, input(1)?], geometry(layer)?),
        "GroupConvolution" | "GroupConvolutionBackpropData" => {
            if inputs.len() > 2 {
                return Err(unsupported(layer, "an explicit output shape is not supported"));
            }
            // [G, A/G, B/G, k…] → [A, B/G, k…]
            let w = input(1)?;
            let shape = w.shape();
            let [groups, a, rest @ ..] = &shape[..] else {
                return Err(layer.bad("its weight has too few axes"));
            };
            let to = [&[groups * a], rest].concat();
            let weight = match w.constant().and_then(|t| t.reshaped(&to)) {
                Some(t) => b.weight(&b.with_graph(|g| g.info(w.value()).name.clone()), t),
                None => w.reshape(&to),
            };
            let name = if layer.op == "GroupConvolution" { "Conv" } else { "ConvTranspose" };
            op(name, &[input(0)?, weight], geometry(layer)?.int("group", *groups as i64))
        }
        _ => return Err(unsupported(layer, "this op is not supported")),
    })
}

fn geometry(layer: &Layer<'_>) -> Result<Attrs> {
    let padding = layer.data.get("auto_pad").copied().unwrap_or("explicit");
    if !matches!(padding, "explicit" | "valid") {
        return Err(unsupported(
            layer,
            &format!("auto_pad `{padding}` is not supported; use explicit padding"),
        ));
    }
    let pads = [layer.numbers("pads_begin")?, layer.numbers("pads_end")?].concat();
    let attrs = Attrs::new().ints("strides", &layer.numbers("strides")?).ints("pads", &pads);
    Ok(attrs.ints("dilations", &layer.numbers("dilations")?))
}

/// The integers of a constant: axes, sizes.
fn integers(layer: &Layer<'_>, value: Expr<'_>) -> Result<Vec<i64>> {
    let tensor = value.constant().ok_or_else(|| unsupported(layer, "axes and sizes must be constants"))?;
    Ok(tensor.to_f64().into_iter().map(|v| v as i64).collect())
}

fn unsupported(layer: &Layer<'_>, reason: &str) -> Error {
    Error::Unsupported(format!("{} `{}`: {reason}", layer.op, layer.name))
}
