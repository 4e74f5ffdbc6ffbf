//! LpPool and GlobalLpPool: a sum of powers, and its root.

use super::Node;
use crate::ops::Geometry;
use crate::{Attrs, Error, Expr, Result};

/// y = (Σ |x|ᵖ)^(1/p) over each window. The sum is a convolution of each channel with ones.
pub(super) fn decompose<'g>(node: &Node<'_, 'g>) -> Result<Expr<'g>> {
    let (x, p) = (node.x(0)?, node.attrs.get_int("p", 2));
    let shape = x.shape();
    let [n, c, size @ ..] = &shape[..] else { return Err(node.malformed("the input must be [N, C, …]")) };
    if size.is_empty() || p < 1 {
        return Err(node.malformed("it needs a spatial axis and `p` of at least 1"));
    }
    let powers = match p {
        1 => x.abs(),
        2 => x * x,
        _ => x.abs().binary("Pow", x.number(p as f64)),
    };
    if node.op == "GlobalLpPool" {
        return Ok(root(powers.sum(&(2..shape.len()).collect::<Vec<_>>(), true), p));
    }
    let kernel = node.attrs.get_ints("kernel_shape").unwrap_or_default();
    let kernel: Vec<usize> = kernel.iter().map(|&k| k.max(0) as usize).collect();
    if kernel.len() != size.len() {
        return Err(node.malformed("`kernel_shape` does not fit the spatial axes"));
    }
    let mut geometry = Geometry::new(node.attrs, &kernel, size).map_err(Error::Model)?;
    let ceil = node.attrs.get_int("ceil_mode", 0) != 0;
    let windows = geometry.windows(size, ceil).map_err(Error::Model)?;
    // With ceil_mode, the last window may extend past the padding: pad until it fits.
    let d = size.len();
    for i in 0..d {
        let covered = (windows[i] as i64 - 1) * geometry.strides[i] + geometry.extent(i);
        geometry.pads[d + i] = geometry.pads[d + i].max(covered - size[i] as i64 - geometry.pads[i]);
    }
    let taps = kernel.iter().try_fold(1usize, |n, &k| n.checked_mul(k)).filter(|&n| n <= 1 << 16);
    let taps = taps.ok_or_else(|| node.unsupported(&format!("a window of {kernel:?}")))?;
    let ones = node.builder.values(&[&[1, 1], &kernel[..]].concat(), &vec![1.0; taps]).cast(x.dtype());
    let attrs = Attrs::new().ints("strides", &geometry.strides).ints("dilations", &geometry.dilations);
    let padded = powers
        .reshape(&[&[n * c, 1], size].concat())
        .pad(&[&[0, 0], &geometry.pads[..d]].concat(), &[&[0, 0], &geometry.pads[d..]].concat());
    let sums = node.builder.op1("Conv", &[padded, ones], attrs);
    Ok(root(sums.reshape(&[&[*n, *c], &windows[..]].concat()), p))
}

/// s^(1/p) for s ≥ 0, with the gradient 0 at 0.
fn root(s: Expr<'_>, p: i64) -> Expr<'_> {
    match p {
        1 => s,
        2 => s.sqrt(),
        _ => {
            let positive = s.greater(s.number(0.0));
            let filled = positive.select(s, s.number(1.0));
            positive.select(filled.binary("Pow", s.number(1.0 / p as f64)), s.number(0.0))
        }
    }
}
