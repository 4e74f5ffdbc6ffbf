//! Forms of element-wise and layout ops that opset 18 does not have.

use super::Node;
use crate::ops::axis;
use crate::{Attrs, DType, Error, Expr, Result, Tensor};

/// `None` if opset 18 has the form.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Option<Expr<'g>>> {
    let x = node.x(0)?;
    match node.op {
        "Mod" if x.dtype().is_float() && node.attrs.get_int("fmod", 0) == 0 => {
            Ok(Some(floored_modulo(node, x, node.x(1)?)))
        }
        // f(x) = x where x > 0, α (e^(x/α) − 1) elsewhere; opset 18 has it in f32 only
        "Celu" if x.dtype() != DType::F32 => {
            let (alpha, zero) = (node.attrs.get_float("alpha", 1.0), x.number(0.0));
            let positive = x.greater(zero);
            let below = ((positive.select(zero, x) / alpha).exp() - 1.0) * alpha;
            Ok(Some(positive.select(x, below)))
        }
        "SpaceToDepth" if node.attrs.0.contains_key("mode") => space_to_depth(node, x).map(Some),
        "CumProd" => cumulative_product(node, x).map(Some),
        _ => Ok(None),
    }
}

/// a − b ⌊a/b⌋, which has the sign of b: the remainder with the sign of a, plus b if the signs differ.
fn floored_modulo<'g>(node: &Node<'_, 'g>, a: Expr<'g>, b: Expr<'g>) -> Expr<'g> {
    let rest = node.builder.op1("Mod", &[a, b], Attrs::new().int("fmod", 1));
    let zero = a.number(0.0);
    let differs = zero.greater(rest).binary("Xor", zero.greater(b));
    let is_zero = rest.binary("Equal", zero);
    is_zero.select(rest, differs.select(rest + b, rest))
}

/// `[N, C, H, W]` → `[N, C·s², H/s, W/s]`. Mode DCR orders the new channels by row and column of the block first,
/// CRD by the old channel first.
fn space_to_depth<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let s = node.attrs.get_int("blocksize", 0);
    let mode = node.attrs.get_str("mode", "DCR");
    if mode == "DCR" {
        return Ok(node.builder.op1("SpaceToDepth", &[x], Attrs::new().int("blocksize", s)));
    }
    let [n, c, h, w] = x.shape()[..] else { return Err(node.malformed("the input must be [N, C, H, W]")) };
    let s = usize::try_from(s).unwrap_or(0);
    if mode != "CRD" || s == 0 || h % s != 0 || w % s != 0 {
        return Err(node.malformed(&format!("`mode` = {mode}, or `blocksize` {s} does not divide {h}×{w}")));
    }
    let apart = x.reshape(&[n, c, h / s, s, w / s, s]).transpose(&[0, 1, 3, 5, 2, 4]);
    Ok(apart.reshape(&[n, c * s * s, h / s, w / s]))
}

/// yᵢ = Π x_j over j ≤ i (j < i if exclusive, and from the end if reverse), as one product for each i.
fn cumulative_product<'g>(node: &Node<'_, 'g>, x: Expr<'g>) -> Result<Expr<'g>> {
    let given = node.x(1)?.known().and_then(|t| t.to_f64().first().copied());
    let given = given.ok_or_else(|| node.unsupported("an axis that is not constant"))?;
    let mut shape = x.shape();
    let along = axis(given as i64, shape.len()).map_err(Error::Model)?;
    let n = shape[along];
    if n.checked_mul(x.size()).is_none_or(|size| size > 1 << 24) {
        return Err(node.unsupported(&format!("{n} elements along the axis of {shape:?}")));
    }
    let flag = |name: &str| node.attrs.get_int(name, 0) != 0;
    let takes = |i: usize, j: usize| {
        let (i, j) = if flag("reverse") { (j, i) } else { (i, j) };
        j < i || (j == i && !flag("exclusive"))
    };
    let mask: Vec<bool> = (0..n * n).map(|k| takes(k / n, k % n)).collect();
    let mut square = vec![1; shape.len() + 1];
    (square[along], square[along + 1]) = (n, n);
    let mask = Tensor::new(&square, crate::Data::Bool(mask.into()));
    let mask = node.builder.constant(mask.ok_or_else(|| node.malformed("the axis is too long"))?);
    shape.insert(along, 1);
    let factors = mask.select(x.reshape(&shape), x.number(1.0));
    let axes = node.builder.constant(Tensor::ints(&[along as i64 + 1]));
    Ok(node.builder.op1("ReduceProd", &[factors, axes], Attrs::new().int("keepdims", 0)))
}
