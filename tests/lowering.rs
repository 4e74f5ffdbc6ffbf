//! Convolutions as a device computes them fastest against ONNX Runtime's own: values, ∂/∂x and ∂/∂w, and what is left as it is.
#![allow(missing_docs)]

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::cuda::{decompose_grouped, is_capturable, make_capturable};
use gani_onnx::ConvAttrs;
use gani_onnx::{Attrs, Builder, Graph, Tensor, winograd, write};
use ndarray::ArrayD;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// y = x ∗ w + bias; w and bias are the graph's weights.
fn graph(op: &str, x: [usize; 4], w: [usize; 4], conv: &ConvAttrs) -> Graph {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut random = |shape: &[usize]| {
        let values = StandardNormal.sample_iter(&mut rng).take(shape.iter().product()).collect();
        Tensor::f32(shape, values).unwrap()
    };
    let b = Builder::new();
    let outputs = if op == "Conv" { w[0] } else { w[1] * conv.group as usize };
    let (image, weight, bias) =
        (b.input("x", &x), b.weight("w", random(&w)), b.weight("bias", random(&[outputs])));
    let attrs = Attrs::new().ints("strides", &conv.strides).ints("pads", &conv.pads).int("group", conv.group);
    b.output("y", b.op(op, &[Some(image), Some(weight), Some(bias)], attrs)[0]);
    b.finish().unwrap()
}

/// y, and the gradient of ⟨y, pull⟩ with respect to x, w and the bias.
fn with_gradients(graph: &Graph) -> Graph {
    let b = Builder::new();
    let names = ["x", "w", "bias"];
    let shape = |name: &str| match name {
        "x" => graph.input_shape("x").unwrap().to_vec(),
        _ => graph.find_constant(name).unwrap().shape().to_vec(),
    };
    let inputs = names.map(|name| (name, b.input(name, &shape(name))));
    let y = b.inline(graph, &inputs).unwrap()[0];
    let pull = b.input("pull", &y.shape());
    let wrt = inputs.map(|(_, e)| e);
    for (name, gradient) in names.iter().zip(b.gradient((y * pull).sum_all(), &wrt).unwrap()) {
        b.output(&format!("d.{name}"), gradient);
    }
    b.output("y", y);
    b.finish().unwrap()
}

fn run(runtime: &Runtime, graph: &Graph) -> Vec<(String, ArrayD<f32>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut binding = runtime.session("test", &write::to_bytes(graph).unwrap()).unwrap().bind().unwrap();
    for &input in graph.inputs() {
        let info = graph.info(input);
        let values: Vec<f32> =
            StandardNormal.sample_iter(&mut rng).take(info.shape.iter().product()).collect();
        binding.set(&info.name, &values).unwrap();
    }
    binding.run(&Cancel::new()).unwrap();
    graph.outputs().iter().map(|(name, _)| (name.clone(), binding.get(name).unwrap())).collect()
}

/// That a graph and its lowered form, which has a product in the place of `op`, give the same, gradients included.
fn compare(
    op: &str,
    x: [usize; 4],
    w: [usize; 4],
    conv: &ConvAttrs,
    lower: fn(&Graph) -> gani_onnx::Result<Graph>,
) {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let plain = graph(op, x, w, conv);
    let fast = lower(&plain).unwrap();
    assert!(fast.nodes().iter().any(|n| n.op == "MatMul"), "{x:?} was left as it was:\n{fast}");
    let (expected, found) = (run(&runtime, &with_gradients(&plain)), run(&runtime, &with_gradients(&fast)));
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        let norm = |a: &ArrayD<f32>| a.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let error = norm(&(found - expected)) / norm(expected);
        assert!(error < 5e-6, "{name} of {x:?} and {w:?}: {error}");
    }
}

#[test]
fn winograd_gives_values_and_gradients_of_the_convolution() {
    for (x, w) in [([1, 64, 16, 16], [64, 64, 3, 3]), ([1, 160, 24, 16], [128, 160, 3, 3])] {
        compare("Conv", x, w, &ConvAttrs::same(1), winograd);
    }
}

