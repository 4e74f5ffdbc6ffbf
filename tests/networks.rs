//! Network graphs against golden values: from PyTorch for StyleGAN2, from ONNX Runtime for MobileStyleGAN.

use gani_core::bundle::Bundle;
use gani_core::loss::Distance;
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions, Session};
use gani_onnx::networks::lpips;
use gani_onnx::write::to_bytes;
use gani_onnx::{Builder, Graph, read};
use ndarray::{Array2, Array4, ArrayD, Axis, IxDyn, OwnedRepr, s};
use ndarray_npy::NpzReader;
use std::fs::File;

fn golden(file: &str) -> NpzReader<File> {
    let path = format!("{}/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    NpzReader::new(File::open(path).unwrap()).unwrap()
}

fn array(npz: &mut NpzReader<File>, name: &str) -> ArrayD<f32> {
    npz.by_name::<OwnedRepr<f32>, IxDyn>(name).unwrap()
}

fn session(graph: &Graph) -> Session {
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    runtime.session("test", &to_bytes(graph).unwrap()).unwrap()
}

fn run(session: &Session, inputs: &[(&str, &ArrayD<f32>)]) -> Vec<ArrayD<f32>> {
    let inputs: Vec<_> = inputs.iter().map(|(name, x)| (*name, x.view())).collect();
    session.run(&inputs, &Cancel::new()).unwrap()
}

fn largest_difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// One w `[512]` repeated for n style layers, `[1,n,512]`.
fn repeated(w: ndarray::ArrayView1<'_, f32>, n: usize) -> ArrayD<f32> {
    Array2::from_shape_fn((n, w.len()), |(_, i)| w[i]).insert_axis(Axis(0)).into_dyn()
}

/// A test image `[1,3,n,n]` in `[-1,1]` with structure at several scales; different for each seed.
fn test_image(n: usize, seed: usize) -> ArrayD<f32> {
    let wave = |c: usize, y: usize, x: usize| {
        let (y, x) = (y as f32 / n as f32, x as f32 / n as f32);
        ((seed + c + 2) as f32 * 7.0 * x + 3.0 * y).sin() * ((seed + 1) as f32 * 11.0 * y * x).cos()
    };
    Array4::from_shape_fn((1, 3, n, n), |(_, c, y, x)| wave(c, y, x)).into_dyn()
}

fn distance(kind: Distance, a: &[ArrayD<f32>], b: &[ArrayD<f32>]) -> f64 {
    let dot = |a: &ArrayD<f32>, b: &ArrayD<f32>| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let pairs = a.iter().zip(b);
    match kind {
        Distance::Squared => pairs.map(|(a, b)| dot(&(a - b), &(a - b))).sum(),
        Distance::Cosine => pairs.map(|(a, b)| 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).sum(),
    }
}

#[test]
fn stylegan2_matches_pytorch() {
    let bundle = Bundle::open("ffhq-64").unwrap();
    let mut npz = golden("stylegan2-ffhq-64.npz");
    let (z, w, image) = (array(&mut npz, "z"), array(&mut npz, "w"), array(&mut npz, "image"));
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let lowered = runtime.lowered(bundle.generator().unwrap()).unwrap();
    let (mapping, generator) = (session(&bundle.mapping().unwrap().unwrap()), session(&lowered));
    for i in 0..z.shape()[0] {
        let at = |a: &ArrayD<f32>| a.slice_axis(Axis(0), (i..i + 1).into()).to_owned();
        let mapped = run(&mapping, &[("z", &at(&z))]).remove(0);
        assert!(largest_difference(&mapped, &at(&w)) < 1e-4);
        let ws = repeated(w.slice(s![i, ..]).into_dimensionality().unwrap(), 10);
        let made = run(&generator, &[("ws", &ws)]).remove(0);
        assert!(largest_difference(&made, &at(&image)) < 1e-4);
    }
}

#[test]
fn lpips_and_parsing_losses_match_pytorch() {
    let bundle = Bundle::open("ffhq-64").unwrap();
    let mut npz = golden("stylegan2-ffhq-64.npz");
    let (ws, target) = (array(&mut npz, "ws"), array(&mut npz, "target"));
    let expected = npz.by_name::<OwnedRepr<f64>, IxDyn>("terms0").unwrap(); // MSE, LPIPS, parsing
    let image = run(&session(&bundle.generator().unwrap()), &[("ws", &ws)]).remove(0);
    for (kind, expected) in [("lpips", expected[1]), ("parsing", expected[2])] {
        let network = bundle.loss_network(kind, 64).unwrap().unwrap();
        let features = session(&network.graph);
        let features_of = |image: &ArrayD<f32>| run(&features, &[("image", image)]);
        let found = distance(network.distance, &features_of(&image), &features_of(&target));
        assert!((found / expected - 1.0).abs() < 1e-3, "{kind}: {found}, expected {expected}");
    }
}

#[test]
fn distance_of_lpips_features_matches_the_published_network() {
    let shape: &[usize] = &[1, 3, 256, 256];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/stlpips_alex.onnx");
    let published = read::from_file(path.as_ref(), &[("a", shape), ("b", shape)]).unwrap();
    let features = session(&lpips::shift_tolerant(&published, 256).unwrap());
    let published = session(&published);
    let stored = session(&Bundle::open("ffhq-64").unwrap().lpips_distance([256; 2]).unwrap().unwrap());
    let (a, b) = (test_image(256, 0), test_image(256, 3));
    let expected = f64::from(run(&published, &[("a", &a), ("b", &b)])[0].sum());
    let features_of = |x: &ArrayD<f32>| -> Vec<ArrayD<f32>> {
        let scaled = |y: ArrayD<f32>| {
            let positions: usize = y.shape()[2..].iter().product();
            y / (positions as f32).sqrt()
        };
        run(&features, &[("image", x)]).into_iter().map(scaled).collect()
    };
    let found = distance(Distance::Squared, &features_of(&a), &features_of(&b));
    assert!((found / expected - 1.0).abs() < 1e-5, "{found}, expected {expected}");
    // The bundle's weights are f16.
    let found = f64::from(run(&stored, &[("a", &a), ("b", &b)])[0].sum());
    assert!((found / expected - 1.0).abs() < 1e-3, "{found}, expected {expected}");
}

#[test]
fn loss_gradients_are_finite_at_constant_images() {
    let bundle = Bundle::open("ffhq-64").unwrap();
    for network in bundle.losses(64).unwrap() {
        let b = Builder::new();
        let image = b.input("image", &[1, 3, 64, 64]);
        let outputs = b.inline(&network.graph, &[("image", image)]).unwrap();
        // A sum of squares: its gradient passes through every normalization, as those of the losses do.
        let loss = outputs.into_iter().map(|y| (y - 0.5).square().sum_all()).reduce(|a, b| a + b).unwrap();
        b.output("dx", b.gradient(loss, &[image]).unwrap()[0]);
        let gradient = session(&b.finish().unwrap());
        for value in [-1.0, 0.0, 1.0] {
            let flat = ArrayD::from_elem(IxDyn(&[1, 3, 64, 64]), value);
            let dx = run(&gradient, &[("image", &flat)]).remove(0);
            assert!(
                dx.iter().all(|v| v.is_finite()),
                "{}: gradient at a constant image of {value}",
                network.name
            );
        }
    }
}

#[test]
fn encoder_and_identity_outputs_have_the_expected_shape_and_norm() {
    let bundle = Bundle::open("ffhq-64").unwrap();
    let encoder = session(&bundle.encoder().unwrap().unwrap());
    let w = run(&encoder, &[("image", &test_image(256, 1))]).remove(0);
    assert_eq!(w.shape(), [1, 512]);
    assert!(w.iter().all(|v| v.is_finite()));
    for size in [64, 256] {
        let identity = session(&bundle.loss_network("identity", size).unwrap().unwrap().graph);
        let v = run(&identity, &[("image", &test_image(size, 1))]).remove(0);
        assert_eq!(v.shape(), [1, 1024]);
        assert!((v.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4);
    }
}

#[test]
fn mobilestylegan_matches_the_published_network() {
    let bundle = Bundle::open("ffhq-1024").unwrap();
    let mut npz = golden("mobilestylegan.npz");
    let (z, w) = (array(&mut npz, "z"), array(&mut npz, "w"));
    let (small, crop) = (array(&mut npz, "image_128"), array(&mut npz, "crop_480_544"));
    let mapped = run(
        &session(&bundle.mapping().unwrap().unwrap()),
        &[("z", &z.slice_axis(Axis(0), (0..1).into()).to_owned())],
    );
    assert!(largest_difference(&mapped[0], &w.slice_axis(Axis(0), (0..1).into()).to_owned()) < 1e-4);
    let generator = session(&bundle.generator().unwrap());
    for i in 0..w.shape()[0] {
        let ws = repeated(w.slice(s![i, ..]).into_dimensionality().unwrap(), 23);
        let image = run(&generator, &[("ws", &ws)]).remove(0);
        let middle = image.slice(s![0, .., 480..544, 480..544]).into_dyn().to_owned();
        assert!(largest_difference(&middle, &crop.index_axis(Axis(0), i).to_owned()) < 1e-3);
        let boxes = image.to_shape((3, 128, 8, 128, 8)).unwrap();
        let averages = boxes.mean_axis(Axis(4)).unwrap().mean_axis(Axis(2)).unwrap().into_dyn();
        assert!(largest_difference(&averages, &small.index_axis(Axis(0), i).to_owned()) < 1e-3);
    }
}
