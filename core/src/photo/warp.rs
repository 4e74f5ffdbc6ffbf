//! Resampling through an affine map: cubic where enlarging, cubic stretched to the pixel ratio where shrinking.

use ndarray::{Array4, ArrayView4};

/// RGB pixels in `[-1,1]`, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Raster {
    pub width: usize,
    pub height: usize,
    pub data: Vec<[f32; 3]>,
}

/// What lies beyond a picture's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// The picture mirrored, edge pixel included: … 1 0 | 0 1 2 …
    Reflect,
    /// Black: nothing that could be taken for a second face.
    Black,
}

impl Border {
    /// The pixel that stands at `i` of an axis of `n`.
    pub fn index(self, i: i64, n: i64) -> Option<usize> {
        match self {
            _ if (0..n).contains(&i) => Some(i as usize),
            Border::Black => None,
            Border::Reflect => {
                let folded = i.rem_euclid(2 * n);
                Some(folded.min(2 * n - 1 - folded) as usize)
            }
        }
    }
}

impl Raster {
    pub fn new(width: usize, height: usize) -> Raster {
        Raster { width, height, data: vec![[0.0; 3]; width * height] }
    }

    /// From `[1,3,H,W]`.
    pub fn from_crop(crop: ArrayView4<'_, f32>) -> Raster {
        let (_, _, height, width) = crop.dim();
        let pixel = |i: usize| [0, 1, 2].map(|c| crop[[0, c, i / width, i % width]]);
        Raster { width, height, data: (0..width * height).map(pixel).collect() }
    }

    /// To `[1,3,H,W]`.
    pub fn into_crop(self) -> Array4<f32> {
        Array4::from_shape_fn((1, 3, self.height, self.width), |(_, c, y, x)| {
            self.data[y * self.width + x][c]
        })
    }

    /// To `[1,H,W,3]`, row-major, each value `v` as `f(v)`: what the face networks take.
    pub fn to_nhwc(&self, f: impl Fn(f32) -> f32) -> Array4<f32> {
        Array4::from_shape_fn((1, self.height, self.width, 3), |(_, y, x, c)| {
            f(self.data[y * self.width + x][c])
        })
    }

    /// Each pixel the mean of those up to `radius` away along both axes, edge pixels repeated.
    pub fn blurred(&self, radius: usize) -> Raster {
        let reach = -(radius as i64)..=radius as i64;
        let share = 1.0 / (2 * radius + 1).pow(2) as f32;
        let mut out = Raster::new(self.width, self.height);
        for (i, pixel) in out.data.iter_mut().enumerate() {
            let (x, y) = ((i % self.width) as i64, (i / self.width) as i64);
            for (dy, dx) in reach.clone().flat_map(|dy| reach.clone().map(move |dx| (dy, dx))) {
                let row = (y + dy).clamp(0, self.height as i64 - 1) as usize;
                let column = (x + dx).clamp(0, self.width as i64 - 1) as usize;
                for (sum, value) in pixel.iter_mut().zip(self.data[row * self.width + column]) {
                    *sum += value * share;
                }
            }
        }
        out
    }

    /// `width` × `height` pixels; the centre of each is looked up through `map` (its pixels to ours).
    pub fn resample(&self, map: &Affine, width: usize, height: usize) -> Raster {
        if map.x[1] == 0.0 && map.y[0] == 0.0 {
            return self.resample_upright(map, width, height);
        }
        let mut out = Raster::new(width, height);
        let mut sampler = Sampler::new(self, map.stretch());
        for (i, pixel) in out.data.iter_mut().enumerate() {
            *pixel = sampler.at(map.apply([(i % width) as f64 + 0.5, (i / width) as f64 + 0.5]));
        }
        out
    }

