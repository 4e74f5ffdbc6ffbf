//! The golden run: GANI on the 64 px generator against the same run in PyTorch (`tests/golden`).
//!
//! The reference starts from given module parameters ψ and given samples z. It takes twelve Ranger steps with learning rate 1e-3
//! and λl = 0.2; its loss is MSE + 0.8 LPIPS + face parsing.

use gani_core::bundle::Bundle;
use gani_core::invert::gani::tuner::Tuner;
use gani_core::loss::{Problem, StepLosses, target_features};
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use gani_core::settings::{Domain, Method, Preset, domain};
use gani_onnx::networks::lpips;
use gani_onnx::{Builder, Graph, read};
use ndarray::{ArrayD, Axis, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use std::fs::File;

struct Golden(NpzReader<File>);

impl Golden {
    fn open() -> Golden {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/stylegan2-ffhq-64.npz");
        Golden(NpzReader::new(File::open(path).unwrap()).unwrap())
    }

    fn f32(&mut self, name: &str) -> ArrayD<f32> {
        self.0.by_name::<OwnedRepr<f32>, IxDyn>(name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn f64(&mut self, name: &str) -> ArrayD<f64> {
        self.0.by_name::<OwnedRepr<f64>, IxDyn>(name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

/// LPIPS features for images of `size`, from the published f32 file. Scaled by 1/√positions, as in a bundle.
fn published_lpips(size: usize) -> Graph {
    let shape: &[usize] = &[1, 3, size, size];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/stlpips_alex.onnx");
    let two_images = read::from_file(path.as_ref(), &[("a", shape), ("b", shape)]).unwrap();
    let features = lpips::shift_tolerant(&two_images, size).unwrap();
    let b = Builder::new();
    let outputs = b.inline(&features, &[("image", b.input("image", shape))]).unwrap();
    for (i, y) in outputs.into_iter().enumerate() {
        let positions: usize = y.shape()[2..].iter().product();
        b.output(&format!("features.{i}"), y * (1.0 / (positions as f32).sqrt()));
    }
    b.finish().unwrap()
}

/// The reference's name of a parameter: `convs.4.conv.weight.0.g1` is its `convs.4.n1.g`.
fn golden_name(parameter: &str) -> String {
    let (module, name) = parameter.split_once(".0.").unwrap();
    let name = match name {
        "g1" => "n1.g",
        "g2" => "n2.g",
        other => other,
    };
    format!("{}.{name}", module.trim_end_matches(".conv.weight"))
}

fn norm(a: &ArrayD<f32>) -> f64 {
    a.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn twelve_steps_match_pytorch() {
    check_golden_run(false, 1e-3);
}

/// Winograd convolution has larger rounding errors than plain convolution (1e-6, relative). On some CPUs they move one activation
/// across the kink of LeakyReLU, which changes the gradients of all layers below it by half a percent.
#[test]
fn twelve_steps_of_the_lowered_generator_match_pytorch() {
    check_golden_run(true, 1e-2);
}

/// Runs the twelve steps. `psi_tolerance` is the relative error allowed for ∂L/∂ψ.
fn check_golden_run(lowered: bool, psi_tolerance: f64) {
    let mut golden = Golden::open();
    let bundle = Bundle::open("ffhq-64").unwrap();
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let cancel = Cancel::new();
    let mut domain = Domain { iterations: 12, ..domain("celeba-hq").unwrap() };
    domain.loss_weights.lambda.insert("identity".into(), 0.0);
    let settings = Preset::Paper.settings(Method::Gani, &domain).tune;
    let mut loss = bundle.similarity_loss().unwrap();
    if lowered {
        loss.generator = runtime.lowered(loss.generator).unwrap();
    }
    // The bundle stores LPIPS as f16. ScaleNorm amplifies the rounding in rows of g with a small norm: 2 % of ∂L/∂ψ.
    loss.networks.iter_mut().find(|n| n.name == "lpips").unwrap().graph = published_lpips(64);
    let photo = golden.f32("target");
    let target = target_features(&runtime, &loss, &settings.loss_weights, &photo, &cancel).unwrap();
    let (mapping, w_avg) = (bundle.mapping().unwrap(), bundle.w_avg().unwrap().to_vec());
    let problem = Problem {
        runtime: &runtime,
        loss: &loss,
        target: &target,
        mapping: mapping.as_ref(),
        w_avg: &w_avg,
        cancel: &cancel,
    };
    let ws = golden.f32("ws");
    let mut tuner = Tuner::new(&problem, ws.as_slice().unwrap(), &settings, 0).unwrap();
    assert_eq!(tuner.modules().parameter_count(), 189_562);
    check_initial_gradient(&tuner, bundle.tunable(), &mut golden);

    let names: Vec<String> = tuner.modules().parameters().into_iter().map(|(n, _)| golden_name(&n)).collect();
    let initial: Vec<ArrayD<f32>> = names.iter().map(|n| golden.f32(&format!("psi0.{n}"))).collect();
    tuner.set_parameters(initial.clone()).unwrap();
    let (samples, losses) = (golden.f32("z_local"), golden.f64("losses"));
    for (step, (z, expected)) in samples.axis_iter(Axis(0)).zip(losses.axis_iter(Axis(0))).enumerate() {
        let found = tuner.step(z.as_slice().unwrap()).unwrap();
        check_losses(step, &found, expected.iter());
        if step == 0 {
            check_psi_gradient(&tuner, &names, &mut golden, psi_tolerance);
        }
    }
    check_final_psi(&tuner, &names, &initial, &mut golden);
}

/// ∂L/∂θ at the original weights.
fn check_initial_gradient(tuner: &Tuner, tunable: &[String], golden: &mut Golden) {
    for name in tunable {
        let expected = golden.f32(&format!("grad.{}", name.trim_end_matches(".conv.weight")));
        let error = norm(&(tuner.initial_gradient(name).unwrap() - &expected)) / norm(&expected);
        assert!(error < 1e-3, "∂L/∂{name}: relative error {error:.1e}");
    }
}

/// Both terms of Eq. 5 by loss network, and the total.
fn check_losses<'e>(step: usize, found: &StepLosses, expected: impl Iterator<Item = &'e f64>) {
    let found = found.reconstruction.iter().chain(&found.localization).chain([&found.total]);
    for (k, (&found, &expected)) in found.zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / expected;
        assert!(error < 1e-3, "loss {k} of step {step}: {found}, expected {expected}");
    }
}

/// ∂L/∂ψ of the first step, for each array and as a whole. The gradients of scalars are sums that nearly cancel, so they are
/// compared as part of the whole only.
fn check_psi_gradient(tuner: &Tuner, names: &[String], golden: &mut Golden, tolerance: f64) {
    let (mut difference, mut total) = (0.0, 0.0);
    for (name, gradient) in names.iter().zip(tuner.gradients().unwrap()) {
        let expected = golden.f32(&format!("dpsi0.{name}"));
        let (d, n) = (norm(&(gradient - &expected)), norm(&expected));
        assert!(expected.ndim() == 0 || d < tolerance * n, "∂L/∂{name}: relative error {:.1e}", d / n);
        (difference, total) = (difference + d * d, total + n * n);
    }
    let error = (difference / total).sqrt();
    assert!(difference.sqrt() < tolerance * total.sqrt(), "∂L/∂ψ: relative error {error:.1e}");
}

/// ψ after twelve steps. Errors are relative to its change.
fn check_final_psi(tuner: &Tuner, names: &[String], initial: &[ArrayD<f32>], golden: &mut Golden) {
    for ((name, after), before) in names.iter().zip(tuner.parameters()).zip(initial) {
        let expected = golden.f32(&format!("psi12.{name}"));
        let (error, change) = (norm(&(after - &expected)), norm(&(&expected - before)));
        assert!(
            error <= 1e-2 * change + 1e-6,
            "{name} after 12 steps: error {:.1e}, relative to its change",
            error / change
        );
    }
}
