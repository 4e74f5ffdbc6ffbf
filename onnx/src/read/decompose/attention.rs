//! Attention (opset 23 to 25).

use super::Node;
use crate::{Attrs, DType, Expr, Result, Tensor};

/// Sizes: batch, query heads, query length, key length.
struct Sizes {
    n: usize,
    heads: usize,
    q: usize,
    kv: usize,
}

/// Y = softmax(softcap(√s Q · √s Kᵀ) + bias) · V for each head. Q is `[N, heads, L, head]` or
/// `[N, L, heads · head]`. The outputs are Y, the keys and values with the past ones before them, and QKᵀ at the
/// stage that `qk_matmul_output_mode` says.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Vec<Expr<'g>>> {
    let b = node.builder;
    let flat = node.x(0)?.shape().len() == 3;
    let q = heads_apart(node, 0, "q_num_heads")?;
    let cached = |i: usize, past: usize| -> Result<Expr<'g>> {
        let fresh = heads_apart(node, i, "kv_num_heads")?;
        Ok(node.get(past).map_or(fresh, |past| b.concat(&[past, fresh], 2)))
    };
    let (key, value) = (cached(1, 4)?, cached(2, 5)?);
    let ([n, heads, length, head], [_, kv_heads, kv, _]) = (four(node, q)?, four(node, key)?);
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(node.malformed(&format!("{kv_heads} key heads do not divide {heads} query heads")));
    }
    let sizes = Sizes { n, heads, q: length, kv };
    let scale = match node.attrs.get_float("scale", 0.0) {
        0.0 => 1.0 / (head as f64).sqrt(),
        given => f64::from(given),
    };
    let root = q.number(scale.sqrt());
    let keys = repeat_heads(key, heads / kv_heads).transpose(&[0, 1, 3, 2]);
    let product = (q * root).matmul(keys * root);
    let softcap = node.attrs.get_float("softcap", 0.0);
    let capped = if softcap > 0.0 { (product / softcap).unary("Tanh") * softcap } else { product };
    let bias = bias(node, &sizes, q.dtype())?;
    let scores = bias.map_or(capped, |bias| capped + bias);
    // A query that may attend to no key attends to nothing: its row is 0, and no NaN enters the gradient.
    let barred = bias.map(|bias| {
        let highest = bias.binary("ReduceMax", b.constant(Tensor::ints(&[-1])));
        highest.binary("Equal", q.number(f64::NEG_INFINITY))
    });
    let zero = q.number(0.0);
    let safe = barred.map_or(scores, |barred| barred.select(zero, scores));
    let precision = match node.attrs.get_int("softmax_precision", 0) {
        0 => q.dtype(),
        code => DType::from_onnx_code(code)
            .filter(|d| d.is_float())
            .ok_or_else(|| node.unsupported(&format!("the attribute `softmax_precision` = {code}")))?,
    };
    let along = Attrs::new().int("axis", -1);
    let weights = b.op1("Softmax", &[safe.cast(precision)], along).cast(q.dtype());
    let weights = barred.map_or(weights, |barred| barred.select(zero, weights));
    let y = weights.matmul(repeat_heads(value, heads / kv_heads));
    let y = if flat {
        y.transpose(&[0, 2, 1, 3]).reshape(&[n, length, y.size() / (n * length).max(1)])
    } else {
        y
    };
    let stage = match node.attrs.get_int("qk_matmul_output_mode", 0) {
        0 if node.outputs < 4 || softcap == 0.0 => product,
        1 => capped,
        2 => scores,
        3 => weights,
        mode => {
            return Err(node.unsupported(&format!("`qk_matmul_output_mode` = {mode} and softcap {softcap}")));
        }
    };
    Ok(vec![y, key, value, stage])
}

/// `[N, heads, L, head]`; an input `[N, L, heads · head]` is split by the number of heads.
fn heads_apart<'g>(node: &Node<'_, 'g>, i: usize, attribute: &str) -> Result<Expr<'g>> {
    let x = node.x(i)?;
    let [n, length, hidden] = x.shape()[..] else { return Ok(x) };
    let heads = usize::try_from(node.attrs.get_int(attribute, 0)).unwrap_or(0);
    if heads == 0 || hidden % heads != 0 {
        return Err(node.malformed(&format!("`{attribute}` does not divide the {hidden} features")));
    }
    Ok(x.reshape(&[n, length, heads, hidden / heads]).transpose(&[0, 2, 1, 3]))
}

