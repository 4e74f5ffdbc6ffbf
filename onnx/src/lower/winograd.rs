//! Winograd's minimal filtering F(4×4, 3×3) (Lavin & Gray 2016, arXiv 1509.09308): a 3×3 convolution with a
//! quarter of the multiplications, as one matrix product for each of 36 points. It consists of differentiable
//! ops, so ∂L/∂x and ∂L/∂w take a quarter of the multiplications too. ONNX Runtime has no Winograd kernel for
//! the CPU; on a GPU, cuDNN applies it.

use super::rewrite::rewrite_nodes;
use crate::graph::Node;
use crate::ops::Geometry;
use crate::{Builder, ConvAttrs, Expr, Graph, Result};

/// Side of the output tile, and the number of interpolation points that it takes.
const OUTPUTS: usize = 4;
const POINTS: usize = OUTPUTS + 2;

/// The finite interpolation points; the last point is ∞. The rounding errors are a quarter of those with the
/// usual 0, ±1, ±2.
const FINITE: [f64; POINTS - 1] = [0.0, 0.75, -0.75, 1.5, -1.5];

/// Convolutions with fewer channels or rows gain little and are left as they are.
const MIN_CHANNELS: usize = 64;
const MIN_SIDE: usize = 16;
/// So are those with more elements: the transformed tiles take 36/16 of the memory.
const MAX_SIZE: usize = 1 << 23;

/// Replaces the large 3×3 convolutions of stride 1 in `graph` by Winograd's form. Inputs, outputs and weights
/// keep their names. Results differ by rounding, about 1e-6 relative.
///
/// The graph is marked for the CPU: gradients of a graph that inlines it use tiles of rows for weights of
/// large images.
pub fn winograd(graph: &Graph) -> Result<Graph> {
    Ok(Graph { for_cpu: true, ..rewrite_nodes(graph, replacement)? })
}

/// The replacement for `node`, if it is a convolution that gains from Winograd's form.
fn replacement<'g>(node: &Node, inputs: &[Option<Expr<'g>>]) -> Option<Expr<'g>> {
    let ([Some(x), Some(w)] | [Some(x), Some(w), _]) = *inputs else { return None };
    let [1, c, height, width] = *x.shape() else { return None };
    let [o, _, 3, 3] = *w.shape() else { return None };
    let geometry = Geometry::new(&node.attrs, &[3, 3], &[height, width]).ok()?;
    let is_plain = node.op == "Conv"
        && node.attrs.get_int("group", 1) == 1
        && [&geometry.strides, &geometry.dilations].iter().all(|steps| **steps == [1, 1])
        && geometry.pads == [1; 4];
    let is_worthwhile = c.min(o) >= MIN_CHANNELS
        && [c, o].iter().all(|channels| channels.is_multiple_of(2))
        && c.max(o) * height * width <= MAX_SIZE
        && [height, width].iter().all(|&side| side >= MIN_SIDE && side.is_multiple_of(OUTPUTS));
    (is_plain && is_worthwhile).then(|| {
        let y = convolution(x, w);
        match inputs.get(2) {
            Some(Some(bias)) => y + bias.reshape(&[1, o, 1, 1]),
            _ => y,
        }
    })
}

/// Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, summed over channels, for all tiles d of x `[1,C,H,W]` and w `[O,C,3,3]`.
/// Each of the three transforms of a tile is one matrix that acts on rows and columns at once.
fn convolution<'g>(x: Expr<'g>, w: Expr<'g>) -> Expr<'g> {
    let (b, points) = (x.builder(), POINTS * POINTS);
    let (o, c, height, width) = (w.dim(0), w.dim(1), x.dim(2), x.dim(3));
    let (rows, columns) = (height / OUTPUTS, width / OUTPUTS);
    let Transforms { at, g, bt } = Transforms::new();

    // U = (G ⊗ G) w: [36, O, C]
    let u = kronecker(b, &g).gemm(w.reshape(&[o * c, 9]), false, true).reshape(&[points, o, c]);
    // V = (Bᵀ ⊗ Bᵀ) d: a depthwise convolution reads the tiles, 6×6 and 4 apart. [36, C, tiles]. Here and
    // below, two channels share a group: with one, ONNX Runtime pads the 36 points to 48 or 40 and holds that
    // buffer.
    let tiles = ConvAttrs::same(1).stride(OUTPUTS).groups(2);
    let bt = kronecker(b, &bt).reshape(&[points, 1, POINTS, POINTS]);
    let v = x.reshape(&[c / 2, 2, height, width]).conv(b.concat(&[bt, bt], 0), &tiles);
    let v = v.reshape(&[c, points, rows * columns]).transpose(&[1, 0, 2]);
    // Y = (Aᵀ ⊗ Aᵀ) Σ_c U·V: a depthwise transposed convolution writes the tiles, 4×4, side by side.
    let products = u.matmul(v).transpose(&[1, 0, 2]).reshape(&[o / 2, 2 * points, rows, columns]);
    let at = kronecker(b, &at).transpose(&[1, 0]).reshape(&[points, 1, OUTPUTS, OUTPUTS]);
    let output_tiles = ConvAttrs::same(0).stride(OUTPUTS).groups(2);
    products.conv_transpose(b.concat(&[at, at], 0), &output_tiles, &[]).reshape(&[1, o, height, width])
}

