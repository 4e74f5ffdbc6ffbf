//! Full-size checkpoints through `gani import`, against PyTorch: `cargo xtask check-import`.
//!
//! The files take 2 GB and a minute to make, so this is no part of the ordinary tests; small networks of the same code are.

use crate::parity::{Fixture, latent, picture, relative, run};
use gani_core::bundle::{Bundle, ImportOptions, import};
use gani_core::loss::similarity::{Pixel, Wrt};
use gani_core::loss::total::observe;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use gani_core::settings::domain::domain;
use gani_onnx::checkpoint::Checkpoint;
use gani_onnx::networks::{Network, arcface, e4e, lpips, moco, parsing, recognise};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A file's network, by its prefix.
fn inside(file: &Checkpoint, network: Network) -> Checkpoint {
    let found = recognise(file);
    let found = found.iter().find(|f| f.network == network).unwrap_or_else(|| panic!("{found:?}"));
    file.clone().below(&found.prefix)
}

fn report(what: &str, error: f64, tolerance: f64) {
    println!("| {what} | {error:.1e} | {tolerance:.0e} |");
    assert!(error < tolerance, "{what} is off by {error:.1e} of its norm");
}

#[test]
#[ignore = "needs the folder that `cargo xtask check-import` makes"]
fn full_size_networks_and_bundles() {
    let folder =
        PathBuf::from(std::env::var_os("GANI_CHECKPOINTS").expect("GANI_CHECKPOINTS names the folder"));
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
    let (encoder, mean) = (inside(&file, Network::E4e), file.top("latent_avg").unwrap());
    for (name, h) in [("e4e", 256), ("e4e.cars", 192)] {
        let ws = one(e4e::e4e(&encoder, mean, [h, 256]).unwrap(), "image", &picture("a", h, 256));
        // Without the mean latent, which would hide an error.
        let mean = latent("latent_avg", &[18, 512]);
        report(&format!("{name}, 18 styles"), relative(&(ws - &mean), &(fixture.get(name) - &mean)), 1e-4);
    }
    let file = read("faces_w_encoder.pt");
    let graph = e4e::w_encoder(&inside(&file, Network::WEncoder), file.top("latent_avg").unwrap(), [256; 2]);
    let first = latent("latent_avg", &[18, 512]).slice_axis(Axis(0), Slice::new(0, Some(1), 1)).to_owned();
    let w = one(graph.unwrap(), "image", &image);
    report("W encoder", relative(&(w - &first), &(fixture.get("w_encoder") - &first)), 1e-4);
    let graph = arcface::identity(&inside(&read("model_ir_se50.pth"), Network::ArcFace)).unwrap();
    report("ArcFace IR-SE50", relative(&one(graph, "image", &image), &fixture.get("arcface")), 1e-4);
    let file = read("CurricularFace_Backbone.pth");
    let graph = arcface::evaluation(&inside(&file, Network::CurricularFace)).unwrap();
    let face = ((picture("face", 112, 112) + 1.0) * 127.5).permuted_axes(IxDyn(&[0, 2, 3, 1]));
    let found = one(graph, "face", &face.as_standard_layout().into_owned());
    report("CurricularFace IR-101", relative(&found, &fixture.get("curricularface")), 1e-4);
    let file = read("moco_v2_800ep_pretrain.pth.tar");
    let graph = moco::features(&inside(&file, Network::MoCo), [256; 2]).unwrap();
    report("MoCo ResNet-50", relative(&one(graph, "image", &image), &fixture.get("moco")), 1e-4);
    let graph = parsing::contracting_path(&inside(&read("parsing.pth"), Network::Parsing), 256).unwrap();
    for (i, feature) in run(&graph, &[("image", &image)]).iter().enumerate() {
        report(
            &format!("U-Net, feature {i}"),
            relative(feature, &fixture.get(&format!("parsing.{i}"))),
            1e-4,
        );
    }
    let (trunk, heads) = (read("alexnet.pth"), read("alex.pth"));
    let graph = lpips::official(&trunk, &heads, 256).unwrap();
    let [a, b] = ["a", "b"].map(|name| run(&graph, &[("image", &picture(name, 256, 256))]));
    let terms = a.iter().zip(&b).map(|(a, b)| {
        let positions: usize = a.shape()[2..].iter().product();
        (a - b).iter().map(|&d| f64::from(d).powi(2)).sum::<f64>() / positions as f64
    });
    let expected = f64::from(*fixture.get("lpips").first().unwrap());
    report("LPIPS distance", (terms.sum::<f64>() / expected - 1.0).abs(), 1e-4);
}