    /// The same for a map that does not turn: rows first, then columns, which is many times faster.
    fn resample_upright(&self, map: &Affine, width: usize, height: usize) -> Raster {
        let [across, down] = map.stretch().map(|s| s.max(1.0));
        let columns: Vec<Taps> =
            (0..width).map(|i| Taps::new(map.apply([i as f64 + 0.5, 0.5])[0], across)).collect();
        let mut lines: Vec<Option<Vec<[f32; 3]>>> = vec![None; self.height];
        let mut out = Raster::new(width, height);
        for (j, row) in out.data.chunks_exact_mut(width).enumerate() {
            let taps = Taps::new(map.apply([0.5, j as f64 + 0.5])[1], down);
            for (y, weight) in taps.clamped(self.height) {
                let source = &self.data[y * self.width..][..self.width];
                let line =
                    lines[y].get_or_insert_with(|| columns.iter().map(|taps| taps.mix(source)).collect());
                for (pixel, value) in row.iter_mut().zip(line) {
                    add(pixel, weight, value);
                }
            }
            row.iter_mut().for_each(|pixel| *pixel = pixel.map(|v| v.clamp(-1.0, 1.0)));
        }
        out
    }
}

/// Reads a raster between its pixels.
pub(crate) struct Sampler<'r> {
    raster: &'r Raster,
    stretch: [f64; 2],
    /// Of the last point looked up, along x and y.
    taps: [Taps; 2],
}

impl<'r> Sampler<'r> {
    /// `stretch`: how many pixels of the raster one result covers along x and y; below 1 counts as 1.
    pub fn new(raster: &'r Raster, stretch: [f64; 2]) -> Sampler<'r> {
        Sampler { raster, stretch: stretch.map(|s| s.max(1.0)), taps: Default::default() }
    }

    /// The colour at a point, in `[-1,1]`; beyond the edge the nearest pixels count.
    pub fn at(&mut self, point: [f64; 2]) -> [f32; 3] {
        let [across, down] = &mut self.taps;
        across.move_to(point[0], self.stretch[0]);
        down.move_to(point[1], self.stretch[1]);
        let width = self.raster.width;
        let mut color = [0.0; 3];
        for (y, weight) in down.clamped(self.raster.height) {
            add(&mut color, weight, &across.mix(&self.raster.data[y * width..][..width]));
        }
        color.map(|v| v.clamp(-1.0, 1.0))
    }
}

/// The pixels of one axis that make up a value between them: the first one's index, and weights that sum to 1.
#[derive(Debug, Clone, Default)]
struct Taps {
    first: i64,
    weights: Vec<f32>,
}

impl Taps {
    fn new(center: f64, stretch: f64) -> Taps {
        let mut taps = Taps::default();
        taps.move_to(center, stretch);
        taps
    }

    fn move_to(&mut self, center: f64, stretch: f64) {
        self.first = (center - 0.5 - 2.0 * stretch).ceil() as i64;
        let last = (center - 0.5 + 2.0 * stretch).floor() as i64;
        self.weights.clear();
        self.weights.extend((self.first..=last).map(|i| cubic((i as f64 + 0.5 - center) / stretch) as f32));
        let total: f32 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= total);
    }

    /// Index and weight on an axis of `length`; what lies beyond an end counts for the pixel there.
    fn clamped(&self, length: usize) -> impl Iterator<Item = (usize, f32)> {
        let last = length as i64 - 1;
        (self.first..).zip(&self.weights).map(move |(i, w)| (i.clamp(0, last) as usize, *w))
    }

    fn mix(&self, line: &[[f32; 3]]) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for (i, weight) in self.clamped(line.len()) {
            add(&mut sum, weight, &line[i]);
        }
        sum
    }
}

fn add(sum: &mut [f32; 3], weight: f32, value: &[f32; 3]) {
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += weight * value;
    }
}

/// Keys' cubic with a = −1/2 (Catmull-Rom), 0 from |t| = 2 on.
fn cubic(t: f64) -> f64 {
    let t = t.abs();
    if t < 1.0 {
        (1.5 * t - 2.5) * t * t + 1.0
    } else if t < 2.0 {
        ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    } else {
        0.0
    }
}

/// x' = a·x + b·y + c, y' = d·x + e·y + f.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub x: [f64; 3],
    pub y: [f64; 3],
}

impl Affine {
    /// The map that takes (0,0) to `origin`, (1,0) to `origin + right` and (0,1) to `origin + down`.
    pub fn from_axes(origin: [f64; 2], right: [f64; 2], down: [f64; 2]) -> Affine {
        Affine { x: [right[0], down[0], origin[0]], y: [right[1], down[1], origin[1]] }
    }

