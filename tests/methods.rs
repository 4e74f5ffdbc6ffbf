//! The other inversion methods, on the 64 px generator: what they find, when they stop, what they refuse.
#![allow(missing_docs)]

use gani_core::Error;
use gani_core::bundle::{Bundle, Network, Store, describe};
use gani_core::edit::generator::Generator;
use gani_core::invert::{CropSource, InversionResult, InvertOptions, Progress, invert};
use gani_core::metrics;
use gani_core::model::Model;
use gani_core::runtime::{Cancel, DeviceChoice, Runtime, RuntimeOptions};
use gani_core::settings::Method;
use gani_core::settings::Preset;
use gani_onnx::{Builder, Tensor};
use ndarray::Array4;
use std::path::Path;

fn runtime() -> Runtime {
    let options = RuntimeOptions { device: DeviceChoice::Cpu, ..RuntimeOptions::default() };
    Runtime::load(&options).unwrap()
}

/// A face that the generator can make nearly: a sample of it, at the size of a crop.
fn face(model: &Model) -> Array4<f32> {
    let cancel = Cancel::new();
    let ws = model.sample(5, 0.7, &cancel).unwrap();
    let image = Generator::untuned(model).unwrap().image(ws.view(), &cancel).unwrap();
    metrics::resize(image.view(), 256, 256)
}

fn run(
    model: &Model,
    method: Method,
    change: impl Fn(&mut InvertOptions),
) -> gani_core::Result<InversionResult> {
    let mut options = InvertOptions::with_method(model, method, Preset::Paper)?;
    change(&mut options);
    invert(model, face(model).view(), CropSource::default(), &options, &Cancel::new(), |_| {})
}

#[test]
fn latents_are_found_in_w_and_in_w_plus() {
    let model = Model::open("ffhq-64", runtime()).unwrap();
    for method in [Method::W, Method::WPlus] {
        let found = run(&model, method, |o| o.settings.project.steps = 40).unwrap();
        let info = &found.inversion.info;
        assert_eq!((info.method.as_str(), info.history.len()), (method.name(), 40));
        let mean =
            |steps: &[gani_core::loss::total::StepLosses]| steps.iter().map(|s| s.edit[0]).sum::<f32>();
        let (first, last) = (mean(&info.history[..3]), mean(&info.history[37..]));
        assert!(last < 0.6 * first, "{}: the pixel term went from {first} to {last}", method.name());
        let ws = &found.inversion.ws;
        let same = ws.rows().into_iter().all(|row| row == ws.row(0));
        assert_eq!(same, method == Method::W, "{}: rows of ws", method.name());
        assert!(found.inversion.changes.is_empty(), "a latent method changed weights");
        assert_eq!(info.parameters, if same { 512 } else { ws.len() });
        assert_eq!(info.terms, ["pixel", "lpips"]);
    }
}

#[test]
fn pivotal_tuning_moves_weights_against_their_gradient_and_stops() {
    let model = Model::open("ffhq-64", runtime()).unwrap();
    // Adam's first step is its step size, whatever the gradient's length: all weights move by 3e-4, but for the few
    // whose gradient is no larger than ε.
    let one = run(&model, Method::Pti, |o| {
        (o.settings.project.steps, o.settings.pti.iterations, o.settings.pti.stop_at_lpips) = (0, 1, 0.0);
    });
    let changes = one.unwrap().inversion.changes;
    assert_eq!(changes.len(), 9);
    for (name, change) in &changes {
        let far = change.iter().filter(|c| (c.abs() - 3e-4).abs() > 3e-6).count();
        assert!(far < change.len() / 10, "{name}: {far} of {} weights moved by another step", change.len());
    }
    // With the pivot and the locality term: L falls.
    let tuned = run(&model, Method::Pti, |o| {
        (o.settings.project.steps, o.settings.pti.iterations, o.settings.pti.stop_at_lpips) = (3, 12, 0.0);
        o.settings.pti.lambda_local = 0.1;
    });
    let history = tuned.unwrap().inversion.info.history;
    assert_eq!((history.len(), history[0].local.len()), (12, 2));
    assert!(history[11].total < 0.8 * history[0].total, "{} to {}", history[0].total, history[11].total);
    // What is near enough already is left as it is.
    let stopped = run(&model, Method::Pti, |o| {
        (o.settings.project.steps, o.settings.pti.stop_at_lpips) = (0, 10.0);
    });
    let inversion = stopped.unwrap().inversion;
    assert_eq!(inversion.info.history.len(), 1);
    assert!(inversion.changes.iter().all(|(_, c)| c.iter().all(|&v| v == 0.0)));
}

