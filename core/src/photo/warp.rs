//! Resampling through an affine map by cubic convolution. When an image shrinks, the kernel is widened by the scale factor,
//! which prevents aliasing.

use super::affine::Affine;
use super::float_image::FloatImage;

/// How an image continues beyond its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// Mirrored, with the edge pixel repeated: … 1 0 | 0 1 2 …
    Reflect,
    /// Black. A detector cannot mistake it for a second face.
    Black,
}

impl Border {
    /// The index on an axis of `n` pixels that is read for position `i`; `None` for black.
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

impl FloatImage {
    /// Resamples to `width` × `height`. `map` maps output pixels to pixels of this image and is evaluated at pixel centers.
    pub fn resample(&self, map: &Affine, width: usize, height: usize) -> FloatImage {
        if map.x[1] == 0.0 && map.y[0] == 0.0 {
            return self.resample_separable(map, width, height);
        }
        let mut out = FloatImage::new(width, height);
        let mut sampler = Sampler::new(self, map.scale());
        for (i, pixel) in out.data.iter_mut().enumerate() {
            *pixel = sampler.sample(map.apply([(i % width) as f64 + 0.5, (i / width) as f64 + 0.5]));
        }
        out
    }

    /// [`FloatImage::resample`] for maps without rotation: first along x, then along y, which is many times faster.
    fn resample_separable(&self, map: &Affine, width: usize, height: usize) -> FloatImage {
        let [scale_x, scale_y] = map.scale().map(|s| s.max(1.0));
        let columns: Vec<Taps> =
            (0..width).map(|i| Taps::new(map.apply([i as f64 + 0.5, 0.5])[0], scale_x)).collect();
        // Rows of this image after resampling along x, computed on demand.
        let mut lines: Vec<Option<Vec<[f32; 3]>>> = vec![None; self.height];
        let mut out = FloatImage::new(width, height);
        for (j, row) in out.data.chunks_exact_mut(width).enumerate() {
            let taps = Taps::new(map.apply([0.5, j as f64 + 0.5])[1], scale_y);
            for (y, weight) in taps.clamped(self.height) {
                let source = &self.data[y * self.width..][..self.width];
                let line = lines[y]
                    .get_or_insert_with(|| columns.iter().map(|taps| taps.weighted_sum(source)).collect());
                for (pixel, value) in row.iter_mut().zip(line) {
                    add_weighted(pixel, weight, value);
                }
            }
            row.iter_mut().for_each(|pixel| *pixel = pixel.map(|v| v.clamp(-1.0, 1.0)));
        }
        out
    }
}

/// Samples an image at arbitrary points.
pub(crate) struct Sampler<'i> {
    image: &'i FloatImage,
    scale: [f64; 2],
    /// Along x and y, for the last point sampled. Kept to reuse their memory.
    taps: [Taps; 2],
}

impl<'i> Sampler<'i> {
    /// `scale` is the number of image pixels per output pixel along x and y; values below 1 count as 1.
    pub fn new(image: &'i FloatImage, scale: [f64; 2]) -> Sampler<'i> {
        Sampler { image, scale: scale.map(|s| s.max(1.0)), taps: Default::default() }
    }

    /// The color at a point, in `[-1,1]`. Edge pixels are repeated.
    pub fn sample(&mut self, point: [f64; 2]) -> [f32; 3] {
        let [taps_x, taps_y] = &mut self.taps;
        taps_x.set_center(point[0], self.scale[0]);
        taps_y.set_center(point[1], self.scale[1]);
        let width = self.image.width;
        let mut color = [0.0; 3];
        for (y, weight) in taps_y.clamped(self.image.height) {
            add_weighted(&mut color, weight, &taps_x.weighted_sum(&self.image.data[y * width..][..width]));
        }
        color.map(|v| v.clamp(-1.0, 1.0))
    }
}

/// Filter taps on one axis: the index of the first pixel, and weights that sum to 1.
#[derive(Debug, Clone, Default)]
struct Taps {
    first: i64,
    weights: Vec<f32>,
}

impl Taps {
    fn new(center: f64, scale: f64) -> Taps {
        let mut taps = Taps::default();
        taps.set_center(center, scale);
        taps
    }

    fn set_center(&mut self, center: f64, scale: f64) {
        self.first = (center - 0.5 - 2.0 * scale).ceil() as i64;
        let last = (center - 0.5 + 2.0 * scale).floor() as i64;
        self.weights.clear();
        self.weights.extend((self.first..=last).map(|i| cubic((i as f64 + 0.5 - center) / scale) as f32));
        let total: f32 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= total);
    }

    /// Indices on an axis of `length` pixels, clamped to its ends, with their weights.
    fn clamped(&self, length: usize) -> impl Iterator<Item = (usize, f32)> {
        let last = length as i64 - 1;
        (self.first..).zip(&self.weights).map(move |(i, w)| (i.clamp(0, last) as usize, *w))
    }

    fn weighted_sum(&self, line: &[[f32; 3]]) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for (i, weight) in self.clamped(line.len()) {
            add_weighted(&mut sum, weight, &line[i]);
        }
        sum
    }
}

fn add_weighted(sum: &mut [f32; 3], weight: f32, value: &[f32; 3]) {
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += weight * value;
    }
}

/// Keys' cubic kernel with a = −1/2 (Catmull-Rom). Zero for |t| ≥ 2.
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

    /// Rotating and scaling preserves a smooth image. A fine checkerboard is reduced to its mean and does not alias.
    #[test]
    fn smooth_images_are_preserved_and_checkerboards_become_gray() {
        let wave = |x: f64, y: f64| (x / 9.0).sin() as f32 * 0.4 + (y / 11.0).cos() as f32 * 0.4;
        let mut source = FloatImage::new(120, 120);
        for (i, pixel) in source.data.iter_mut().enumerate() {
            *pixel = [wave((i % 120) as f64 + 0.5, (i / 120) as f64 + 0.5); 3];
        }
        for pixels in [20.0, 60.0, 150.0] {
            let map = Affine::rotated_square([60.0, 60.0], 60.0, 0.4, pixels);
            let out = source.resample(&map, pixels as usize, pixels as usize);
            for (i, pixel) in out.data.iter().enumerate() {
                let p = map.apply([(i % out.width) as f64 + 0.5, (i / out.width) as f64 + 0.5]);
                let error = pixel[0] - wave(p[0], p[1]);
                assert!(error.abs() < 0.05, "{pixels}: {error} at {p:?}");
            }
        }
        for (i, pixel) in source.data.iter_mut().enumerate() {
            *pixel = [if (i % 120 + i / 120) % 2 == 0 { 1.0 } else { -1.0 }; 3];
        }
        let out = source.resample(&Affine::rotated_square([60.0, 60.0], 90.0, 0.2, 30.0), 30, 30);
        assert!(out.data.iter().all(|p| p[0].abs() < 0.02));
    }
}
