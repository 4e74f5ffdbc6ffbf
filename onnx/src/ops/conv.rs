//! Convolution and pooling: output sizes, and the window geometry that the gradient rules share.

use super::args::{Args, Inferred};
use crate::DType;
use crate::graph::Attrs;

/// Kernel, strides, dilations and explicit padding of a windowed op over d spatial axes.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub kernel: Vec<i64>,
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    /// d values before, then d values after.
    pub pads: Vec<i64>,
}

impl Geometry {
    /// Reads the attributes. `auto_pad` is resolved to explicit padding for an input of spatial shape `size`.
    pub fn new(attrs: &Attrs, kernel: &[usize], size: &[usize]) -> Result<Geometry, String> {
        let d = kernel.len();
        let list = |name: &str, default: i64, n: usize| -> Result<Vec<i64>, String> {
            let v = attrs.get_ints(name).map_or_else(|| vec![default; n], <[i64]>::to_vec);
            if v.len() == n { Ok(v) } else { Err(format!("`{name}` has {} values; expected {n}", v.len())) }
        };
        let kernel: Vec<i64> = kernel.iter().map(|&k| k as i64).collect();
        let (strides, dilations) = (list("strides", 1, d)?, list("dilations", 1, d)?);
        if strides.iter().chain(&dilations).chain(&kernel).any(|&v| !(1..=1 << 20).contains(&v)) {
            return Err("strides, dilations and kernel sizes must be at least 1 (and at most 2²⁰)".into());
        }
        let mut pads = list("pads", 0, 2 * d)?;
        if pads.iter().any(|p| !(0..=1 << 40).contains(p)) {
            return Err(format!("pads {pads:?} must not be negative"));
        }
        match attrs.get_str("auto_pad", "NOTSET") {
            "NOTSET" | "" => {}
            "VALID" => pads = vec![0; 2 * d],
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                for i in 0..d {
                    let (n, s) = (size[i] as i64, strides[i]);
                    let total = (((n + s - 1) / s - 1) * s + dilations[i] * (kernel[i] - 1) + 1 - n).max(0);
                    let (small, large) = (total / 2, total - total / 2);
                    let (before, after) = if mode == "SAME_UPPER" { (small, large) } else { (large, small) };
                    pads[i] = before;
                    pads[d + i] = after;
                }
            }
            other => return Err(format!("no rule for auto_pad `{other}`")),
        }
        Ok(Geometry { kernel, strides, dilations, pads })
    }

    /// Extent of the dilated kernel on axis `i`.
    pub fn extent(&self, i: usize) -> i64 {
        self.dilations[i] * (self.kernel[i] - 1) + 1
    }

    /// Number of windows along each spatial axis of an input of shape `size`. `ceil` is `ceil_mode`.
    pub fn windows(&self, size: &[usize], ceil: bool) -> Result<Vec<usize>, String> {
        let d = size.len();
        let count = |i: usize| {
            let padded = size[i] as i64 + self.pads[i] + self.pads[d + i];
            let (room, s) = (padded - self.extent(i), self.strides[i]);
            if room < 0 {
                return Err(format!(
                    "the window of {} does not fit the padded size {padded}",
                    self.extent(i)
                ));
            }
            let mut n = if ceil { (room + s - 1) / s + 1 } else { room / s + 1 };
            // With ceil_mode, the last window must start inside the input or its left padding.
            if ceil && (n - 1) * s >= size[i] as i64 + self.pads[i] {
                n -= 1;
            }
            Ok(n as usize)
        };
        (0..d).map(count).collect()
    }
}

/// All taps of the window in row-major order: the dilated offset along each axis.
pub(crate) fn taps(geometry: &Geometry) -> Vec<Vec<i64>> {
    let mut all = vec![vec![]];
    for (k, d) in geometry.kernel.iter().zip(&geometry.dilations) {
        all = all.iter().flat_map(|t| (0..*k).map(move |i| [&t[..], &[i * d]].concat())).collect();
    }
    all
}