/// The Kronecker product M ⊗ M `[m², n²]`: applies M to the columns and then to the rows of a tile.
fn kronecker<'g>(b: &'g Builder, m: &[Vec<f64>]) -> Expr<'g> {
    let (rows, columns) = (m.len(), m[0].len());
    let mut values = Vec::with_capacity((rows * columns).pow(2));
    for (i, j) in (0..rows * rows).map(|r| (r / rows, r % rows)) {
        let row = (0..columns * columns).map(|c| m[i][c / columns] * m[j][c % columns]);
        values.extend(row.map(|v| v as f32));
    }
    b.values(&[rows * rows, columns * columns], &values)
}

/// The matrices Aᵀ `[4,6]`, G `[6,3]` and Bᵀ `[6,6]`, by the Cook–Toom algorithm: two polynomials are
/// multiplied by their values at points, and Lagrange interpolation recovers the product. A filter is the
/// transpose of that.
struct Transforms {
    at: Vec<Vec<f64>>,
    g: Vec<Vec<f64>>,
    bt: Vec<Vec<f64>>,
}

impl Transforms {
    fn new() -> Transforms {
        // Powers of each point from a⁰ to aᵏ⁻¹; at ∞ only the highest counts.
        let powers = |k: usize| {
            let finite = FINITE.iter().map(move |a| (0..k as i32).map(|j| a.powi(j)).collect::<Vec<_>>());
            finite.chain([(0..k).map(|j| f64::from(u8::from(j + 1 == k))).collect()])
        };
        let others = |i: usize| FINITE.iter().enumerate().filter(move |(k, _)| *k != i).map(|(_, &a)| a);
        let scale = |i: usize| others(i).map(|a| FINITE.get(i).map_or(1.0, |own| own - a)).product::<f64>();

        let at = (0..OUTPUTS).map(|j| powers(OUTPUTS).map(|row| row[j]).collect()).collect();
        let g = powers(3).enumerate().map(|(i, row)| row.iter().map(|v| v / scale(i)).collect()).collect();
        // The coefficients of Π (x − aₖ) over the other points.
        let bt = (0..POINTS).map(|i| {
            let mut product = vec![1.0];
            for a in others(i) {
                let shifted = [&[0.0], &product[..]].concat(); // x · product
                product.push(0.0);
                product = shifted.iter().zip(&product).map(|(s, p)| s - a * p).collect();
            }
            product.resize(POINTS, 0.0);
            product
        });
        Transforms { at, g, bt: bt.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_outputs_of_a_filter_take_six_products() {
        let (signal, filter) = ([3.0, -1.0, 4.0, 1.5, -9.0, 2.5], [0.5, -2.0, 0.25]);
        let Transforms { at, g, bt } = Transforms::new();
        let times = |m: &[Vec<f64>], v: &[f64]| -> Vec<f64> {
            m.iter().map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
        };
        let products: Vec<f64> =
            times(&g, &filter).iter().zip(times(&bt, &signal)).map(|(a, b)| a * b).collect();
        for (i, y) in times(&at, &products).iter().enumerate() {
            let direct: f64 = (0..3).map(|k| filter[k] * signal[i + k]).sum();
            assert!((y - direct).abs() < 1e-12, "{i}: {y}, not {direct}");
        }
    }
}
