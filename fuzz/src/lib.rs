//! A bundle of 16 px for targets that use what they have read. Its files have a few kilobytes, and an inversion takes milliseconds.

use gani_core::bundle::{Bundle, Face, Generator, Loss, Manifest, Mapping, Network, WeightPrecision, write_manifest};
use gani_core::loss::Distance;
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use gani_onnx::{Builder, ConvAttrs, Expr, Graph, Tensor};
use ndarray::{Array2, aview0, aview1};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// Number of style layers, and length of w.
pub const WS: [usize; 2] = [2, 8];

/// Width and height of the generator's images.
pub const SIDE: usize = 16;

/// Writes the bundle to `folder`.
pub fn write_bundle(folder: &Path) -> Bundle {
    fs::create_dir_all(folder).expect("the folder can be created");
    for (name, graph) in [
        ("generator.onnx", generator()),
        ("mapping.onnx", mapping()),
        ("encoder.onnx", encoder()),
        ("loss.onnx", loss()),
    ] {
        WeightPrecision::Full.write(&graph, &folder.join(name)).expect("a network can be written");
    }
    let w_avg = numbers(8);
    ndarray_npy::write_npy(folder.join("w_avg.npy"), &aview1(&w_avg)).expect("an array can be written");
    let file = fs::File::create(folder.join("directions.npz")).expect("a file can be created");
    let mut npz = ndarray_npy::NpzWriter::new(file);
    let mut unit = [0.0f32; 8];
    unit[3] = 1.0;
    npz.add_array("dir_smile", &aview1(&unit)).expect("an array can be added");
    npz.add_array("std_smile", &aview0(&0.5f32)).expect("an array can be added");
    npz.add_array("pca_components", &Array2::<f32>::eye(8)).expect("an array can be added");
    npz.add_array("pca_std", &aview1(&[1.0f32; 8])).expect("an array can be added");
    npz.finish().expect("the archive can be finished");
    write_manifest(folder, manifest()).expect("the bundle is valid")
}

fn manifest() -> Manifest {
    Manifest {
        domain: "church".into(),
        resolution: SIDE,
        title: "Tiny".into(),
        generator: Generator {
            file: "generator.onnx".into(),
            tunable: vec!["conv1.weight".into(), "conv2.weight".into()],
        },
        mapping: Mapping { file: Some("mapping.onnx".into()), w_avg: "w_avg.npy".into() },
        encoder: Some(Network { file: "encoder.onnx".into(), output: None }),
        losses: vec![Loss {
            kind: "lpips".into(),
            file: "loss.onnx".into(),
            output: None,
            distance: Distance::Squared,
            resolution: None,
            lambda: None,
        }],
        directions: Some("directions.npz".into()),
        face: None::<Face>,
        ..Manifest::for_faces("tiny")
    }
}

/// Numbers in [-0.5, 0.5] without a pattern that convolutions would cancel.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 101) as f32 / 101.0 - 0.5).collect()
}

fn weight<'g>(b: &'g Builder, name: &str, shape: &[usize]) -> Expr<'g> {
    let values = numbers(shape.iter().product());
    b.weight(name, Tensor::f32(shape, values).expect("the shape fits"))
}

fn generator() -> Graph {
    let b = Builder::new();
    let [layers, dims] = WS;
    let ws = b.input("ws", &[1, layers, dims]);
    let layer = |i: i64| ws.slice(&[1], &[i], &[i + 1], &[1]).reshape(&[1, dims]);
    let start = layer(0).gemm(weight(&b, "start.weight", &[dims, 4 * SIDE * SIDE]), false, false);
    let style = layer(1).gemm(weight(&b, "style.weight", &[dims, 4]), false, false).reshape(&[1, 4, 1, 1]);
    let x = start.reshape(&[1, 4, SIDE, SIDE]) * (style + 1.0);
    let x = x.conv(weight(&b, "conv1.weight", &[4, 4, 3, 3]), &ConvAttrs::same(1)).leaky_relu(0.2);
    b.output("image", x.conv(weight(&b, "conv2.weight", &[3, 4, 3, 3]), &ConvAttrs::same(1)));
    b.finish().expect("the graph is valid")
}

fn mapping() -> Graph {
    let b = Builder::new();
    let z = b.input("z", &[1, WS[1]]);
    b.output("w", z.gemm(weight(&b, "mapping.weight", &[WS[1], WS[1]]), false, false).leaky_relu(0.2));
    b.finish().expect("the graph is valid")
}

fn encoder() -> Graph {
    let b = Builder::new();
    let image = b.input("image", &[1, 3, 256, 256]);
    let mean = image.mean(&[2, 3], false);
    b.output("w", mean.gemm(weight(&b, "encoder.weight", &[3, WS[1]]), false, false));
    b.finish().expect("the graph is valid")
}

fn loss() -> Graph {
    let b = Builder::new();
    let image = b.input("image", &[1, 3, SIDE, SIDE]);
    let conv = ConvAttrs::same(1).stride(2);
    b.output("features", image.conv(weight(&b, "features.weight", &[4, 3, 3, 3]), &conv).relu());
    b.finish().expect("the graph is valid")
}

/// Whether all values and weights of a graph together have so few numbers that it runs at once.
pub fn is_small(graph: &Graph) -> bool {
    let values = graph.nodes().iter().flat_map(|node| node.inputs.iter().flatten().chain(&node.outputs));
    let size = |shape: &[usize]| shape.iter().fold(1usize, |n, &size| n.saturating_mul(size));
    let all = values.fold(0usize, |n, &value| n.saturating_add(size(&graph.info(value).shape)));
    all < 1 << 20
}

/// ONNX Runtime on one thread of the CPU.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let options = RuntimeOptions { device: DeviceChoice::Cpu, threads: 1, library: None };
        Runtime::load(&options).expect("ONNX Runtime is installed: cargo xtask setup")
    })
}
