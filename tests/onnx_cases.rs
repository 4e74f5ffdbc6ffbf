//! Small files that once had a wrong gradient or were refused, with the right answers. The files are in
//! `fixtures/onnx_cases/`.

use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::graph::Attrs;
use gani_onnx::read::ReadOptions;
use gani_onnx::write::to_bytes;
use gani_onnx::{Builder, DType, Error, Graph, Seed, Tensor};
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Half the step of a central difference.
const STEP: f32 = 1e-3;

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/fixtures/onnx_cases/{name}.onnx", env!("CARGO_MANIFEST_DIR")))
}

fn read(name: &str) -> Graph {
    ReadOptions::new().read(&path(name)).unwrap()
}

/// Σ y·v differentiated with respect to `wrt`, with the input `seed_y` for v.
fn gradient(name: &str, wrt: &[&str]) -> Graph {
    read(name).gradient(&[("y", Seed::Input)], wrt).unwrap()
}

/// The same values in every run, between −1 and 1.
fn values(shape: &[usize], seed: usize) -> ArrayD<f32> {
    let mut i = seed as f32 * 17.0;
    ArrayD::from_shape_simple_fn(shape, || {
        i += 1.0;
        (i * 1.7).sin()
    })
}

fn run(graph: &Graph, inputs: &[(&str, &ArrayD<f32>)]) -> BTreeMap<String, ArrayD<f32>> {
    run_bytes(&to_bytes(graph).unwrap(), inputs)
}

fn run_bytes(model: &[u8], inputs: &[(&str, &ArrayD<f32>)]) -> BTreeMap<String, ArrayD<f32>> {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 1, library: None };
    let session = Runtime::load(&options).unwrap().session("case", model).unwrap();
    let views: Vec<_> = inputs.iter().map(|(name, array)| (*name, array.view())).collect();
    let outputs = session.run(&views, &Cancel::new()).unwrap();
    session.outputs().iter().map(|port| port.name.clone()).zip(outputs).collect()
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs().max(1.0)
}

fn single(array: &ArrayD<f32>) -> f32 {
    assert_eq!(array.len(), 1, "{array}");
    array[vec![0; array.ndim()].as_slice()]
}

/// Compares the gradient with respect to the input x with differences.
fn check_against_differences(graph: &Graph) {
    let (x, v) =
        (values(graph.input_shape("x").unwrap(), 1), values(graph.input_shape("seed_y").unwrap(), 2));
    let value = |x: &ArrayD<f32>| -> f32 { (&run(graph, &[("x", x), ("seed_y", &v)])["y"] * &v).sum() };
    let found = run(graph, &[("x", &x), ("seed_y", &v)])["grad_x"].clone();
    let u = values(x.shape(), 3);
    let difference = (value(&(&x + &(&u * STEP))) - value(&(&x - &(&u * STEP)))) / (2.0 * STEP);
    let predicted = (&found * &u).sum();
    assert!((predicted - difference).abs() < 2e-3 * difference.abs().max(1.0), "{predicted} {difference}");
}

#[test]
fn weights_of_one_element_have_a_gradient() {
    let (x, v) = (values(&[2, 3], 1), values(&[2, 3], 2));
    for (name, weight, expected) in [
        ("scale_one", "gamma", (&x * &v).sum()),
        ("scale_one_vec1", "gamma", (&x * &v).sum()),
        ("scalar_folded", "t", 0.5f32.exp() * (&x * &v).sum()),
    ] {
        let found = run(&gradient(name, &["x", weight]), &[("x", &x), ("seed_y", &v)]);
        let slope = single(&found[&format!("grad_{weight}")]);
        assert!(close(slope, expected), "{name}: {slope}, expected {expected}");
    }
    let v = values(&[2, 1], 2);
    let found = run(&gradient("bias_zero_vec1", &["b"]), &[("x", &x), ("seed_y", &v)]);
    assert!(close(single(&found["grad_b"]), v.sum()));
}

#[test]
fn a_weight_used_twice_has_both_gradients_and_can_be_replaced() {
    let (x, v) = (values(&[2, 3], 1) * 2.0, values(&[2, 3], 2));
    let found = run(&gradient("scale_two_uses", &["gamma"]), &[("x", &x), ("seed_y", &v)]);
    let expected: f32 = x.iter().zip(&v).map(|(x, v)| v * x + if *x < 1.0 { *v } else { 0.0 }).sum();
    assert!(close(single(&found["grad_gamma"]), expected));

    let b = Builder::new();
    let (input, gamma) = (b.input("x", &[2, 3]), b.input("gamma", &[]));
    let y = b.inline(&read("scale_two_uses"), &[("x", input), ("gamma", gamma)]).unwrap()[0];
    b.output("y", y);
    let three = ArrayD::from_elem(IxDyn(&[]), 3.0);
    let found = run(&b.finish().unwrap(), &[("x", &x), ("gamma", &three)]);
    assert!(x.iter().zip(&found["y"]).all(|(x, y)| close(*y, 3.0 * x + x.max(3.0))));
}

