//! What a gradient takes of the system's memory on a processor, in a process of its own.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use gani_core::report::evaluation::{peak_memory_mb, reset_peak_memory};
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions, Session};
use gani_onnx::ConvAttrs;
use gani_onnx::{Builder, Graph, cost, write};

const LAYERS: usize = 4;

/// ∂ Σ y² / ∂ w of convolutions of a picture of 17 MB, each at twice the sides and a quarter of the channels of the one before.
fn gradient() -> Graph {
    let b = Builder::new();
    let (mut channels, mut side) = (1024, 64);
    let (mut y, mut weights) = (b.input("x", &[1, channels, side, side]), Vec::new());
    for i in 0..LAYERS {
        let w = b.input(&format!("w{i}"), &[channels, channels, 1, 1]);
        // What goes into the second convolution, nothing reads again.
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

/// Megabytes that running takes at the most, on top of what there was, and the gradients.
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
fn a_gradient_takes_little_more_than_what_is_needed_at_one_time_and_gives_it_back() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let graph = gradient();
    let (open, of_open) = run(runtime.compile("open", &graph).unwrap());
    let needed = cost::count(&graph).activations / 1_000_000;
    assert!(open < needed * 3 / 2, "{open} MB for {needed}");

    // The session is gone, and so is what it used: a second one takes as much again, from the system.
    let (again, _) = run(runtime.compile("open", &graph).unwrap());
    assert!(again > open * 3 / 4, "{again} MB after {open}");

    // ONNX Runtime would take more, for the same numbers.
    let bytes = write::to_bytes(&graph).unwrap();
    let (told, of_told) = run(runtime.session("shapes told", &bytes).unwrap());
    assert!(told > open * 5 / 4, "{told} MB with shapes, {open} without");
    assert_eq!(of_open, of_told);
}
