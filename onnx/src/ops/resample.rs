//! Resize, DepthToSpace and SpaceToDepth: output sizes.

use super::args::{Args, Inferred};
use crate::graph::Attrs;

pub(super) fn infer(op: &str, attrs: &Attrs, args: &Args<'_>) -> Inferred {
    let x = args.need(0)?;
    let shape = match op {
        "Resize" => resized(attrs, args)?,
        "DepthToSpace" | "SpaceToDepth" => {
            let block = attrs.get_int("blocksize", 1).clamp(1, 1 << 16) as usize;
            let [n, c, h, w] = *x.shape else { return Err("the input must be [N, C, H, W]".into()) };
            let fits = if op == "DepthToSpace" {
                c % (block * block) == 0
            } else {
                h % block == 0 && w % block == 0
            };
            if !fits {
                return Err(format!("block size {block} does not divide the shape"));
            }
            match op {
                "DepthToSpace" => vec![n, c / (block * block), h * block, w * block],
                _ => vec![n, c * block * block, h / block, w / block],
            }
        }
        _ => return Err(format!("no rule for `{op}`")),
    };
    Ok(vec![(shape, x.dtype)])
}

fn resized(attrs: &Attrs, args: &Args<'_>) -> Result<Vec<usize>, String> {
    let x = args.need(0)?;
    if attrs.get_ints("axes").is_some() {
        return Err("no rule for Resize with `axes`".into());
    }
    if attrs.get_str("keep_aspect_ratio_policy", "stretch") != "stretch" {
        return Err("no rule for Resize with `keep_aspect_ratio_policy`".into());
    }
    match attrs.get_str("coordinate_transformation_mode", "half_pixel") {
        "half_pixel" | "pytorch_half_pixel" | "asymmetric" | "align_corners" | "tf_crop_and_resize" => {}
        other => return Err(format!("no rule for the coordinates `{other}`")),
    }
    if x.shape.contains(&0) {
        return Err("an empty input cannot be resized".into());
    }
    let mut out = x.shape.to_vec();
    if let Some(sizes) = args.ints(3)?.filter(|s| !s.is_empty()) {
        if sizes.len() != out.len() || sizes.iter().any(|&s| s < 1) {
            return Err(format!("sizes {sizes:?} do not fit rank {}", out.len()));
        }
        return Ok(sizes.iter().map(|&s| s as usize).collect());
    }
    let scales = args.get(2).and_then(|a| a.constant).ok_or("scales or sizes must be constants")?.to_f64();
    if scales.len() != out.len() || scales.iter().any(|&s| s.is_nan() || s <= 0.0) {
        return Err(format!("scales {scales:?} do not fit rank {}", out.len()));
    }
    let rank = out.len();
    let crops = attrs.get_str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize";
    let roi = args.get(1).and_then(|a| a.constant).map(crate::Tensor::to_f64).filter(|r| r.len() == 2 * rank);
    for (i, (d, s)) in out.iter_mut().zip(scales).enumerate() {
        // In f32, as in ONNX Runtime
        let part = match &roi {
            Some(roi) if crops => roi[rank + i] as f32 - roi[i] as f32,
            _ => 1.0,
        };
        *d = (s as f32 * part * *d as f32) as usize;
    }
    Ok(out)
}
