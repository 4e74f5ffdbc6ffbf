//! The weights of Resize along one axis: each output is a weighted sum of a few inputs.

use crate::graph::Attrs;

/// One axis of a Resize from `n` to `m` elements. `region` is the part that `tf_crop_and_resize` reads, in units
/// of the axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResizedAxis {
    pub n: usize,
    pub m: usize,
    pub scale: f32,
    pub region: (f32, f32),
}

/// The inputs that an output reads, with their weights.
pub(crate) type Row = Vec<(usize, f32)>;

impl ResizedAxis {
    /// The rows of all m outputs. An output outside the region of `tf_crop_and_resize` has none. Coordinates are
    /// computed in f32, as in ONNX Runtime: ties must round to the same side.
    pub fn rows(&self, attrs: &Attrs) -> Result<Vec<Row>, String> {
        let transform = attrs.get_str("coordinate_transformation_mode", "half_pixel");
        let last = (self.n - 1) as f32;
        let row = |o: usize| {
            let x = self.coordinate(transform, o)?;
            if transform == "tf_crop_and_resize" && !(0.0..=last).contains(&x) {
                return Ok(vec![]);
            }
            match attrs.get_str("mode", "nearest") {
                "nearest" => {
                    let i = nearest(x, attrs.get_str("nearest_mode", "round_prefer_floor"))?;
                    Ok(vec![(i.clamp(0.0, last) as usize, 1.0)])
                }
                "linear" => Ok(self.filtered(attrs, x, 1.0, |d| (1.0 - d.abs()).max(0.0))),
                "cubic" => {
                    let a = attrs.get_float("cubic_coeff_a", -0.75);
                    Ok(self.filtered(attrs, x, 2.0, |d| cubic(d.abs(), a)))
                }
                other => Err(format!("the mode `{other}` has no rule")),
            }
        };
        (0..self.m).map(row).collect()
    }

    /// Whether the output size is scale · n rounded down.
    pub fn is_rounded(&self) -> bool {
        (self.scale * self.n as f32 - self.m as f32).abs() > 1e-3
    }

    /// The position among the inputs that output `o` corresponds to.
    fn coordinate(&self, transform: &str, o: usize) -> Result<f32, String> {
        let (last, o) = ((self.n - 1) as f32, o as f32);
        Ok(match transform {
            "pytorch_half_pixel" | "align_corners" if self.m == 1 => 0.0,
            "half_pixel" | "pytorch_half_pixel" => (o + 0.5) / self.scale - 0.5,
            // Half pixels about the middle, if the output size is not exactly scale · n
            "half_pixel_symmetric" => {
                let adjustment = self.m as f32 / (self.scale * self.n as f32);
                self.n as f32 / 2.0 * (1.0 - adjustment) + (o + 0.5) / self.scale - 0.5
            }
            "asymmetric" => o / self.scale,
            "align_corners" if self.is_rounded() => o * last / (self.scale * self.n as f32 - 1.0),
            "align_corners" => o * last / (self.m - 1) as f32,
            "tf_crop_and_resize" => {
                let (start, end) = self.region;
                match self.m {
                    1 => 0.5 * (start + end) * last,
                    _ => start * last + o * (end - start) * last / (self.m - 1) as f32,
                }
            }
            other => return Err(format!("the coordinates `{other}` have no rule")),
        })
    }

    /// The inputs within the filter's support about x. With antialias, a filter that reduces is widened by
    /// 1/scale. Beyond the border, the border's element is read, or nothing with `exclude_outside`.
    fn filtered(&self, attrs: &Attrs, x: f32, support: f32, filter: impl Fn(f32) -> f32) -> Row {
        let antialias = attrs.get_int("antialias", 0) != 0;
        let shrink = if antialias { self.scale.min(1.0) } else { 1.0 };
        let exclude = attrs.get_int("exclude_outside", 0) != 0;
        let reach = (support / shrink).min(2.0 * self.n as f32 + 2.0);
        let (first, end) = ((x - reach).floor() as i64 + 1, (x + reach).floor() as i64);
        let taps = (first..=end).map(|i| (i, filter((i as f32 - x) * shrink)));
        let taps: Vec<(i64, f32)> =
            taps.filter(|(i, _)| !exclude || (0..self.n as i64).contains(i)).collect();
        let total: f32 = taps.iter().map(|(_, w)| w).sum();
        let norm = if antialias || exclude { total } else { 1.0 };
        taps.into_iter().map(|(i, w)| (i.clamp(0, self.n as i64 - 1) as usize, w / norm)).collect()
    }
}

fn nearest(x: f32, mode: &str) -> Result<f32, String> {
    Ok(match mode {
        "round_prefer_floor" if x == x.trunc() + 0.5 => x.floor(),
        "round_prefer_floor" | "round_prefer_ceil" => x.round(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        other => return Err(format!("the nearest_mode `{other}` has no rule")),
    })
}

/// Keys' cubic convolution kernel at distance d.
fn cubic(d: f32, a: f32) -> f32 {
    match d {
        ..1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        1.0..2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        _ => 0.0,
    }
}