/// The gradient with respect to w of a picture so large that it is a sum over bands of rows. ⟨y, pull⟩ is linear in w, so that the
/// gradient times w is its value.
#[test]
fn gradients_of_large_pictures_are_those_of_the_convolution() {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    let uneven = ConvAttrs { pads: vec![0, 1, 2, 0], strides: vec![2, 3], ..ConvAttrs::same(0) };
    let cases = [
        ("Conv", [1, 4, 1030, 2050], [2, 4, 3, 3], ConvAttrs::same(1)),
        ("Conv", [1, 4, 1031, 2049], [1, 4, 5, 2], uneven),
        ("ConvTranspose", [1, 1, 1030, 1031], [1, 2, 3, 3], ConvAttrs::same(0).stride(2)),
    ];
    for (op, x, w, conv) in cases {
        let graph = with_gradients(&winograd(&graph(op, x, w, &conv)).unwrap());
        let gemms = graph.nodes().iter().filter(|node| node.op == "Gemm").count();
        assert!(gemms >= 2 * w[2] * w[3], "{op} of {x:?} is taken as a whole");
        let b = Builder::new();
        let names = ["x", "w", "bias", "pull"];
        let inputs = names.map(|name| (name, b.input(name, graph.input_shape(name).unwrap())));
        let outputs = b.inline(&graph, &inputs).unwrap();
        let output = |name: &str| outputs[graph.outputs().iter().position(|(n, _)| n == name).unwrap()];
        let [_, (_, w), (_, bias), (_, pull)] = inputs;
        let all = [1, bias.dim(0), 1, 1];
        b.output("value", ((output("y") - bias.reshape(&all)) * pull).sum_all());
        b.output("by gradient", (output("d.w") * w).sum_all());
        let size = pull.size() as f64 * w.size() as f64;
        let found = run(&runtime, &b.finish().unwrap());
        let [value, by_gradient] = [0, 1].map(|i| f64::from(found[i].1.sum()));
        // Of millions of random numbers, which nearly cancel.
        let error = (value - by_gradient).abs() / size.sqrt();
        assert!(error < 1e-3, "{op} of {x:?}: {value}, by the gradient {by_gradient}");
    }
}

#[test]
fn unfolding_gives_values_and_gradients_of_the_transposed_convolution() {
    compare("ConvTranspose", [1, 8, 5, 4], [8, 1, 2, 2], &ConvAttrs::same(0).stride(2).groups(2), decompose_grouped);
    let uneven = ConvAttrs { strides: vec![2, 3], ..ConvAttrs::same(0).groups(3) };
    compare("ConvTranspose", [1, 6, 3, 2], [6, 2, 2, 3], &uneven, decompose_grouped);
}

#[test]
fn what_cuda_graphs_would_forget_is_a_sum() {
    let b = Builder::new();
    let [x, y] = [("x", [1, 2, 4]), ("y", [1, 1, 4])].map(|(name, shape)| b.input(name, &shape));
    b.output("unequal", b.concat(&[x, y, x], 1));
    b.output("equal", b.concat(&[y, y], 0));
    let plain = b.finish().unwrap();
    let safe = make_capturable(&plain).unwrap();
    assert!(!is_capturable(&plain) && is_capturable(&safe), "{safe}");
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    let runtime = Runtime::load(&options).unwrap();
    assert_eq!(run(&runtime, &plain), run(&runtime, &safe));
}

/// ONNX Runtime's CUDA convolution crashes on a bias that is named, and absent.
#[test]
fn an_absent_last_input_is_left_away() {
    let b = Builder::new();
    let (x, w) = (b.input("x", &[1, 3, 8, 8]), b.input("w", &[4, 3, 3, 3]));
    b.output("y", b.op("Conv", &[Some(x), Some(w), None], Attrs::new())[0]);
    assert!(b.finish().unwrap().nodes().iter().all(|node| node.inputs.len() == 2));
}

#[test]
fn what_gains_nothing_is_left_as_it_is() {
    let (x, w) = ([1, 128, 16, 16], [128, 128, 3, 3]);
    let same = ConvAttrs::same(1);
    for (x, w, conv) in [
        (x, w, same.clone().stride(2)),
        (x, w, ConvAttrs::same(0)),
        (x, [128, 1, 3, 3], same.clone().groups(128)),
        (x, [128, 128, 1, 1], ConvAttrs::same(0)),
        ([2, 128, 16, 16], w, same.clone()),
        ([1, 128, 18, 16], w, same.clone()),
        ([1, 128, 8, 8], w, same.clone()),
        ([1, 32, 16, 16], [128, 32, 3, 3], same.clone()),
        ([1, 128, 512, 512], w, same),
    ] {
        let plain = graph("Conv", x, w, &conv);
        assert_eq!(winograd(&plain).unwrap().to_string(), plain.to_string());
    }
    // Windows that meet, and a single group.
    let two = ConvAttrs::same(0).stride(2);
    for (w, conv) in [([8, 1, 3, 3], two.clone().groups(2)), ([8, 1, 2, 2], two)] {
        let plain = graph("ConvTranspose", [1, 8, 5, 4], w, &conv);
        assert_eq!(decompose_grouped(&plain).unwrap().to_string(), plain.to_string());
    }
}
