//! Full-size checkpoints, imported into bundles, against PyTorch: `cargo xtask check-import`.
//!
//! The files take 2 GB and a minute to make. The ordinary tests run small networks of the same code instead.

use crate::parity::{Fixture, latent, picture, relative, run};
use gani_core::Model;
use gani_core::bundle::{Bundle, ImportOptions, import};
use gani_core::loss::{SimilarityLoss, Wrt, target_features};
use gani_core::runtime::{Binding, Cancel, Runtime, RuntimeOptions};
use gani_core::settings::{LossWeights, PixelLoss, domain};
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, arcface, e4e, lpips, moco, parsing, recognize};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The tensors of one of a file's networks.
fn scoped(file: &Checkpoint, network: Network) -> Checkpoint {
    let found = recognize(file);
    let found = found.iter().find(|f| f.network == network).unwrap_or_else(|| panic!("{found:?}"));
    file.clone().scoped(&found.prefix)
}

fn report(what: &str, error: f64, tolerance: f64) {
    println!("| {what} | {error:.1e} | {tolerance:.0e} |");
    assert!(error < tolerance, "{what}: relative error {error:.1e}");
}

#[test]
#[ignore = "needs the files that `cargo xtask check-import` makes"]
fn full_size_networks_and_bundles_match_pytorch() {
    let folder =
        PathBuf::from(std::env::var_os("GANI_CHECKPOINTS").expect("set GANI_CHECKPOINTS to the folder"));
    let mut fixture = Fixture::open(folder.join("full.npz").to_str().unwrap());
    println!("| what | relative error | allowed |\n|---|---|---|");
    networks(&folder, &mut fixture);
    for size in [256, 512, 1024] {
        bundle(&folder, &mut fixture, size);
    }
}

fn networks(folder: &Path, fixture: &mut Fixture) {
    let read = |name: &str| Checkpoint::read(&folder.join(name)).unwrap();
    let image = picture("a", 256, 256);
    let one = |graph, input: &str, x: &ArrayD<f32>| run(&graph, &[(input, x)]).remove(0);

    let file = read("e4e_encode.pt");
    let (encoder, mean) = (scoped(&file, Network::E4e), file.unscoped("latent_avg").unwrap());
    for (name, h) in [("e4e", 256), ("e4e.cars", 192)] {
        let ws = one(e4e::e4e(&encoder, mean, [h, 256]).unwrap(), "image", &picture("a", h, 256));
        // Compared without the mean latent, because adding it would hide errors.
        let mean = latent("latent_avg", &[18, 512]);
        report(&format!("{name}, 18 styles"), relative(&(ws - &mean), &(fixture.get(name) - &mean)), 1e-4);
    }
    let file = read("faces_w_encoder.pt");
    let graph =
        e4e::w_encoder(&scoped(&file, Network::WEncoder), file.unscoped("latent_avg").unwrap(), [256; 2]);
    let first = latent("latent_avg", &[18, 512]).slice_axis(Axis(0), Slice::new(0, Some(1), 1)).to_owned();
    let w = one(graph.unwrap(), "image", &image);
    report("W encoder", relative(&(w - &first), &(fixture.get("w_encoder") - &first)), 1e-4);
    let graph = arcface::identity(&scoped(&read("model_ir_se50.pth"), Network::ArcFace)).unwrap();
    report("ArcFace IR-SE50", relative(&one(graph, "image", &image), &fixture.get("arcface")), 1e-4);
    let file = read("CurricularFace_Backbone.pth");
    let graph = arcface::evaluation(&scoped(&file, Network::CurricularFace)).unwrap();
    let face = ((picture("face", 112, 112) + 1.0) * 127.5).permuted_axes(IxDyn(&[0, 2, 3, 1]));
    let found = one(graph, "face", &face.as_standard_layout().into_owned());
    report("CurricularFace IR-101", relative(&found, &fixture.get("curricularface")), 1e-4);
    let file = read("moco_v2_800ep_pretrain.pth.tar");
    let graph = moco::features(&scoped(&file, Network::MoCo), [256; 2]).unwrap();
    report("MoCo ResNet-50", relative(&one(graph, "image", &image), &fixture.get("moco")), 1e-4);
    let graph = parsing::contracting_path(&scoped(&read("parsing.pth"), Network::Parsing), 256).unwrap();
    for (i, feature) in run(&graph, &[("image", &image)]).iter().enumerate() {
        report(
            &format!("U-Net, feature {i}"),
            relative(feature, &fixture.get(&format!("parsing.{i}"))),
            1e-4,
        );
    }
    let (backbone, heads) = (read("alexnet.pth"), read("alex.pth"));
    let graph = lpips::official(&backbone, &heads, 256).unwrap();
    let [a, b] = ["a", "b"].map(|name| run(&graph, &[("image", &picture(name, 256, 256))]));
    let terms = a.iter().zip(&b).map(|(a, b)| {
        let positions: usize = a.shape()[2..].iter().product();
        (a - b).iter().map(|&d| f64::from(d).powi(2)).sum::<f64>() / positions as f64
    });
    let expected = f64::from(*fixture.get("lpips").first().unwrap());
    report("LPIPS distance", (terms.sum::<f64>() / expected - 1.0).abs(), 1e-4);
}

