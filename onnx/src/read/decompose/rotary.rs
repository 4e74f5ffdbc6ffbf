//! RotaryEmbedding (opset 23).

use super::Node;
use crate::{Attrs, Expr, Result};

/// Rotates pairs (a, b) of the first `rotary_embedding_dim` features by the angle of their position:
/// (a cos − b sin, a sin + b cos). x is `[N, heads, L, head]`, or `[N, L, heads · head]`.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Expr<'g>> {
    let (x, b) = (node.x(0)?, node.builder);
    let shape = x.shape();
    // [N, L, heads, head]
    let apart = match shape[..] {
        [_, _, _, _] => x.transpose(&[0, 2, 1, 3]),
        [n, l, hidden] => {
            let heads = usize::try_from(node.attrs.get_int("num_heads", 0)).unwrap_or(0);
            if heads == 0 || hidden % heads != 0 {
                return Err(node.malformed("`num_heads` does not divide the features"));
            }
            x.reshape(&[n, l, heads, hidden / heads])
        }
        _ => return Err(node.malformed("the input must have three or four axes")),
    };
    let [n, l, heads, head] = apart.shape()[..] else {
        return Err(node.malformed("the input has no features"));
    };
    let rotated = match usize::try_from(node.attrs.get_int("rotary_embedding_dim", 0)) {
        Ok(0) => head,
        Ok(r) if r <= head && r % 2 == 0 => r,
        _ => return Err(node.malformed("`rotary_embedding_dim` does not fit the features")),
    };
    let half = rotated / 2;
    // [N, L, 1, half]: rows of the caches, chosen by position_ids if given
    let cache = |i: usize| -> Result<Expr<'g>> {
        let table = node.x(i)?;
        let rows = match node.get(3) {
            Some(positions) => b.op1("Gather", &[table, positions], Attrs::new().int("axis", 0)),
            None => table,
        };
        match rows.shape()[..] {
            [a, c, h] if (a == n || a == 1) && c == l && h == half => Ok(rows.reshape(&[a, l, 1, half])),
            _ => Err(node.malformed(&format!("the cache of shape {:?} does not fit", rows.shape()))),
        }
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let turning = apart.slice(&[3], &[0], &[rotated as i64], &[1]);
    let interleaved = node.attrs.get_int("interleaved", 0) != 0;
    // The pairs are neighbors if interleaved, else the two halves.
    let pairs = if interleaved { [n, l, heads, half, 2] } else { [n, l, heads, 2, half] };
    let pair_axis = if interleaved { 4 } else { 3 };
    let pairs_of = turning.reshape(&pairs);
    let part = |i: i64| pairs_of.slice(&[pair_axis], &[i], &[i + 1], &[1]).reshape(&[n, l, heads, half]);
    let (first, second) = (part(0), part(1));
    let mut one = pairs;
    one[pair_axis] = 1;
    let real = (cos * first - sin * second).reshape(&one);
    let imaginary = (sin * first + cos * second).reshape(&one);
    let turned = b.concat(&[real, imaginary], pair_axis).reshape(&[n, l, heads, rotated]);
    let rest = apart.slice(&[3], &[rotated as i64], &[head as i64], &[1]);
    let y = if rotated == head { turned } else { b.concat(&[turned, rest], 3) };
    Ok(if shape.len() == 3 { y.reshape(&shape) } else { y.transpose(&[0, 2, 1, 3]) })
}
