//! Small networks with the official keys against PyTorch: outputs within 1e-4, gradients of the losses within 1e-3.

use crate::weights::{checkpoint, uniform};
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{arcface, e4e, lpips, moco, parsing, stylegan2};
use gani_onnx::write::to_bytes;
use gani_onnx::{Builder, Expr, Graph, Tensor};
use ndarray::{ArrayD, Axis, IxDyn, OwnedRepr, Slice};
use ndarray_npy::NpzReader;
use std::fs::File;

/// Arrays that PyTorch computed.
pub struct Fixture(NpzReader<File>);

impl Fixture {
    pub fn open(path: &str) -> Fixture {
        Fixture(NpzReader::new(File::open(path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap())
    }

    fn small() -> Fixture {
        Fixture::open(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/networks.npz"))
    }

    pub fn get(&mut self, name: &str) -> ArrayD<f32> {
        self.0.by_name::<OwnedRepr<f32>, IxDyn>(name).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The network's tensors, computed from their keys.
    fn network(&mut self, name: &str, equalized: fn(&str) -> bool) -> Checkpoint {
        let keys = self.0.by_name::<OwnedRepr<u8>, IxDyn>(&format!("keys.{name}")).unwrap();
        checkpoint(name, &String::from_utf8(keys.into_raw_vec_and_offset().0).unwrap(), equalized)
    }
}

fn never(_: &str) -> bool {
    false
}

pub fn run(graph: &Graph, inputs: &[(&str, &ArrayD<f32>)]) -> Vec<ArrayD<f32>> {
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let session = runtime.session("test", &to_bytes(graph).unwrap()).unwrap();
    let inputs: Vec<_> = inputs.iter().map(|(name, x)| (*name, x.view())).collect();
    session.run(&inputs, &Cancel::new()).unwrap()
}

/// ‖found − expected‖ / ‖expected‖.
pub fn relative(found: &ArrayD<f32>, expected: &ArrayD<f32>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    let norm = |a: &ArrayD<f32>| a.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&(found - expected)) / norm(expected)
}

fn assert_near(what: &str, found: &ArrayD<f32>, expected: &ArrayD<f32>, tolerance: f64) {
    let error = relative(found, expected);
    assert!(error < tolerance, "{what}: relative error {error:.1e}");
}

/// The image `picture` of `networks.py`, `[1,3,h,w]`.
pub fn picture(name: &str, h: usize, w: usize) -> ArrayD<f32> {
    let phase: Vec<f64> = uniform(name, 6).iter().map(|&v| 3.0 * f64::from(v)).collect();
    let noise = uniform(&format!("{name}.noise"), 3 * h * w);
    ArrayD::from_shape_fn(IxDyn(&[1, 3, h, w]), |i| {
        let (c, y, x) = (i[1], i[2] as f64 / h as f64, i[3] as f64 / w as f64);
        let wave =
            (7.0 * (c + 2) as f64 * x + 3.0 * y + phase[c]).sin() * (11.0 * y * x + phase[c + 3]).cos();
        (0.8 * wave + 0.1 * f64::from(noise[(c * h + i[2]) * w + i[3]])) as f32
    })
}

/// The latent `latent` of `networks.py`.
pub fn latent(name: &str, shape: &[usize]) -> ArrayD<f32> {
    let values = uniform(name, shape.iter().product()).iter().map(|u| 1.7 * u).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

#[test]
fn stylegan2_of_both_layouts_matches_pytorch() {
    let mut fixture = Fixture::small();
    for (name, file) in [("rosinality", "stylegan2-32.pt"), ("nvlabs", "stylegan2-32.pkl")] {
        // As in the published files, the `.pkl` states in its metadata that activations are clamped.
        let path = format!("{}/fixtures/checkpoints/{file}", env!("CARGO_MANIFEST_DIR"));
        let file = Checkpoint::read(path.as_ref()).unwrap();
        let network = stylegan2::build(&file).unwrap();
        assert_eq!((network.resolution, network.num_ws().unwrap(), network.tunable.len()), (32, 8, 7));
        let w = run(&network.mapping, &[("z", &latent("z", &[1, 16]))]).remove(0);
        assert_near(&format!("{name}: w"), &w, &fixture.get(&format!("{name}.w")), 1e-4);
        let image = run(&network.generator, &[("ws", &latent("ws", &[1, 8, 16]))]).remove(0);
        assert_near(&format!("{name}: image"), &image, &fixture.get(&format!("{name}.image")), 1e-4);
    }
}

#[test]
fn encoders_match_pytorch() {
    let mut fixture = Fixture::small();
    let mean = latent("latent_avg", &[9, 16]);
    let latent_avg = Tensor::f32(&[9, 16], mean.iter().copied().collect()).unwrap();
    let file = fixture.network("e4e", |key| key.contains(".linear."));
    // Compared without the mean latent, because adding it would hide errors.
    for (name, h) in [("e4e", 256), ("e4e.cars", 192)] {
        let graph = e4e::e4e(&file, &latent_avg, [h, 256]).unwrap();
        let ws = run(&graph, &[("image", &picture("a", h, 256))]).remove(0);
        assert_near(name, &(ws - &mean), &(fixture.get(name) - &mean), 1e-4);
    }
    let file = fixture.network("w_encoder", |key| key.starts_with("linear."));
    let graph = e4e::w_encoder(&file, &latent_avg, [256; 2]).unwrap();
    let w = run(&graph, &[("image", &picture("a", 256, 256))]).remove(0);
    let first = mean.slice_axis(Axis(0), Slice::new(0, Some(1), 1)).to_owned();
    assert_near("w_encoder", &(w - &first), &(fixture.get("w_encoder") - &first), 1e-4);
}

#[test]
fn identity_and_moco_networks_match_pytorch() {
    let mut fixture = Fixture::small();
    let graph = arcface::identity(&fixture.network("arcface", never)).unwrap();
    let found = run(&graph, &[("image", &picture("c", 256, 256))]).remove(0);
    assert_near("arcface", &found, &fixture.get("arcface"), 1e-4);
    let graph = arcface::evaluation(&fixture.network("curricularface", never)).unwrap();
    let face = (picture("face", 112, 112) + 1.0) * 127.5;
    let face = face.permuted_axes(IxDyn(&[0, 2, 3, 1])).as_standard_layout().into_owned();
    let found = run(&graph, &[("face", &face)]).remove(0);
    assert_near("curricularface", &found, &fixture.get("curricularface"), 1e-4);
    for h in [256, 192] {
        let graph = moco::features(&fixture.network("moco", never), [h, 256]).unwrap();
        let found = run(&graph, &[("image", &picture("c", h, 256))]).remove(0);
        assert_near("moco", &found, &fixture.get(&format!("moco.{h}")), 1e-4);
    }
}

/// For each output, 1 − cos(x, t), or the mean of Σ (x − t)² over positions.
fn distance<'g>(cosine: bool, x: Expr<'g>, t: Expr<'g>) -> Expr<'g> {
    let dot = |a: Expr<'g>, b: Expr<'g>| (a * b).sum_all();
    if cosine {
        return 1.0 - dot(x, t) / (dot(x, x) * dot(t, t)).sqrt();
    }
    let positions: usize = x.shape()[2..].iter().product();
    dot(x - t, x - t) * (1.0 / positions as f32)
}

#[test]
fn losses_and_their_gradients_match_pytorch() {
    let mut fixture = Fixture::small();
    let lpips_file = fixture.network("lpips", never);
    let lpips_at = |h: usize| {
        let graph = lpips::official(&lpips_file, &lpips_file, 256).unwrap();
        gani_onnx::read::from_bytes("lpips", to_bytes(&graph).unwrap(), None, &[("image", &[1, 3, h, 256])])
            .unwrap()
    };
    let (arcface_file, moco_file) = (fixture.network("arcface", never), fixture.network("moco", never));
    let parsing_file = fixture.network("parsing", never);
    let cases: [(&str, usize, bool, Graph); 6] = [
        ("arcface", 256, true, arcface::identity(&arcface_file).unwrap()),
        ("parsing", 256, true, parsing::contracting_path(&parsing_file, 256).unwrap()),
        ("moco.256", 256, true, moco::features(&moco_file, [256; 2]).unwrap()),
        ("moco.192", 192, true, moco::features(&moco_file, [192, 256]).unwrap()),
        ("lpips.256", 256, false, lpips_at(256)),
        ("lpips.192", 192, false, lpips_at(192)),
    ];
    for (name, h, cosine, features) in cases {
        let b = Builder::new();
        let [x, t] = ["x", "t"].map(|name| b.input(name, &[1, 3, h, 256]));
        let features_of = |image| b.inline(&features, &[("image", image)]).unwrap();
        let terms = features_of(x).into_iter().zip(features_of(t)).map(|(x, t)| distance(cosine, x, t));
        let loss = terms.reduce(|a, b| a + b).unwrap();
        b.output("loss", loss.reshape(&[1]));
        b.output("grad", b.gradient(loss, &[x]).unwrap()[0]);
        let graph = b.finish().unwrap();
        let found = run(&graph, &[("x", &picture("c", h, 256)), ("t", &picture("b", h, 256))]);
        let (value, expected) = (found[0][[0]], *fixture.get(&format!("{name}.loss")).first().unwrap());
        // 1 − cos has an absolute rounding error of a few ε.
        let tolerance = 1e-4 * expected + if cosine { 2.0 * f32::EPSILON } else { 0.0 };
        assert!((value - expected).abs() < tolerance, "{name}: {value}, expected {expected}");
        // The fixture has every fourth row and column.
        let mut gradient = found[1].clone();
        for axis in [2, 3] {
            gradient = gradient.slice_axis(Axis(axis), Slice::new(0, None, 4)).to_owned();
        }
        assert_near(&format!("∂{name}"), &gradient, &fixture.get(&format!("{name}.grad")), 1e-3);
    }
}