/// Imports a generator with its losses. Compares image, loss terms and ∂L/∂θ of the bundle.
fn bundle(folder: &Path, fixture: &mut Fixture, size: usize) {
    let domain_name = match size {
        512 => "cars",
        1024 => "celeba-hq",
        _ => "church",
    };
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let target = folder.join(format!("bundle-{size}"));
    let options = import_options(folder, size, domain_name);
    let imported = import(&options, &target, &runtime, &Cancel::new(), |_, _| {}).unwrap();
    assert_eq!(imported.bundle.directions().unwrap().pca.len(), 80);
    drop(imported);
    let opening = Instant::now();
    Bundle::open_folder(&target).unwrap();
    println!("| opening the bundle of {size} px | {:.3} s | 1 s |", opening.elapsed().as_secs_f64());

    let model = Model::with_runtime(target.to_str().unwrap(), runtime).unwrap();
    let mut weights = domain(domain_name).unwrap().loss_weights;
    weights.pixel = PixelLoss::L2; // the fixture has L2 at all sizes
    let (loss, terms) = run_loss(&model, &weights, size);

    let what = format!("{domain_name} {size}");
    let mut image = loss.get("image").unwrap();
    for axis in [2, 3] {
        image = image.slice_axis(Axis(axis), Slice::new(0, None, (size / 128) as isize)).to_owned();
    }
    report(&format!("{what}: image"), relative(&image, &fixture.get(&format!("{size}.image"))), 1e-4);
    for term in terms {
        let found = f64::from(*loss.get(&term).unwrap().first().unwrap());
        let expected = f64::from(*fixture.get(&format!("{size}.{term}")).first().unwrap());
        // 1 − cos has an absolute rounding error of a few ε.
        let cosine = term == "identity" || term == "parsing";
        let rounding = if cosine { 4.0 * f64::from(f32::EPSILON) } else { 0.0 };
        let error = ((found - expected).abs() - rounding).max(0.0) / expected;
        report(&format!("{what}: {term} = {expected:.4}"), error, 1e-4);
    }
    let (count, worst) = worst_gradient(&loss, model.similarity_loss().unwrap(), fixture, size);
    report(&format!("{what}: ∂L/∂θ, worst of {count} weights"), worst, 1e-3);
}

fn import_options(folder: &Path, size: usize, domain: &str) -> ImportOptions {
    let at = |file: &str| folder.join(file);
    let faces = size == 1024;
    ImportOptions {
        generator: at(&format!("stylegan2-{size}.pt")),
        lpips: vec![at("alexnet.pth"), at("alex.pth")],
        identity: if faces {
            vec![at("model_ir_se50.pth"), at("CurricularFace_Backbone.pth")]
        } else {
            vec![]
        },
        parsing: faces.then(|| at("parsing.pth")),
        moco: (!faces).then(|| at("moco_v2_800ep_pretrain.pth.tar")),
        directions: vec![("smile".into(), at("smile.pt")), ("pca".into(), at("ganspace.pt"))],
        domain: domain.into(),
        force: true,
        ..Default::default()
    }
}

/// Eq. 1 and its gradient at the fixture's latent and target, and the names of its terms.
fn run_loss(model: &Model, weights: &LossWeights, size: usize) -> (Binding, Vec<String>) {
    let (runtime, similarity, cancel) = (&model.runtime, model.similarity_loss().unwrap(), Cancel::new());
    let [h, w] = model.bundle.image_shape();
    let photo = picture("target", h, w);
    let features = target_features(runtime, similarity, weights, &photo, &cancel).unwrap();
    let graph = similarity.loss_gradient(weights, Wrt::Weights).unwrap();
    let outputs = graph.outputs().iter().map(|(name, _)| name.clone());
    let terms: Vec<String> =
        outputs.filter(|n| n != "loss" && n != "image" && !n.starts_with("d.")).collect();
    let bytes = gani_onnx::write::to_bytes(&graph).unwrap();
    drop(graph);
    let mut loss = runtime.session("loss", &bytes).unwrap().bind().unwrap();
    drop(bytes);
    loss.set("lambda", &weights.lambdas(&terms)).unwrap();
    let styles = 2 * size.ilog2() as usize - 2;
    loss.set_array("ws", &latent("ws", &[1, styles, 512])).unwrap();
    for (tensor, name) in similarity.weights().unwrap().iter().zip(&similarity.tunable) {
        loss.set(&format!("theta.{name}"), tensor.as_f32().unwrap()).unwrap();
    }
    let inputs: Vec<String> = loss.session().inputs().iter().map(|input| input.name.clone()).collect();
    for input in inputs.iter().filter(|name| name.starts_with("target.")) {
        loss.alias_input(input, &features, input).unwrap();
    }
    loss.run(&cancel).unwrap();
    (loss, terms)
}

/// Number of tuned weights, and the largest relative error of ∂L/∂θ: of every 61st element, and of the norm.
fn worst_gradient(
    loss: &Binding,
    similarity: &SimilarityLoss,
    fixture: &mut Fixture,
    size: usize,
) -> (usize, f64) {
    let mut worst = 0.0f64;
    for name in &similarity.tunable {
        let gradient = loss.get(&format!("d.{name}")).unwrap();
        let sample: ArrayD<f32> =
            gradient.iter().step_by(61).copied().collect::<ndarray::Array1<f32>>().into_dyn();
        let short = name.trim_end_matches(".conv.weight");
        worst = worst.max(relative(&sample, &fixture.get(&format!("{size}.grad.{short}"))));
        let norm = gradient.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let expected = f64::from(*fixture.get(&format!("{size}.norm.{short}")).first().unwrap());
        worst = worst.max((norm / expected - 1.0).abs());
    }
    (similarity.tunable.len(), worst)
}