#[test]
fn bounds_of_clip_have_a_gradient() {
    let x = ArrayD::from_shape_vec(IxDyn(&[4]), vec![-2.0, -0.5, 0.5, 2.0]).unwrap();
    let v = ArrayD::from_shape_vec(IxDyn(&[4]), vec![1.0, 10.0, 100.0, 1000.0]).unwrap();
    let [low, high] = [-1.0, 1.0].map(|bound| ArrayD::from_elem(IxDyn(&[]), bound));
    let graph = gradient("clip_bounds", &["x", "lo", "hi"]);
    let found = run(&graph, &[("x", &x), ("lo", &low), ("hi", &high), ("seed_y", &v)]);
    assert_eq!(single(&found["grad_lo"]), 1.0);
    assert_eq!(single(&found["grad_hi"]), 1000.0);
    assert_eq!(found["grad_x"].as_slice().unwrap(), [0.0, 10.0, 100.0, 0.0]);
}

#[test]
fn hessian_vector_product_of_a_relu_network_is_right() {
    let b = Builder::new();
    let (x, v) = (b.input("x", &[5, 4]), b.input("v", &[5, 4]));
    let y = b.inline(&read("relu_mlp"), &[("x", x)]).unwrap()[0];
    let g = b.gradient((y * y).sum_all(), &[x]).unwrap()[0];
    let h = b.gradient((g * v).sum_all(), &[x]).unwrap()[0];
    b.output("g", g);
    b.output("h", h);
    let graph = b.finish().unwrap();
    let (x, v) = (values(&[5, 4], 1), values(&[5, 4], 2));
    let at = |x: &ArrayD<f32>| run(&graph, &[("x", x), ("v", &v)]);
    let difference = (&at(&(&x + &(&v * STEP)))["g"] - &at(&(&x - &(&v * STEP)))["g"]) / (2.0 * STEP);
    let found = at(&x)["h"].clone();
    assert!(found.iter().any(|h| h.abs() > 1.0));
    assert!(
        found.iter().zip(&difference).all(|(a, b)| (a - b).abs() < 0.02 * b.abs().max(1.0)),
        "{found}{difference}"
    );
}

#[test]
fn average_pool_of_opset_19_counts_only_the_padding_inside() {
    let graph = gradient("avg19", &["x"]);
    let (x, v) = (values(&[1, 1, 6, 6], 1), values(graph.input_shape("seed_y").unwrap(), 2));
    let y = run(&graph, &[("x", &x), ("seed_y", &v)])["y"].clone();
    assert_eq!(y.shape(), [1, 1, 4, 4]);
    for ((_, _, i, j), found) in y.view().into_dimensionality::<ndarray::Ix4>().unwrap().indexed_iter() {
        // The window starts at 2i − 1 in x; the padded input ends at 6.
        let range = |i: usize| (2 * i as i64 - 1..(2 * i as i64 + 2).min(7)).collect::<Vec<_>>();
        let (rows, columns) = (range(i), range(j));
        let inside = |a: &i64| (0..6).contains(a);
        let sum: f32 = rows
            .iter()
            .filter(|a| inside(a))
            .flat_map(|&a| columns.iter().filter(|b| inside(b)).map(move |&b| (a, b)))
            .map(|(a, b)| x[[0, 0, a as usize, b as usize]])
            .sum();
        assert!(close(*found, sum / (rows.len() * columns.len()) as f32), "[{i}, {j}]");
    }
    // As ONNX Runtime computes the file itself.
    let original = run_bytes(&std::fs::read(path("avg19")).unwrap(), &[("x", &x)]);
    assert!(original["y"].iter().zip(&y).all(|(a, b)| close(*a, *b)));
    check_against_differences(&graph);
}

#[test]
fn files_of_other_opsets_and_newer_ops_agree_with_differences() {
    for name in ["opset22", "opset6", "softmax11", "ln3", "gelu20", "globalmaxpool"] {
        check_against_differences(&gradient(name, &["x"]));
    }
}