fn four(node: &Node<'_, '_>, x: Expr<'_>) -> Result<[usize; 4]> {
    x.shape().try_into().map_err(|_| node.malformed("its inputs must have three or four axes"))
}

/// Each head `times` times in a row.
fn repeat_heads(x: Expr<'_>, times: usize) -> Expr<'_> {
    let shape = x.shape();
    match shape[..] {
        [n, heads, length, head] if times > 1 => x
            .reshape(&[n, heads, 1, length, head])
            .expand(&[n, heads, times, length, head])
            .reshape(&[n, heads * times, length, head]),
        _ => x,
    }
}

/// What is added to the scores: the mask, and −∞ where a query must not attend. `None` if nothing is.
fn bias<'g>(node: &Node<'_, 'g>, sizes: &Sizes, dtype: DType) -> Result<Option<Expr<'g>>> {
    let b = node.builder;
    let mut allowed = allowed(node, sizes)?;
    let barred = b.scalar(f32::NEG_INFINITY).cast(dtype);
    let mut added = None;
    if let Some(mask) = node.get(3) {
        let mask = lengthened(mask, sizes.kv);
        if mask.dtype() == DType::Bool {
            allowed.push(mask);
        } else {
            added = Some(mask.cast(dtype));
        }
    }
    let both = allowed.into_iter().reduce(|a, c| a.binary("And", c));
    let full = [sizes.n, sizes.heads, sizes.q, sizes.kv];
    let chosen = both.map(|both| both.select(b.scalar(0.0).cast(dtype), barred));
    let sum = match (chosen, added) {
        (Some(chosen), Some(added)) => Some(chosen + added),
        (chosen, added) => chosen.or(added),
    };
    let fits = |e: &Expr<'g>| crate::ops::broadcast(&[&full, &e.shape()]).is_ok_and(|s| s == full);
    match sum {
        Some(sum) if !fits(&sum) => {
            Err(node.malformed(&format!("a mask of shape {:?} does not fit", sum.shape())))
        }
        sum => Ok(sum),
    }
}

/// The mask with as many columns as there are keys; a key without a column is barred.
fn lengthened(mask: Expr<'_>, kv: usize) -> Expr<'_> {
    let mut shape = mask.shape();
    let Some(last) = shape.last_mut().filter(|last| **last < kv) else { return mask };
    *last = kv - *last;
    let barred = mask.builder().scalar(if mask.dtype() == DType::Bool { 0.0 } else { f32::NEG_INFINITY });
    let axis = shape.len() - 1;
    mask.builder().concat(&[mask, barred.cast(mask.dtype()).expand(&shape)], axis)
}

/// Boolean masks: causal, sliding window, and the number of keys that are in use. Query i is at position
/// i + offset among the keys.
fn allowed<'g>(node: &Node<'_, 'g>, sizes: &Sizes) -> Result<Vec<Expr<'g>>> {
    let b = node.builder;
    let counted = |n: usize, shape: &[usize]| {
        b.constant(Tensor::ints(&(0..n as i64).collect::<Vec<_>>())).reshape(shape)
    };
    let int = |v: i64| b.constant(Tensor::ints(&[v]));
    let (rows, columns) = (counted(sizes.q, &[sizes.q, 1]), counted(sizes.kv, &[1, sizes.kv]));
    let used = node.get(6).map(|used| used.cast(DType::I64).reshape(&[sizes.n, 1, 1, 1]));
    let past = node.get(4).map_or(0, |past| past.dim(2));
    let offset = used.map_or(int(past as i64), |used| used - int(sizes.q as i64));
    let position = rows + offset;
    let mut masks = vec![];
    if node.attrs.get_int("is_causal", 0) != 0 {
        masks.push((position + int(1)).greater(columns));
    }
    let (left, right) =
        (node.attrs.get_int("left_window_size", -1), node.attrs.get_int("right_window_size", -1));
    if left >= 0 {
        masks.push((columns + int(left + 1)).greater(position));
    }
    if right >= 0 {
        masks.push((position + int(right + 1)).greater(columns));
    }
    if let Some(used) = used {
        masks.push(used.greater(columns));
    }
    Ok(masks)
}
