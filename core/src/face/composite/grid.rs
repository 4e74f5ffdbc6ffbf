//! Coarse maps over the crop: blur and bilinear lookup.

/// `side` × `side` cells of `C` channels over the crop, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grid<const C: usize> {
    pub side: usize,
    pub cells: Vec<[f32; C]>,
}

impl<const C: usize> Grid<C> {
    /// The grid of `cell(x, y)`, where x and y are the cell's center in the crop, 0 to 1.
    pub fn from_fn(side: usize, mut cell: impl FnMut([f64; 2]) -> [f32; C]) -> Grid<C> {
        let center = |i: usize| (i as f64 + 0.5) / side as f64;
        let cells = (0..side * side).map(|i| cell([center(i % side), center(i / side)])).collect();
        Grid { side, cells }
    }

    /// Three box blurs, which approximate a Gaussian of the standard deviation `sigma`, in cells. Edge cells are repeated.
    /// Cells whose neighborhood is 0 stay exactly 0.
    pub fn blur(mut self, sigma: f64) -> Grid<C> {
        // A box of 2 r + 1 cells has the variance ((2 r + 1)² − 1) / 12.
        let radius = ((((4.0 * sigma * sigma + 1.0).sqrt() - 1.0) / 2.0).round() as usize).max(1);
        for _ in 0..3 {
            self = self.blur_rows(radius).transpose().blur_rows(radius).transpose();
        }
        self
    }

    fn blur_rows(&self, radius: usize) -> Grid<C> {
        let mut cells = vec![[0.0; C]; self.cells.len()];
        for (line, out) in self.cells.chunks(self.side).zip(cells.chunks_mut(self.side)) {
            box_blur(line, out, radius);
        }
        Grid { side: self.side, cells }
    }

    fn transpose(&self) -> Grid<C> {
        let side = self.side;
        Grid { side, cells: (0..side * side).map(|i| self.cells[i % side * side + i / side]).collect() }
    }

    /// Bilinear interpolation at a point of the crop, 0 to 1. Edge cells are repeated. Exact where the four cells around are
    /// equal to 0.
    pub fn sample(&self, point: [f64; 2]) -> [f32; C] {
        let last = self.side - 1;
        let axis = |v: f64| {
            let v = (v * self.side as f64 - 0.5).clamp(0.0, last as f64);
            let low = v as usize;
            (low, (low + 1).min(last), (v - low as f64) as f32)
        };
        let ((x0, x1, tx), (y0, y1, ty)) = (axis(point[0]), axis(point[1]));
        let cell = |x: usize, y: usize| &self.cells[y * self.side + x];
        let corners = [cell(x0, y0), cell(x1, y0), cell(x0, y1), cell(x1, y1)];
        let mut value = [0.0; C];
        for (c, value) in value.iter_mut().enumerate() {
            let [a, b, d, e] = corners.map(|cell| cell[c]);
            let (top, bottom) = (a + tx * (b - a), d + tx * (e - d));
            *value = top + ty * (bottom - top);
        }
        value
    }
}

fn box_blur<const C: usize>(line: &[[f32; C]], out: &mut [[f32; C]], radius: usize) {
    // Sums are taken afresh for each cell: a running sum would leave rounding errors where all values are 0.
    let (last, weight) = (line.len() as i64 - 1, 1.0 / (2 * radius + 1) as f32);
    for (i, out) in out.iter_mut().enumerate() {
        *out = [0.0; C];
        for j in i as i64 - radius as i64..=i as i64 + radius as i64 {
            let value = &line[j.clamp(0, last) as usize];
            out.iter_mut().zip(value).for_each(|(sum, v)| *sum += v * weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(side: usize, x: usize, y: usize) -> Grid<1> {
        let mut grid = Grid { side, cells: vec![[0.0]; side * side] };
        grid.cells[y * side + x] = [1.0];
        grid
    }

    #[test]
    fn blur_preserves_the_sum_and_exact_zeros() {
        let blurred = dot(41, 20, 20).blur(3.0);
        let sum: f32 = blurred.cells.iter().map(|c| c[0]).sum();
        assert!((sum - 1.0).abs() < 1e-4);
        let variance: f32 =
            blurred.cells.iter().enumerate().map(|(i, c)| c[0] * (i as f32 % 41.0 - 20.0).powi(2)).sum();
        assert!((variance.sqrt() - 3.0).abs() < 0.5, "{variance}");
        assert_eq!(blurred.cells[0], [0.0]);
    }

    #[test]
    fn lookups_are_linear_between_cell_centers() {
        let grid = Grid::from_fn(8, |[x, y]| [x as f32, y as f32]);
        for point in [[0.3, 0.7], [0.5, 0.5], [0.0625, 0.9375]] {
            let found = grid.sample(point);
            assert!((0..2).all(|i| (found[i] - point[i] as f32).abs() < 1e-6), "{point:?} {found:?}");
        }
        assert_eq!(grid.sample([-1.0, 2.0]), grid.sample([0.0, 1.0]));
    }
}