#[test]
fn an_embedding_adds_the_gradients_of_equal_indices() {
    let b = Builder::new();
    let ids = b.constant(Tensor::ints(&[1, 3, 1, 9]));
    let w = b.input("w", &[10, 3]);
    let y = b.inline(&read("embed"), &[("ids", ids), ("w", w)]).unwrap()[0];
    let v = b.input("v", &[4, 3]);
    b.output("grad_w", b.vector_jacobian_product(&[(y, v)], &[w]).unwrap()[0]);
    let constant =
        run(&b.finish().unwrap(), &[("w", &values(&[10, 3], 1)), ("v", &ArrayD::ones(IxDyn(&[4, 3])))]);
    let rows: Vec<f32> = (0..10).map(|i| constant["grad_w"][[i, 0]]).collect();
    assert_eq!(rows, [0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    // With indices that are only known at run time.
    assert_eq!(gradient("embed", &["w"]).output_shape("grad_w").unwrap(), [10, 3]);
}

#[test]
fn other_element_types_are_differentiated_in_their_type() {
    for (name, dtype) in [("f16", DType::F16), ("f64", DType::F64)] {
        let graph = gradient(name, &["x", "w"]);
        for (name, value) in graph.outputs() {
            assert_eq!(graph.info(*value).dtype, dtype, "{name}");
        }
    }
}

/// y = Relu(x·w): the values and both gradients, computed here in f64.
#[test]
fn gradients_of_other_element_types_have_the_right_values() {
    for (name, code, tolerance) in [("f16", 10, 1e-2), ("f64", 11, 1e-6)] {
        let file = gradient(name, &["x", "w"]);
        let w: Vec<f64> = read(name).find_constant("w").unwrap().to_f64();
        let b = Builder::new();
        let cast = |e, to| b.op("Cast", &[Some(e)], Attrs::new().int("to", to))[0];
        let (x, v) = (cast(b.input("x", &[2, 3]), code), cast(b.input("v", &[2, 4]), code));
        let results = b.inline(&file, &[("x", x), ("seed_y", v)]).unwrap();
        for (out, value) in ["y", "grad_x", "grad_w"].iter().zip(results) {
            b.output(out, cast(value, 1));
        }
        let (x, v) = (values(&[2, 3], 1), values(&[2, 4], 2));
        let found = run(&b.finish().unwrap(), &[("x", &x), ("v", &v)]);
        let wide = |a: &ArrayD<f32>, i: usize, j: usize| f64::from(a[[i, j]]);
        let product = |i: usize, j: usize| (0..3).map(|k| wide(&x, i, k) * w[4 * k + j]).sum::<f64>();
        let back = |i: usize, j: usize| if product(i, j) > 0.0 { wide(&v, i, j) } else { 0.0 };
        let near = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs().max(1.0);
        for i in 0..2 {
            assert!((0..4).all(|j| near(wide(&found["y"], i, j), product(i, j).max(0.0))), "{name}: y");
            let grad_x = |k: usize| (0..4).map(|j| back(i, j) * w[4 * k + j]).sum::<f64>();
            assert!((0..3).all(|k| near(wide(&found["grad_x"], i, k), grad_x(k))), "{name}: grad_x");
        }
        for (k, j) in (0..3).flat_map(|k| (0..4).map(move |j| (k, j))) {
            let expected = (0..2).map(|i| wide(&x, i, k) * back(i, j)).sum::<f64>();
            assert!(near(wide(&found["grad_w"], k, j), expected), "{name}: grad_w");
        }
    }
}

#[test]
fn open_sizes_are_asked_for_by_name() {
    let dynamic = ReadOptions::new().read(&path("dynbatch"));
    assert!(
        matches!(&dynamic, Err(Error::Input(text)) if text.contains("[N, 3, 4]") && text.contains("x=1x3x4"))
    );
    let given = ReadOptions::new().dimension("N", 5).read(&path("dynbatch")).unwrap();
    assert_eq!(given.output_shape("y").unwrap(), [5, 12]);
    let given = ReadOptions::new().shape("x", &[2, 3, 4]).read(&path("dynbatch")).unwrap();
    assert_eq!(given.output_shape("y").unwrap(), [2, 12]);
    assert!(given.nodes().iter().all(|n| n.op == "Reshape"), "the shape arithmetic is folded:\n{given}");

    let shapeless = ReadOptions::new().read(&path("noshape"));
    assert!(
        matches!(&shapeless, Err(Error::Input(text)) if text.contains("no shape") && text.contains("x="))
    );
    let given = ReadOptions::new().shape("x", &[2, 3]).read(&path("noshape")).unwrap();
    assert_eq!(given.output_shape("y").unwrap(), [2, 3]);
    let unknown = ReadOptions::new().shape("z", &[2]).read(&path("noshape")).unwrap_err().to_string();
    assert!(unknown.contains("`z`") && unknown.contains("it has x"), "{unknown}");
}

#[test]
fn a_dimension_of_0_stays() {
    let graph = gradient("zero_dim", &["x"]);
    assert_eq!(graph.output_shape("y").unwrap(), [0, 3]);
    assert_eq!(graph.output_shape("grad_x").unwrap(), [0, 3]);
}

#[test]
fn dropout_in_training_mode_is_refused() {
    let text = ReadOptions::new().read(&path("dropout_train")).unwrap_err().to_string();
    assert!(
        text.contains("Dropout") && text.contains("training mode") && text.contains("opset 17"),
        "{text}"
    );
}
