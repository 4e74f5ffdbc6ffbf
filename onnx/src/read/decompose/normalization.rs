//! Normalization layers without a kernel in opset 18, or without a CUDA kernel.

use super::Node;
use crate::ops::axis;
use crate::{Attrs, DType, Error, Expr, Result, Tensor};

pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Expr<'g>> {
    let x = node.x(0)?;
    match node.op {
        "GroupNormalization" => group(node, x),
        "RMSNormalization" => root_mean_square(node, x),
        "MeanVarianceNormalization" => mean_variance(node, x),
        _ => lp(node, x),
    }
}

/// y = γ x̂ + β with x̂ normalized over each group of channels: an instance normalization of `[N, groups, rest]`.
/// γ and β are per channel; before opset 21 they were per group.
fn group<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let (shape, scale, bias) = (x.shape(), node.x(1)?, node.x(2)?);
    let [n, channels, ..] = shape[..] else { return Err(node.malformed("the input must be [N, C, …]")) };
    let groups = node.attrs.get_int("num_groups", 0);
    let groups = usize::try_from(groups).ok().filter(|&g| g > 0 && channels % g == 0);
    let groups = groups.ok_or_else(|| node.malformed("`num_groups` does not divide the channels"))?;
    let expected = if node.opset < 21 { groups } else { channels };
    if scale.shape() != [expected] || bias.shape() != [expected] {
        return Err(node.malformed(&format!("scale and bias must have the shape [{expected}]")));
    }
    let b = node.builder;
    let filled = |v: f64| Tensor::from_f64(&[groups], &vec![v; groups], x.dtype()).map(|t| b.constant(t));
    let (Some(ones), Some(zeros)) = (filled(1.0), filled(0.0)) else {
        return Err(node.malformed("too many groups"));
    };
    let attrs = Attrs::new().float("epsilon", node.attrs.get_float("epsilon", 1e-5));
    let rows = x.reshape(&[n, groups, shape[2..].iter().product::<usize>() * (channels / groups)]);
    let hat = b.op1("InstanceNormalization", &[rows, ones, zeros], attrs);
    // γ and β beside the channels that they belong to: [1, groups, channels of a group or 1, 1]
    let apart = hat.reshape(&[n, groups, channels / groups, shape[2..].iter().product()]);
    let along = |e: Expr<'g>| e.reshape(&[1, groups, expected / groups, 1]);
    Ok((apart * along(scale) + along(bias)).reshape(&shape))
}

/// y = γ x/√(mean(x²) + ε) over the axes from `axis` on, in f32 if x is f16.
fn root_mean_square<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let (rank, dtype) = (x.shape().len(), x.dtype());
    let first = axis(node.attrs.get_int("axis", -1), rank).map_err(Error::Model)?;
    let wide =
        if dtype == DType::F16 && node.attrs.get_int("stash_type", 1) == 1 { DType::F32 } else { dtype };
    let inner = x.cast(wide);
    let square = (inner * inner).mean(&(first..rank).collect::<Vec<_>>(), true);
    let hat = inner / (square + node.attrs.get_float("epsilon", 1e-5)).sqrt();
    Ok(hat.cast(dtype) * node.x(1)?)
}

/// y = (x − mean)/(√var + 10⁻⁹) over `axes`, by default all but the channels.
fn mean_variance<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let given = node.attrs.get_ints("axes").unwrap_or(&[0, 2, 3]);
    let axes = given.iter().map(|&a| axis(a, x.shape().len())).collect::<std::result::Result<Vec<_>, _>>();
    let axes = axes.map_err(Error::Model)?;
    let centered = x - x.mean(&axes, true);
    Ok(centered / ((centered * centered).mean(&axes, true).sqrt() + x.number(1e-9)))
}

/// y = x/‖x‖ along an axis, 0 where the norm is 0.
fn lp<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let along = axis(node.attrs.get_int("axis", -1), x.shape().len()).map_err(Error::Model)?;
    let op = match node.attrs.get_int("p", 2) {
        1 => "ReduceL1",
        2 => "ReduceL2",
        p => return Err(node.unsupported(&format!("the attribute `p` = {p}"))),
    };
    let norm = x.binary(op, node.builder.constant(Tensor::ints(&[along as i64])));
    let is_zero = norm.binary("Equal", norm.number(0.0));
    Ok(x / is_zero.select(norm.number(1.0), norm))
}