    /// A square of side `side` around `center`, turned by `angle` (radians, clockwise as seen), as 0..`pixels`.
    pub fn square(center: [f64; 2], side: f64, angle: f64, pixels: f64) -> Affine {
        let step = side / pixels;
        let right = [angle.cos() * step, angle.sin() * step];
        let down = [-right[1], right[0]];
        let half = pixels / 2.0;
        let corner = |i: usize| center[i] - half * (right[i] + down[i]);
        Affine::from_axes([corner(0), corner(1)], right, down)
    }

    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let at = |row: &[f64; 3]| row[0] * x + row[1] * y + row[2];
        [at(&self.x), at(&self.y)]
    }

    /// This map followed by (p − origin) / scale.
    pub fn relative_to(&self, origin: [f64; 2], scale: f64) -> Affine {
        let row = |row: &[f64; 3], o: f64| [row[0] / scale, row[1] / scale, (row[2] - o) / scale];
        Affine { x: row(&self.x, origin[0]), y: row(&self.y, origin[1]) }
    }

    /// The map back; `None` where it has squashed the plane to a line.
    pub fn inverse(&self) -> Option<Affine> {
        let ([a, b, c], [d, e, f]) = (self.x, self.y);
        let det = a * e - b * d;
        let inverse = Affine {
            x: [e / det, -b / det, (b * f - c * e) / det],
            y: [-d / det, a / det, (c * d - a * f) / det],
        };
        (det.is_normal() && inverse.x.iter().chain(&inverse.y).all(|v| v.is_finite())).then_some(inverse)
    }

    /// How far one step of the source moves along x' and along y'.
    pub fn stretch(&self) -> [f64; 2] {
        [self.x, self.y].map(|row| row[0].hypot(row[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders() {
        let reflected: Vec<_> = (-4..7).map(|i| Border::Reflect.index(i, 3).unwrap()).collect();
        assert_eq!(reflected, [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0][..]);
        assert_eq!(Border::Black.index(-1, 3), None);
        assert_eq!(Border::Reflect.index(i64::from(i32::MIN), 1), Some(0));
    }

    #[test]
    fn the_inverse_undoes_the_map() {
        let map = Affine::square([40.0, 30.0], 20.0, 0.3, 64.0);
        let there = map.apply([10.0, 50.0]);
        let back = map.inverse().unwrap().apply(there);
        assert!((back[0] - 10.0).abs() < 1e-9 && (back[1] - 50.0).abs() < 1e-9, "{back:?}");
        assert_eq!(map.apply([32.0, 32.0]).map(|v| v.round()), [40.0, 30.0]);
        assert!(Affine::from_axes([0.0; 2], [1.0, 1.0], [2.0, 2.0]).inverse().is_none());
    }

    /// A smooth picture survives a turn and a shrink; a fine checkerboard becomes its mean, not an alias.
    #[test]
    fn smooth_stays_and_fine_becomes_grey() {
        let wave = |x: f64, y: f64| (x / 9.0).sin() as f32 * 0.4 + (y / 11.0).cos() as f32 * 0.4;
        let mut source = Raster::new(120, 120);
        for (i, pixel) in source.data.iter_mut().enumerate() {
            *pixel = [wave((i % 120) as f64 + 0.5, (i / 120) as f64 + 0.5); 3];
        }
        for pixels in [20.0, 60.0, 150.0] {
            let map = Affine::square([60.0, 60.0], 60.0, 0.4, pixels);
            let out = source.resample(&map, pixels as usize, pixels as usize);
            for (i, pixel) in out.data.iter().enumerate() {
                let p = map.apply([(i % out.width) as f64 + 0.5, (i / out.width) as f64 + 0.5]);
                assert!(
                    (pixel[0] - wave(p[0], p[1])).abs() < 0.05,
                    "{pixels}: {} at {p:?}",
                    pixel[0] - wave(p[0], p[1])
                );
            }
        }
        for (i, pixel) in source.data.iter_mut().enumerate() {
            *pixel = [if (i % 120 + i / 120) % 2 == 0 { 1.0 } else { -1.0 }; 3];
        }
        let out = source.resample(&Affine::square([60.0, 60.0], 90.0, 0.2, 30.0), 30, 30);
        assert!(out.data.iter().all(|p| p[0].abs() < 0.02));
    }
}