pub(super) fn infer(op: &str, attrs: &Attrs, args: &Args<'_>, outputs: usize) -> Inferred {
    let x = args.need(0)?;
    if x.shape.len() < 3 {
        return Err("the input must be [N, C, …] with a spatial axis".into());
    }
    let [n, c, size @ ..] = x.shape else { return Err("the input must be [N, C, …]".into()) };
    let shape = match op {
        "GlobalAveragePool" | "GlobalMaxPool" => [*n, *c].into_iter().chain(size.iter().map(|_| 1)).collect(),
        "MaxPool" | "AveragePool" => {
            let kernel = attrs.get_ints("kernel_shape").ok_or("`kernel_shape` is missing")?;
            let kernel: Vec<usize> = kernel.iter().map(|&k| k.max(0) as usize).collect();
            if kernel.len() != size.len() {
                return Err(format!("a kernel of rank {} on {} spatial axes", kernel.len(), size.len()));
            }
            let geometry = Geometry::new(attrs, &kernel, size)?;
            if op == "AveragePool" && geometry.dilations.iter().any(|&d| d != 1) {
                return Err("no rule for dilations: AveragePool has them only from opset 19 on".into());
            }
            let shape = [vec![*n, *c], geometry.windows(size, attrs.get_int("ceil_mode", 0) != 0)?].concat();
            if op == "MaxPool" && outputs == 2 {
                return Ok(vec![(shape.clone(), x.dtype), (shape, DType::I64)]);
            }
            shape
        }
        _ => {
            let w = args.need(1)?;
            let group = attrs.get_int("group", 1).clamp(1, 1 << 20) as usize;
            let [w0, w1, kernel @ ..] = w.shape else {
                return Err("the weight must be [O, C/group, …]".into());
            };
            if kernel.len() != size.len() {
                return Err(format!("a kernel of rank {} on {} spatial axes", kernel.len(), size.len()));
            }
            let geometry = Geometry::new(attrs, kernel, size)?;
            let (inputs, channels) = if op == "Conv" { (w1 * group, *w0) } else { (*w0, w1 * group) };
            if inputs != *c || w0 % group != 0 {
                return Err(format!(
                    "the weight takes {inputs} input channels in {group} groups; the input has {c}"
                ));
            }
            if let Some(b) = args.get(2).filter(|b| b.shape != [channels]) {
                return Err(format!("bias of shape {:?}; expected [{channels}]", b.shape));
            }
            let spatial = if op == "Conv" {
                geometry.windows(size, false)?
            } else {
                transposed_size(attrs, &geometry, size)?
            };
            [vec![*n, channels], spatial].concat()
        }
    };
    Ok(vec![(shape, x.dtype)])
}

fn transposed_size(attrs: &Attrs, g: &Geometry, size: &[usize]) -> Result<Vec<usize>, String> {
    if attrs.get_ints("output_shape").is_some()
        || !matches!(attrs.get_str("auto_pad", "NOTSET"), "NOTSET" | "VALID")
    {
        return Err("no rule for ConvTranspose with output_shape or auto_pad; give explicit pads".into());
    }
    let d = size.len();
    let extra = attrs.get_ints("output_padding").map_or_else(|| vec![0; d], <[i64]>::to_vec);
    if extra.len() != d || (0..d).any(|i| extra[i] < 0 || extra[i] >= g.strides[i]) {
        return Err(format!("output_padding {extra:?} must be smaller than the strides"));
    }
    (0..d)
        .map(|i| {
            let n = (size[i] as i64 - 1) * g.strides[i] + g.extent(i) + extra[i] - g.pads[i] - g.pads[d + i];
            usize::try_from(n).ok().filter(|&n| n > 0).ok_or_else(|| format!("the output size would be {n}"))
        })
        .collect()
}
