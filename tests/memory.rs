//! Peak memory of a gradient on the CPU, measured in a process of its own.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use gani_core::report::evaluation::{peak_memory_mb, reset_peak_memory};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions, Session};
use gani_onnx::ConvAttrs;
use gani_onnx::{Builder, Graph, cost, write};

const LAYERS: usize = 4;

/// ∂ Σ y² / ∂ w of convolutions of a 17 MB activation. Each layer has twice the side and a quarter of the channels of the previous
/// one.
fn gradient() -> Graph {
    let b = Builder::new();
    let (mut channels, mut side) = (1024, 64);
    let (mut y, mut weights) = (b.input("x", &[1, channels, side, side]), Vec::new());
    for i in 0..LAYERS {
        let w = b.input(&format!("w{i}"), &[channels, channels, 1, 1]);
        // No gradient needs the input of the second convolution.
        let halves = b.values(&[channels, 1, 1, 1], &vec![0.5; channels]);
        y = y.conv(w, &ConvAttrs::same(0)).conv(halves, &ConvAttrs::same(0).groups(channels)).leaky_relu(0.2);
        (channels, side) = (channels / 4, side * 2);
        y = y.reshape(&[1, channels, side, side]);
        weights.push(w);
    }
    for (i, gradient) in b.gradient(y.square().sum_all(), &weights).unwrap().into_iter().enumerate() {
        b.output(&format!("d.w{i}"), gradient);
    }
    b.finish().unwrap()
}

/// Peak memory of a run in MB, beyond what the process held before, and the gradients.
fn run(session: Session) -> (u64, Vec<f32>) {
    let mut binding = session.bind().unwrap();
    for port in session.inputs().to_vec() {
        let values: Vec<f32> = (0..port.len()).map(|i| (i % 13) as f32 * 1e-2 - 0.05).collect();
        binding.set(&port.name, &values).unwrap();
    }
    reset_peak_memory();
    let before = peak_memory_mb().unwrap();
    binding.run(&Cancel::new()).unwrap();
    let gradients = (0..LAYERS).flat_map(|i| binding.get(&format!("d.w{i}")).unwrap());
    (peak_memory_mb().unwrap() - before, gradients.collect())
}

#[test]
fn gradient_needs_little_more_than_its_live_tensors_and_frees_them() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let graph = gradient();
    let (dynamic, gradients) = run(runtime.compile("dynamic shapes", &graph).unwrap());
    let live = cost::count(&graph).activations / 1_000_000;
    assert!(dynamic < live * 3 / 2, "{dynamic} MB for {live} MB of live tensors");

    // The first session has returned its memory to the system, so a second one allocates as much.
    let (second, _) = run(runtime.compile("dynamic shapes", &graph).unwrap());
    assert!(second > dynamic * 3 / 4, "{second} MB after {dynamic} MB");

    // With static shapes, ONNX Runtime needs more memory for the same values.
    let bytes = write::to_bytes(&graph).unwrap();
    let (fixed, same) = run(runtime.session("static shapes", &bytes).unwrap());
    assert!(fixed > dynamic * 5 / 4, "{fixed} MB with static shapes, {dynamic} MB with dynamic ones");
    assert_eq!(gradients, same);
}