#[test]
fn direct_tuning_moves_weights_by_their_own_size() {
    let model = Model::open("ffhq-64", runtime()).unwrap();
    let quick = |steps: usize| {
        run(&model, Method::Direct, |o| {
            let t = &mut o.settings.tune;
            (t.iterations, t.learning_rate, t.local_every) = (steps, 2e-3, 3);
        })
    };
    // Adam's first step is its step size, here times the root mean square of the weight.
    let changes = quick(1).unwrap().inversion.changes;
    let objective = model.similarity_loss().unwrap();
    assert_eq!(changes.len(), objective.tunable.len());
    for ((name, change), theta) in changes.iter().zip(objective.weights().unwrap()) {
        let theta = theta.as_f32().unwrap();
        let step = 2e-3 * (theta.iter().map(|v| v * v).sum::<f32>() / theta.len() as f32).sqrt();
        let far = change.iter().filter(|c| (c.abs() / step - 1.0).abs() > 0.01).count();
        assert!(far < change.len() / 10, "{name}: {far} of {} weights moved by another step", change.len());
    }
    let info = quick(12).unwrap().inversion.info;
    let localised: Vec<usize> = (0..12).filter(|&i| !info.history[i].local.is_empty()).collect();
    assert_eq!((localised, info.terms.len()), (vec![0, 3, 6, 9], 4));
    let (first, last) = (info.history[1].total, info.history[11].total);
    assert!(last < 0.7 * first, "the loss went from {first} to {last}");
}

#[test]
fn sparing_keeps_other_faces_nearer_to_what_they_were() {
    let model = Model::open("ffhq-64", runtime()).unwrap();
    let cancel = Cancel::new();
    // The loss reached, and how far four other faces have moved.
    let tuned = |spare: f32| {
        let done = run(&model, Method::Direct, |o| {
            let t = &mut o.settings.tune;
            (t.iterations, t.learning_rate, t.lambda_local, t.spare) = (15, 2e-3, 0.0, spare);
        });
        let inversion = done.unwrap().inversion;
        let (before, after) =
            (Generator::untuned(&model).unwrap(), Generator::tuned(&model, &inversion).unwrap());
        let moved = (100..104).map(|seed| {
            let ws = model.sample(seed, 1.0, &cancel).unwrap();
            let image = |editor: &Generator| editor.image(ws.view(), &cancel).unwrap();
            metrics::mse(image(&before).view(), image(&after).view()).unwrap()
        });
        (inversion.info.history[14].total, moved.sum::<f64>())
    };
    let ((plain, moved), (sparing, moved_less)) = (tuned(0.0), tuned(0.75));
    assert!(sparing < 1.15 * plain, "the loss is {sparing}, not {plain}");
    assert!(moved_less < 0.8 * moved, "other faces moved by {moved_less}, not {moved}");
}

/// The bundle `ffhq-64` with another encoder, in `models`.
fn with_encoder(models: &Path, channels: usize) -> Bundle {
    let stock = Bundle::open("ffhq-64").unwrap();
    let folder = models.join("ffhq-64");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in stock.manifest().files.iter() {
        let to = folder.join(&entry.path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(stock.folder().join(&entry.path), to).unwrap();
    }
    // w ← 0.01 · (the mean of every channel), in its first numbers.
    let b = Builder::new();
    let image = b.input("image", &[1, channels, 256, 256]);
    let mut spread = vec![0.0; channels * 512];
    (0..channels).for_each(|c| spread[c * 512 + c] = 0.01);
    let spread = b.weight("spread", Tensor::f32(&[channels, 512], spread).unwrap());
    b.output("w", image.mean(&[2, 3], false).matmul(spread));
    Store::Full.write(&b.finish().unwrap(), &folder.join("encoder.onnx")).unwrap();
    let encoder = Some(Network { file: "encoder.onnx".into(), output: None });
    describe(&folder, gani_core::bundle::Manifest { encoder, ..stock.manifest().clone() }).unwrap()
}

#[test]
fn restyle_feeds_the_encoder_with_its_own_result() {
    let stock = Model::open("ffhq-64", runtime()).unwrap();
    let error = run(&stock, Method::Restyle, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("six channels")), "{error}");

    let models = tempfile::tempdir().unwrap();
    let bundle = with_encoder(models.path(), 6);
    let model = Model::open(bundle.folder().to_str().unwrap(), runtime()).unwrap();
    let crop = face(&model);
    let ws = gani_core::invert::restyle::restyle(&model, crop.view(), &Cancel::new()).unwrap();
    // The photo's channels come in the same each time, five times in all.
    let w_avg = model.bundle.w_avg().unwrap();
    for c in 0..3 {
        let mean = crop.index_axis(ndarray::Axis(1), c).mean().unwrap();
        let moved = ws[[0, c]] - w_avg[c];
        assert!((moved - 0.05 * mean).abs() < 1e-4, "channel {c}: {moved}, not {}", 0.05 * mean);
    }
    assert_ne!(ws[[0, 3]], w_avg[3], "the result was not fed back");
}

#[test]
fn the_encoder_alone_is_quick_and_says_so() {
    let model = Model::open("ffhq-64", runtime()).unwrap();
    let mut steps = 0;
    let options = InvertOptions::with_method(&model, Method::Encoder, Preset::Best).unwrap();
    let done = invert(&model, face(&model).view(), CropSource::default(), &options, &Cancel::new(), |news| {
        steps += usize::from(matches!(news, Progress::Step { .. }));
    });
    let done = done.unwrap();
    assert_eq!((steps, done.inversion.info.parameters, done.inversion.info.history.len()), (0, 0, 0));
    assert_eq!(done.image, done.encoder_image);
    assert_eq!(done.inversion.info.metrics, done.inversion.info.metrics_encoder);
}