/// Imports a generator with its losses, and compares image, terms and ∂L/∂θ of the bundle.
fn bundle(folder: &Path, fixture: &mut Fixture, size: usize) {
    let name = if size == 512 {
        "cars"
    } else if size == 1024 {
        "celeba-hq"
    } else {
        "church"
    };
    let at = |file: &str| folder.join(file);
    let faces = size == 1024;
    let options = ImportOptions {
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
        domain: name.into(),
        force: true,
        ..Default::default()
    };
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let target = folder.join(format!("bundle-{size}"));
    let imported = import(&options, &target, &runtime, &Cancel::new(), |_, _| {}).unwrap();
    assert_eq!(imported.bundle.directions().unwrap().pca.len(), 80);
    drop(imported);
    let opening = Instant::now();
    let bundle = Bundle::open_folder(&target).unwrap();
    println!("| opening the bundle of {size} px | {:.3} s | 1 s |", opening.elapsed().as_secs_f64());

    let model = Model::open(target.to_str().unwrap(), runtime.clone()).unwrap();
    let mut weights = domain(name).unwrap().weights;
    weights.pixel = PixelLoss::L2; // as the fixture has it, for all sizes
    let objective = model.similarity_loss().unwrap();
    let cancel = Cancel::new();
    let [h, w] = bundle.image_shape();
    let features = observe(&runtime, objective, &weights, &picture("target", h, w), &cancel).unwrap();
    let graph = objective.loss_gradient(&weights, Wrt::Weights).unwrap();
    let outputs: Vec<String> = graph.outputs().iter().map(|(name, _)| name.clone()).collect();
    let bytes = gani_onnx::write::to_bytes(&graph).unwrap();
    drop(graph);
    let mut loss = runtime.session("loss", &bytes).unwrap().bind().unwrap();
    drop(bytes);
    let terms: Vec<&String> =
        outputs.iter().filter(|n| *n != "loss" && *n != "image" && !n.starts_with("d.")).collect();
    let lambda: Vec<f32> = terms.iter().map(|t| weights.of(t)).collect();
    loss.set("lambda", &lambda).unwrap();
    let styles = 2 * size.ilog2() as usize - 2;
    loss.set_array("ws", &latent("ws", &[1, styles, 512])).unwrap();
    for (tensor, name) in objective.weights().unwrap().iter().zip(&objective.tunable) {
        loss.set(&format!("theta.{name}"), tensor.as_f32().unwrap()).unwrap();
    }
    let ports: Vec<String> = loss.session().inputs().iter().map(|p| p.name.clone()).collect();
    for port in ports.iter().filter(|p| p.starts_with("target.")) {
        loss.alias_input(port, &features, port).unwrap();
    }
    loss.run(&cancel).unwrap();

    let mut image = loss.get("image").unwrap();
    for axis in [2, 3] {
        image = image.slice_axis(Axis(axis), Slice::new(0, None, (size / 128) as isize)).to_owned();
    }
    report(&format!("{name} {size}: image"), relative(&image, &fixture.get(&format!("{size}.image"))), 1e-4);
    for term in terms {
        let found = f64::from(*loss.get(term).unwrap().first().unwrap());
        let expected = f64::from(*fixture.get(&format!("{size}.{term}")).first().unwrap());
        // Of 1 − cos no more is known than the last digits of 1.
        let known = if term == "identity" || term == "parsing" { 4.0 * f64::from(f32::EPSILON) } else { 0.0 };
        let error = ((found - expected).abs() - known).max(0.0) / expected;
        report(&format!("{name} {size}: {term} = {expected:.4}"), error, 1e-4);
    }
    let mut worst = 0.0f64;
    for name in &objective.tunable {
        let gradient = loss.get(&format!("d.{name}")).unwrap();
        let sample: ArrayD<f32> =
            gradient.iter().step_by(61).copied().collect::<ndarray::Array1<f32>>().into_dyn();
        let short = name.trim_end_matches(".conv.weight");
        worst = worst.max(relative(&sample, &fixture.get(&format!("{size}.grad.{short}"))));
        let norm = gradient.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        worst = worst.max(
            (norm / f64::from(*fixture.get(&format!("{size}.norm.{short}")).first().unwrap()) - 1.0).abs(),
        );
    }
    report(&format!("{name} {size}: ∂L/∂θ, worst of {} weights", objective.tunable.len()), worst, 1e-3);
}
