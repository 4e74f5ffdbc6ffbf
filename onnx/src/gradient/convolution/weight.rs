//! The gradient of a convolution with respect to its weight.

use crate::ops::{Geometry, taps};
use crate::{Attrs, Expr};

/// Elements in one tile of rows; see [`tiled`].
const TILE_ELEMENTS: usize = 1 << 22;

/// `dw[o, c, i] = Σₙₕ g[n, o, h] · x[n, c, s·h + d·i − p]`, as `[G·O/g, C/g, k…]` flattened. Each tap is a
/// matrix product that sums over n and h. One matrix for all taps (im2col) would need the memory of x times
/// the number of taps.
///
/// On the CPU, a large image is processed in tiles of rows that are summed, so that the padded copies of one
/// tile are freed before the next.
pub(super) fn weight_gradient<'g>(x: Expr<'g>, g: Expr<'g>, geometry: &Geometry, group: usize) -> Expr<'g> {
    let (channels, outputs) = (x.dim(1), g.dim(1));
    let offsets = taps(geometry);
    let taps = offsets.len();
    if let (2.., Some(sum)) = (taps, tiled(x, g, geometry, group)) {
        return sum;
    }

    let views = TapViews::new(x, g, geometry);
    let g = views.gradient(g);
    let b = x.builder();
    if group == 1 {
        let products: Vec<_> = offsets.iter().map(|at| g.gemm(views.tap(at), false, true)).collect();
        return match taps {
            1 => products[0],
            _ => b.concat(&products, 0).reshape(&[taps, outputs, channels]).transpose(&[1, 2, 0]),
        };
    }
    // Grouped: one batched product over the groups, with the taps side by side.
    let (cg, og, columns) = (channels / group, outputs / group, views.columns());
    let split: Vec<_> = offsets.iter().map(|at| views.tap(at).reshape(&[group, cg, columns])).collect();
    let seen = b.concat(&split, 1).transpose(&[0, 2, 1]); // [G, n·length, taps·C/g]
    g.reshape(&[group, og, columns]).matmul(seen).reshape(&[group, og, taps, cg]).transpose(&[0, 1, 3, 2])
}

/// The input of a convolution as each tap sees it, as a matrix `[C, N·length]`.
///
/// The values of x that a tap sees form one contiguous range: g is padded to the row length of the padded x,
/// and the values between two rows are multiplied by zeros. For stride s this holds within each of the s
/// phases of x.
struct TapViews<'a, 'g> {
    strides: &'a [i64],
    /// Samples and channels of x.
    n: usize,
    channels: usize,
    /// Spatial shape of the gradient g.
    positions: Vec<i64>,
    /// Spatial shape of one phase.
    phase: Vec<i64>,
    /// Elements of a phase that a tap sees in each sample and channel.
    length: i64,
    /// x with its padding.
    padded: Expr<'g>,
    /// Spatial shape of all phases together.
    phases_shape: Vec<i64>,
    /// All phases, stacked along the channels, and their stride.
    stacked: Option<(Expr<'g>, i64)>,
}

impl<'a, 'g> TapViews<'a, 'g> {
    fn new(x: Expr<'g>, g: Expr<'g>, geometry: &'a Geometry) -> Self {
        let d = geometry.kernel.len();
        let Geometry { strides, pads, .. } = geometry;
        // A phase of x extends as far as its last tap needs. The first axis gets one more row if a tap's range
        // ends after its last row. Extreme sizes saturate; shape inference rejects them later.
        let positions: Vec<i64> = g.shape()[2..].iter().map(|&n| n as i64).collect();
        let shift = |i: usize| (geometry.extent(i) - 1) / strides[i];
        let mut phase: Vec<i64> = (0..d).map(|i| positions[i] + shift(i)).collect();
        phase[0] += i64::from((1..d).any(|i| shift(i) > 0));
        let length = positions[0].saturating_mul(row(&phase, 0));

        let phases_shape: Vec<i64> = (0..d).map(|i| phase[i].saturating_mul(strides[i])).collect();
        let after = (0..d).map(|i| (phases_shape[i] - pads[i] - x.dim(2 + i) as i64).max(0));
        let after: Vec<i64> = [0; 2].into_iter().chain(after).collect();
        let padded = x.pad(&[&[0; 2], &pads[..d]].concat(), &after);
        // For 2-D data, one SpaceToDepth makes all phases. A strided Slice would copy element by element.
        let block = match strides[..] {
            [s, t] if s == t && s > 1 => Some(s),
            _ => None,
        };
        let stacked = block.map(|s| {
            let exact = padded.slice(&[2, 3], &[0, 0], &phases_shape, &[1, 1]);
            (x.builder().op("SpaceToDepth", &[Some(exact)], Attrs::new().int("blocksize", s))[0], s)
        });
        TapViews {
            strides,
            n: x.dim(0),
            channels: x.dim(1),
            positions,
            phase,
            length,
            padded,
            phases_shape,
            stacked,
        }
    }

