//! `gani gradient`: the written file, run by ONNX Runtime, against central differences of the network; and its errors.

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::{Builder, ConvAttrs, Tensor, write};
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::write_npy;
use std::path::Path;
use std::process::{Command, Output};

fn gani(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gani")).arg("gradient").args(args).output().unwrap()
}

fn fails(args: &[&str], code: i32) -> String {
    let output = gani(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?} printed: {text}");
    text
}

fn wave(shape: &[usize], seed: f32) -> ArrayD<f32> {
    let mut i = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1.0;
        (i * 1.7 + seed).sin()
    })
}

/// y = tanh(conv(x, w)) of the shapes x `[1,2,6,6]`, w `[3,2,3,3]`.
fn write_network(path: &Path, w: &ArrayD<f32>) {
    let b = Builder::new();
    let w = b.weight("w", Tensor::f32(w.shape(), w.iter().copied().collect()).unwrap());
    b.output("y", b.input("x", &[1, 2, 6, 6]).conv(w, &ConvAttrs::same(1)).unary("Tanh"));
    write::to_file(&b.finish().unwrap(), path, &write::WriteOptions::default()).unwrap();
}

fn run(path: &Path, x: &ArrayD<f32>) -> Vec<ArrayD<f32>> {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 1, library: None };
    let runtime = Runtime::load(&options).unwrap();
    let session = runtime.session("test", &std::fs::read(path).unwrap()).unwrap();
    session.run(&[("x", x.view())], &Cancel::new()).unwrap()
}

#[test]
fn the_written_gradient_equals_central_differences() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (x, w, v) = (wave(&[1, 2, 6, 6], 0.0), wave(&[3, 2, 3, 3], 1.0), wave(&[1, 3, 6, 6], 2.0));
    let (net, out) = (at("net.onnx"), at("gradient.onnx"));
    write_network(&net, &w);
    write_npy(at("v.npy"), &v).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_string();
    let args = ["--of", "y", "--wrt", "x", "w", "--seed", &text(&at("v.npy")), "-o", &text(&out), "--json"];
    let printed = gani(&[&[text(&net).as_str()][..], &args].concat());
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let report: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(report["outputs"][2]["name"], "grad_w");
    assert_eq!(report["outputs"][2]["shape"], serde_json::json!([3, 2, 3, 3]));

    let [y, grad_x, grad_w] = &run(&out, &x)[..] else { panic!("three outputs") };
    let loss = |x: &ArrayD<f32>, w: &ArrayD<f32>| -> f64 {
        let moved = at("moved.onnx");
        write_network(&moved, w);
        run(&moved, x)[0].iter().zip(&v).map(|(&y, &v)| f64::from(y) * f64::from(v)).sum()
    };
    let sum: f64 = y.iter().zip(&v).map(|(&y, &v)| f64::from(y) * f64::from(v)).sum();
    assert!((sum - loss(&x, &w)).abs() < 1e-5);
    let h = 5e-3;
    for seed in [3.0, 4.0] {
        let (dx, dw) = (wave(x.shape(), seed), wave(w.shape(), seed + 0.5));
        let slope_x = (loss(&(&x + &(&dx * h)), &w) - loss(&(&x - &(&dx * h)), &w)) / f64::from(2.0 * h);
        let slope_w = (loss(&x, &(&w + &(&dw * h))) - loss(&x, &(&w - &(&dw * h)))) / f64::from(2.0 * h);
        for (name, slope, predicted) in
            [("x", slope_x, (grad_x * &dx).sum()), ("w", slope_w, (grad_w * &dw).sum())]
        {
            assert!(slope.abs() > 1e-2, "{name}: {slope} shows nothing");
            let error = (slope - f64::from(predicted)).abs();
            assert!(error < 5e-3 * (1.0 + slope.abs()), "{name}: {predicted}, the difference is {slope}");
        }
    }
}

#[test]
fn errors_name_the_cause_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (net, out, v) = (at("net.onnx"), at("gradient.onnx"), at("v.npy"));
    write_network(Path::new(&net), &wave(&[3, 2, 3, 3], 1.0));
    let unknown = fails(&[&net, "--of", "z", "--wrt", "x", "-o", &out], 1);
    assert!(unknown.contains("net.onnx") && unknown.contains("no output called `z`"), "{unknown}");
    let unknown = fails(&[&net, "--of", "y", "--wrt", "u", "-o", &out], 1);
    assert!(unknown.contains("`u`") && unknown.contains("x, w"), "{unknown}");
    write_npy(&v, &wave(&[2, 2], 0.0)).unwrap();
    let shape = fails(&[&net, "--of", "y", "--wrt", "x", "--seed", &v, "-o", &out], 1);
    assert!(shape.contains("[2, 2]") && shape.contains("[1, 3, 6, 6]"), "{shape}");
    std::fs::write(&v, [b"\x93NUMPY\x01\0\x40\0".as_slice(), &[b'['; 64]].concat()).unwrap();
    let nested = fails(&[&net, "--of", "y", "--wrt", "x", "--seed", &v, "-o", &out], 1);
    assert!(nested.contains("v.npy") && nested.contains("numpy.save"), "{nested}");
    let sizes = fails(&[&net, "--of", "y", "--wrt", "x", "--shapes", "x:1x3", "-o", &out], 2);
    assert!(sizes.contains("x=1x3x256x256"), "{sizes}");
    assert!(!Path::new(&out).exists());
    std::fs::write(&out, "kept").unwrap();
    let exists = fails(&[&net, "--of", "y", "--wrt", "x", "-o", &out], 1);
    assert!(exists.contains("--force") && std::fs::read(&out).unwrap() == b"kept", "{exists}");
    let open = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/onnx_cases/dynbatch.onnx");
    let open = fails(&[open, "--of", "y", "--wrt", "x", "-o", &at("g.onnx")], 1);
    assert!(open.contains("--shapes"), "{open}");
}
