//! Lowered convolutions against ONNX Runtime's own: values, gradients with respect to x and w, and convolutions that are not
//! lowered.
#![allow(missing_docs)]

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::ConvAttrs;
use gani_onnx::cuda::{decompose_grouped, is_capturable, make_capturable};
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

/// y, and the gradients of ⟨y, upstream⟩ with respect to x, w and the bias.
fn with_gradients(graph: &Graph) -> Graph {
    let b = Builder::new();
    let names = ["x", "w", "bias"];
    let shape = |name: &str| match name {
        "x" => graph.input_shape("x").unwrap().to_vec(),
        _ => graph.find_constant(name).unwrap().shape().to_vec(),
    };
    let inputs = names.map(|name| (name, b.input(name, &shape(name))));
    let y = b.inline(graph, &inputs).unwrap()[0];
    let upstream = b.input("upstream", &y.shape());
    let wrt = inputs.map(|(_, e)| e);
    for (name, gradient) in names.iter().zip(b.gradient((y * upstream).sum_all(), &wrt).unwrap()) {
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

/// Checks that a graph and its lowered form, with matrix products in place of `op`, have equal values and gradients.
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
    let lowered = lower(&plain).unwrap();
    assert!(lowered.nodes().iter().any(|n| n.op == "MatMul"), "{x:?} was not lowered:\n{lowered}");
    let (expected, found) =
        (run(&runtime, &with_gradients(&plain)), run(&runtime, &with_gradients(&lowered)));
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        let norm = |a: &ArrayD<f32>| a.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let error = norm(&(found - expected)) / norm(expected);
        assert!(error < 5e-6, "{name} of {x:?} and {w:?}: relative error {error}");
    }
}

#[test]
fn winograd_matches_the_convolution() {
    for (x, w) in [([1, 64, 16, 16], [64, 64, 3, 3]), ([1, 160, 24, 16], [128, 160, 3, 3])] {
        compare("Conv", x, w, &ConvAttrs::same(1), winograd);
    }
}

/// For a large image, the gradient with respect to w is a sum over bands of rows. ⟨y, upstream⟩ is linear in w, so it equals
/// ⟨gradient, w⟩.
#[test]
fn weight_gradients_of_large_images_match_the_convolution() {
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
        assert!(gemms >= 2 * w[2] * w[3], "{op} of {x:?} is not split into bands");
        let b = Builder::new();
        let names = ["x", "w", "bias", "upstream"];
        let inputs = names.map(|name| (name, b.input(name, graph.input_shape(name).unwrap())));
        let outputs = b.inline(&graph, &inputs).unwrap();
        let output = |name: &str| outputs[graph.outputs().iter().position(|(n, _)| n == name).unwrap()];
        let [_, (_, w), (_, bias), (_, upstream)] = inputs;
        let all = [1, bias.dim(0), 1, 1];
        b.output("value", ((output("y") - bias.reshape(&all)) * upstream).sum_all());
        b.output("by gradient", (output("d.w") * w).sum_all());
        let size = upstream.size() as f64 * w.size() as f64;
        let found = run(&runtime, &b.finish().unwrap());
        let [value, by_gradient] = [0, 1].map(|i| f64::from(found[i].1.sum()));
        // Both are sums of millions of random numbers that nearly cancel: the tolerance scales with their standard deviation.
        let error = (value - by_gradient).abs() / size.sqrt();
        assert!(error < 1e-3, "{op} of {x:?}: {value}, from the gradient {by_gradient}");
    }
}

#[test]
fn decomposed_grouped_transposed_convolution_matches_the_original() {
    compare(
        "ConvTranspose",
        [1, 8, 5, 4],
        [8, 1, 2, 2],
        &ConvAttrs::same(0).stride(2).groups(2),
        decompose_grouped,
    );
    let uneven = ConvAttrs { strides: vec![2, 3], ..ConvAttrs::same(0).groups(3) };
    compare("ConvTranspose", [1, 6, 3, 2], [6, 2, 2, 3], &uneven, decompose_grouped);
}

#[test]
fn unequal_concat_is_rewritten_as_a_sum_for_cuda_graphs() {
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

/// ONNX Runtime's CUDA convolution crashes on an absent bias that is listed as an empty input name.
#[test]
fn trailing_absent_inputs_are_dropped() {
    let b = Builder::new();
    let (x, w) = (b.input("x", &[1, 3, 8, 8]), b.input("w", &[4, 3, 3, 3]));
    b.output("y", b.op("Conv", &[Some(x), Some(w), None], Attrs::new())[0]);
    assert!(b.finish().unwrap().nodes().iter().all(|node| node.inputs.len() == 2));
}

#[test]
fn convolutions_without_a_faster_form_are_not_changed() {
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
    // Overlapping windows, and a single group.
    let two = ConvAttrs::same(0).stride(2);
    for (w, conv) in [([8, 1, 3, 3], two.clone().groups(2)), ([8, 1, 2, 2], two)] {
        let plain = graph("ConvTranspose", [1, 8, 5, 4], w, &conv);
        assert_eq!(decompose_grouped(&plain).unwrap().to_string(), plain.to_string());
    }
}
