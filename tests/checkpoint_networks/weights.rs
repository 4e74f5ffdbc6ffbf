//! The tensors of a checkpoint, computed from their keys as in `networks.py`.

use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::{Data, Tensor};

/// Values in `[-1,1)`: the top 24 bits of splitmix64(FNV-1a(key) + index).
pub fn uniform(key: &str, count: usize) -> Vec<f32> {
    let hash = key
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let element = |i: usize| {
        let x = hash.wrapping_add((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let x = x ^ (x >> 31);
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(element).collect()
}

/// The tensor of a key; a line-by-line copy of `weight` in `networks.py`.
fn tensor(key: &str, shape: &[usize], equalized: bool) -> Tensor {
    let count = shape.iter().product();
    let end = key.rsplit('.').next().unwrap();
    if end == "num_batches_tracked" {
        return Tensor::new(shape, Data::I64(vec![0; count].into())).unwrap();
    }
    if end == "kernel" || end == "resample_filter" {
        let (taps, gain) = ([1.0, 3.0, 3.0, 1.0], if end == "kernel" { 4.0 } else { 1.0 });
        let values = (0..16).map(|i| taps[i / 4] * taps[i % 4] / 64.0 * gain).collect();
        return Tensor::f32(shape, values).unwrap();
    }
    let any = |ends: &[&str]| ends.iter().any(|e| key.ends_with(e));
    let fan_in: usize = shape.iter().skip(1).product();
    let (offset, scale) = match end {
        "running_var" => (1.0, 0.3),
        "running_mean" | "noise_strength" => (0.0, 0.1),
        _ if key.ends_with("noise.weight") => (0.0, 0.1),
        _ if key.contains("noise") || any(&["input.input", "const"]) => (0.0, 1.7),
        _ if key.starts_with("lin") && key.contains("model") => {
            return Tensor::f32(shape, uniform(key, count).iter().map(|u| u.abs()).collect()).unwrap();
        }
        _ if key.contains("modulation.bias") || key.contains("affine.bias") => (1.0, 0.1),
        _ if equalized && (key.starts_with("style.") || key.starts_with("mapping.fc")) => {
            (0.0, if end == "weight" { 170.0 } else { 10.0 })
        }
        "bias" => (0.0, 0.1),
        _ if shape.len() == 1 && any_start(key, &["bn1", "layer"]) => (1.4, 0.1),
        _ if shape.len() == 1 => (0.5, 0.1),
        _ if equalized => (0.0, 1.7),
        _ => (0.0, (3.0 / fan_in as f64).sqrt() as f32),
    };
    Tensor::f32(shape, uniform(key, count).iter().map(|u| offset + scale * u).collect()).unwrap()
}

fn any_start(key: &str, starts: &[&str]) -> bool {
    starts.iter().any(|s| key.starts_with(s))
}

/// Keys with shapes, one per line: `conv1.weight 64 3 7 7`.
pub fn parse(lines: &str) -> Vec<(String, Vec<usize>)> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        (words.next().unwrap().to_string(), words.map(|w| w.parse().unwrap()).collect())
    };
    lines.lines().map(line).collect()
}

/// A checkpoint with these keys. `equalized` tells which keys belong to layers with equalized learning rate.
pub fn checkpoint(name: &str, lines: &str, equalized: fn(&str) -> bool) -> Checkpoint {
    let tensors = parse(lines).into_iter().map(|(key, shape)| {
        let tensor = tensor(&key, &shape, equalized(&key));
        (key, tensor)
    });
    Checkpoint::from_tensors(name, tensors)
}
