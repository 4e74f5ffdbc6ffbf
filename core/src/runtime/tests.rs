//! Tests of the runtime on three small networks: `testdata/double.onnx` (y = x + x, sum = Σ y), `affine.onnx`
//! (z = a·b + b) and `slow.onnx` (400 products of 512 × 512 matrices).

use std::thread;
use std::time::{Duration, Instant};

use ndarray::{ArrayD, IxDyn, arr2};

use super::*;

const DOUBLE: &[u8] = include_bytes!("../../testdata/double.onnx");
const AFFINE: &[u8] = include_bytes!("../../testdata/affine.onnx");
const SLOW: &[u8] = include_bytes!("../../testdata/slow.onnx");

fn runtime() -> Runtime {
    Runtime::load(&RuntimeOptions { device: DeviceChoice::Cpu, threads: 2, library: None }).unwrap()
}

#[test]
fn devices_are_parsed() {
    assert_eq!("cuda:3".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(3));
    assert_eq!("auto".parse::<DeviceChoice>().unwrap(), DeviceChoice::Auto);
    for bad in ["gpu", "cuda:", "cuda:-1", "cuda:999", ""] {
        assert!(
            matches!(bad.parse::<DeviceChoice>(), Err(Error::Input(text)) if text.contains("cuda:N")),
            "{bad}"
        );
    }
}

#[test]
fn runs_arrays_by_name() {
    let session = runtime().session("double", DOUBLE).unwrap();
    assert_eq!(session.inputs(), [TensorInfo { name: "x".into(), shape: vec![2, 3] }]);
    let x = arr2(&[[1., 2., 3.], [4., 5., 6.]]).into_dyn();
    let out = session.run(&[("x", x.view())], &Cancel::new()).unwrap();
    assert_eq!(out[0], &x * 2.0);
    assert_eq!(out[1].shape(), [0usize; 0]);
    assert_eq!(out[1].sum(), 42.0);
    // A transposed view is copied to contiguous memory.
    let flipped = ArrayD::from_shape_fn(IxDyn(&[3, 2]), |i| (i[0] + 10 * i[1]) as f32);
    let out = session.run(&[("x", flipped.t())], &Cancel::new()).unwrap();
    assert_eq!(out[0], &flipped.t() * 2.0);
}

#[test]
fn wrong_inputs_name_the_tensor() {
    let session = runtime().session("double", DOUBLE).unwrap();
    let x = ArrayD::<f32>::zeros(IxDyn(&[3, 3]));
    for (inputs, word) in [(vec![("x", x.view())], "[2, 3]"), (vec![], "not given")] {
        let text = session.run(&inputs, &Cancel::new()).unwrap_err().to_string();
        assert!(text.contains(word) && text.contains("double"), "{text}");
    }
    let mut binding = session.bind().unwrap();
    assert!(binding.run(&Cancel::new()).unwrap_err().to_string().contains("never set"));
    assert!(binding.set("x", &[1.0; 5]).unwrap_err().to_string().contains("5 numbers"));
    assert!(binding.set("X", &[1.0; 6]).unwrap_err().to_string().contains("it has x"));
}

#[test]
fn bad_models_are_model_errors() {
    for bytes in [&b"not a model"[..], &DOUBLE[..60], b""] {
        let error = runtime().session("broken.onnx", bytes).unwrap_err();
        assert!(matches!(&error, Error::Model(text) if text.contains("broken.onnx")), "{error}");
    }
}

#[test]
fn bindings_share_tensors_without_a_copy() {
    let runtime = runtime();
    let cancel = Cancel::new();
    let mut double = runtime.session("double", DOUBLE).unwrap().bind().unwrap();
    let mut affine = runtime.session("affine", AFFINE).unwrap().bind().unwrap();
    double.set("x", &[1., 2., 3., 4., 5., 6.]).unwrap();
    affine.alias_input("a", &double, "y").unwrap();
    affine.alias_input("b", &double, "x").unwrap();
    for scale in [1.0, 10.0] {
        let x: Vec<f32> = (1..=6).map(|i| i as f32 * scale).collect();
        double.set("x", &x).unwrap();
        double.run(&cancel).unwrap();
        affine.run(&cancel).unwrap();
        let z: Vec<f32> = x.iter().map(|x| 2.0 * x * x + x).collect();
        assert_eq!(affine.get("z").unwrap().into_raw_vec_and_offset().0, z);
        assert_eq!(double.with_data("sum", |v| v[0]).unwrap(), 42.0 * scale);
        let address = |binding: &Binding, name: &str| binding.with_data(name, |v| v.as_ptr().addr()).unwrap();
        assert_eq!(address(&affine, "a"), address(&double, "y"));
    }
    // set() ends the alias: the other binding's output does not change.
    let y = double.get("y").unwrap();
    affine.set("a", &[0.0; 6]).unwrap();
    affine.run(&cancel).unwrap();
    assert_eq!(double.get("y").unwrap(), y);
    assert_eq!(affine.get("z").unwrap(), double.get("x").unwrap());
    drop(double);
    affine.run(&cancel).unwrap();
}

#[test]
fn a_session_works_after_a_cancelled_run() {
    let session = runtime().session("slow", SLOW).unwrap();
    let mut binding = session.bind().unwrap();
    binding.set("x", &vec![0.0; 512 * 512]).unwrap();
    let cancel = Cancel::new();
    let other = cancel.clone();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        other.cancel();
        Instant::now()
    });
    assert!(matches!(binding.run(&cancel), Err(Error::Cancelled)));
    let late = Instant::now().saturating_duration_since(stopper.join().unwrap());
    assert!(late < Duration::from_millis(500), "{late:?}");
    assert!(matches!(binding.run(&cancel), Err(Error::Cancelled)));
    assert!(matches!(cancel.check(), Err(Error::Cancelled)));
    binding.run(&Cancel::new()).unwrap();
}

#[test]
fn an_unavailable_library_or_device_is_a_clear_error() {
    let runtime = runtime();
    let again = RuntimeOptions { library: Some("/nowhere/libonnxruntime.so".into()), ..Default::default() };
    assert!(matches!(Runtime::load(&again), Err(Error::Runtime(text)) if text.contains("already uses")));
    // CUDA is not available on every machine. Either it works, or the message says what to do.
    match Runtime::load(&RuntimeOptions { device: DeviceChoice::Cuda(0), ..Default::default() }) {
        Ok(on_cuda) => assert_eq!(on_cuda.device(), Device::Cuda(0)),
        Err(e) => assert!(e.to_string().contains("use the device cpu"), "{e}"),
    }
    let auto = Runtime::load(&RuntimeOptions::default()).unwrap();
    assert_eq!(auto.library(), runtime.library());
}