    /// Columns of each matrix: N·length.
    fn columns(&self) -> usize {
        self.n.saturating_mul(self.length as usize)
    }

    /// What the tap at offset `at` sees, `[C, N·length]`.
    fn tap(&self, at: &[i64]) -> Expr<'g> {
        let (d, strides) = (at.len(), self.strides);
        let from: Vec<i64> = (0..d).map(|i| at[i] % strides[i]).collect();
        let steps = (0..d).map(|i| (at[i] / strides[i]).saturating_mul(row(&self.phase, i)));
        let first = steps.fold(0, i64::saturating_add);
        let size = self.phase[0].saturating_mul(row(&self.phase, 0));
        let seen = match self.stacked {
            Some((phases, s)) => {
                let channel = (from[0] * s + from[1]) * self.channels as i64;
                phases.slice(&[1], &[channel], &[channel + self.channels as i64], &[1])
            }
            None => {
                let axes: Vec<usize> = (2..d + 2).collect();
                self.padded.slice(&axes, &from, &self.phases_shape, strides)
            }
        };
        self.flatten(seen, self.channels, size, first)
    }

    /// The gradient `[N, O, …]`, with its rows padded to those of a phase, as `[O, N·length]`.
    fn gradient(&self, g: Expr<'g>) -> Expr<'g> {
        let (d, outputs) = (self.phase.len(), g.dim(1));
        let between: Vec<i64> =
            (0..d).map(|i| if i == 0 { 0 } else { self.phase[i] - self.positions[i] }).collect();
        let padded = g.pad(&vec![0; d + 2], &[&[0; 2], &between[..]].concat());
        self.flatten(padded, outputs, self.length, 0)
    }

    /// `length` consecutive elements of the `size` that each sample and channel has, starting at `from`, as
    /// `[C, N·length]`.
    fn flatten(&self, e: Expr<'g>, c: usize, size: i64, from: i64) -> Expr<'g> {
        let (e, axis) = match self.n {
            1 => (e.reshape(&[c, size as usize]), 1),
            n => (e.reshape(&[n, c, size as usize]).transpose(&[1, 0, 2]), 2),
        };
        let range = e.slice(&[axis], &[from], &[from.saturating_add(self.length)], &[1]);
        range.reshape(&[c, self.columns()])
    }
}

/// Elements between neighboring positions of axis i in a phase.
fn row(phase: &[i64], i: usize) -> i64 {
    phase[i + 1..].iter().fold(1, |n: i64, &p| n.saturating_mul(p))
}

/// Computes [`weight_gradient`] as a sum over tiles of rows, for large images on the CPU. `None` if tiling does not
/// apply.
fn tiled<'g>(x: Expr<'g>, g: Expr<'g>, geometry: &Geometry, group: usize) -> Option<Expr<'g>> {
    let [_, _, height, _] = *x.shape() else { return None };
    let (height, rows) = (height as i64, g.dim(2) as i64);
    if !x.builder().with_graph(|graph| graph.for_cpu) {
        return None;
    }
    let tiles = (x.size().max(g.size()) / TILE_ELEMENTS) as i64;
    let tile_rows = (rows + tiles - 1) / tiles.max(1);
    if tiles < 2 || tile_rows < geometry.extent(0) {
        return None;
    }
    let starts = (0..rows).step_by(usize::try_from(tile_rows).ok()?);
    let parts = starts.map(|from| {
        let to = rows.min(from + tile_rows);
        // The rows of x that these rows of g read; some may be padding.
        let first = from * geometry.strides[0] - geometry.pads[0];
        let end = (to - 1) * geometry.strides[0] + geometry.extent(0) - geometry.pads[0];
        let (above, below) = ((-first).max(0), (end - height).max(0));
        let pads = [above, geometry.pads[1], below, geometry.pads[3]].to_vec();
        let seen = x.slice(&[2], &[first.max(0)], &[end.min(height)], &[1]);
        let part = Geometry { pads, ..geometry.clone() };
        weight_gradient(seen, g.slice(&[2], &[from], &[to], &[1]), &part, group)
    });
    parts.reduce(|sum, part| sum + part)
}
