//! Inversion methods on the 64 px generator: convergence, early stopping, step sizes, unsupported models.
#![allow(missing_docs)]

use gani_core::bundle::{Bundle, Manifest, Network, WeightPrecision, write_manifest};
use gani_core::edit::Generator;
use gani_core::inversion::CropSource;
use gani_core::invert::restyle::restyle;
use gani_core::invert::{InversionResult, InvertOptions, invert};
use gani_core::loss::StepLosses;
use gani_core::photo::resize;
use gani_core::runtime::{Cancel, DeviceChoice};
use gani_core::settings::Method;
use gani_core::{Error, Model, Preset, Progress, metrics};
use gani_onnx::{Builder, Tensor};
use ndarray::Array4;
use std::path::Path;

fn open(model: &str) -> Model {
    Model::builder().device(DeviceChoice::Cpu).open(model).unwrap()
}

/// A face that the generator can nearly reproduce: one of its samples, at the resolution of a crop.
fn face(model: &Model) -> Array4<f32> {
    let cancel = Cancel::new();
    let ws = model.sample(5, 0.7, &cancel).unwrap();
    let image = Generator::untuned(model).unwrap().image(ws.view(), &cancel).unwrap();
    resize(image.view(), 256, 256)
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
fn projection_reduces_the_loss_in_w_and_in_w_plus() {
    let model = open("ffhq-64");
    for method in [Method::W, Method::WPlus] {
        let found = run(&model, method, |o| o.settings.projector.steps = 40).unwrap();
        let info = &found.inversion.info;
        assert_eq!((info.method.as_str(), info.history.len()), (method.name(), 40));
        let mean = |steps: &[StepLosses]| steps.iter().map(|s| s.reconstruction[0]).sum::<f32>();
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
fn pti_reduces_the_loss_and_stops_at_its_lpips_threshold() {
    let model = open("ffhq-64");
    // Adam's first step has the length of the learning rate for every weight whose gradient is not close to ε.
    let one = run(&model, Method::Pti, |o| {
        (o.settings.projector.steps, o.settings.pti.iterations, o.settings.pti.stop_at_lpips) = (0, 1, 0.0);
    });
    let changes = one.unwrap().inversion.changes;
    assert_eq!(changes.len(), 9);
    for (name, change) in &changes {
        let off = change.iter().filter(|c| (c.abs() - 3e-4).abs() > 3e-6).count();
        assert!(off < change.len() / 10, "{name}: {off} of {} weights took a different step", change.len());
    }
    // With a pivot and the locality regularization.
    let tuned = run(&model, Method::Pti, |o| {
        (o.settings.projector.steps, o.settings.pti.iterations, o.settings.pti.stop_at_lpips) = (3, 12, 0.0);
        o.settings.pti.lambda_localization = 0.1;
    });
    let history = tuned.unwrap().inversion.info.history;
    assert_eq!((history.len(), history[0].localization.len()), (12, 2));
    assert!(history[11].total < 0.8 * history[0].total, "{} to {}", history[0].total, history[11].total);
    // Below the threshold before the first step: no weight changes.
    let stopped = run(&model, Method::Pti, |o| {
        (o.settings.projector.steps, o.settings.pti.stop_at_lpips) = (0, 10.0);
    });
    let inversion = stopped.unwrap().inversion;
    assert_eq!(inversion.info.history.len(), 1);
    assert!(inversion.changes.iter().all(|(_, c)| c.iter().all(|&v| v == 0.0)));
}

#[test]
fn direct_tuning_steps_are_relative_to_each_weight_and_reduce_the_loss() {
    let model = open("ffhq-64");
    let tuned = |steps: usize| {
        run(&model, Method::Direct, |o| {
            let t = &mut o.settings.tune;
            (t.iterations, t.learning_rate, t.localization_interval) = (steps, 2e-3, 3);
        })
    };
    // Adam's first step has the length of the learning rate, here times the root mean square of the weight.
    let changes = tuned(1).unwrap().inversion.changes;
    let loss = model.similarity_loss().unwrap();
    assert_eq!(changes.len(), loss.tunable.len());
    for ((name, change), theta) in changes.iter().zip(loss.weights().unwrap()) {
        let theta = theta.as_f32().unwrap();
        let step = 2e-3 * (theta.iter().map(|v| v * v).sum::<f32>() / theta.len() as f32).sqrt();
        let off = change.iter().filter(|c| (c.abs() / step - 1.0).abs() > 0.01).count();
        assert!(off < change.len() / 10, "{name}: {off} of {} weights took a different step", change.len());
    }
    let info = tuned(12).unwrap().inversion.info;
    let localized: Vec<usize> = (0..12).filter(|&i| !info.history[i].localization.is_empty()).collect();
    assert_eq!((localized, info.terms.len()), (vec![0, 3, 6, 9], 4));
    let (first, last) = (info.history[1].total, info.history[11].total);
    assert!(last < 0.7 * first, "the loss went from {first} to {last}");
}

#[test]
fn fisher_preconditioning_reduces_drift() {
    let model = open("ffhq-64");
    let cancel = Cancel::new();
    // The final loss, and the drift: the MSE between the tuned and the original generator, summed over four other faces.
    let tuned = |fisher_power: f32| {
        let result = run(&model, Method::Direct, |o| {
            let t = &mut o.settings.tune;
            (t.iterations, t.learning_rate, t.lambda_localization, t.fisher_power) =
                (15, 2e-3, 0.0, fisher_power);
        });
        let inversion = result.unwrap().inversion;
        let original = Generator::untuned(&model).unwrap();
        let tuned = Generator::tuned(&model, &inversion).unwrap();
        let drift = (100..104).map(|seed| {
            let ws = model.sample(seed, 1.0, &cancel).unwrap();
            let image = |generator: &Generator| generator.image(ws.view(), &cancel).unwrap();
            metrics::mse(image(&original).view(), image(&tuned).view()).unwrap()
        });
        (inversion.info.history[14].total, drift.sum::<f64>())
    };
    let ((adam_loss, adam_drift), (loss, drift)) = (tuned(0.0), tuned(0.75));
    assert!(loss < 1.15 * adam_loss, "loss {loss}, with plain Adam {adam_loss}");
    assert!(drift < 0.8 * adam_drift, "drift {drift}, with plain Adam {adam_drift}");
}

/// The bundle `ffhq-64` with an encoder of `channels` input channels, in `models`.
fn with_encoder(models: &Path, channels: usize) -> Bundle {
    let stock = Bundle::open("ffhq-64").unwrap();
    let folder = models.join("ffhq-64");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in stock.manifest().files.iter() {
        let to = folder.join(&entry.path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(stock.folder().join(&entry.path), to).unwrap();
    }
    // w[c] = 0.01 · mean of channel c; all other elements are 0.
    let b = Builder::new();
    let image = b.input("image", &[1, channels, 256, 256]);
    let mut matrix = vec![0.0; channels * 512];
    (0..channels).for_each(|c| matrix[c * 512 + c] = 0.01);
    let matrix = b.weight("matrix", Tensor::f32(&[channels, 512], matrix).unwrap());
    b.output("w", image.mean(&[2, 3], false).matmul(matrix));
    WeightPrecision::Full.write(&b.finish().unwrap(), &folder.join("encoder.onnx")).unwrap();
    let encoder = Some(Network { file: "encoder.onnx".into(), output: None });
    write_manifest(&folder, Manifest { encoder, ..stock.manifest().clone() }).unwrap()
}

#[test]
fn restyle_feeds_its_reconstruction_back_to_the_encoder() {
    let stock = open("ffhq-64");
    let error = run(&stock, Method::Restyle, |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(text) if text.contains("six input channels")), "{error}");

    let models = tempfile::tempdir().unwrap();
    let bundle = with_encoder(models.path(), 6);
    let model = open(bundle.folder().to_str().unwrap());
    let crop = face(&model);
    let ws = restyle(&model, crop.view(), &Cancel::new()).unwrap();
    // In each of the five passes, the photo's three channels add 0.01 · mean to w[0..3].
    let w_avg = model.bundle.w_avg().unwrap();
    for c in 0..3 {
        let mean = crop.index_axis(ndarray::Axis(1), c).mean().unwrap();
        let change = ws[[0, c]] - w_avg[c];
        assert!((change - 0.05 * mean).abs() < 1e-4, "channel {c}: {change}, expected {}", 0.05 * mean);
    }
    assert_ne!(ws[[0, 3]], w_avg[3], "the reconstruction was not fed back");
}

#[test]
fn encoder_method_runs_no_steps() {
    let model = open("ffhq-64");
    let mut steps = 0;
    let options = InvertOptions::with_method(&model, Method::Encoder, Preset::Best).unwrap();
    let result =
        invert(&model, face(&model).view(), CropSource::default(), &options, &Cancel::new(), |event| {
            steps += usize::from(matches!(event, Progress::Step { .. }));
        });
    let result = result.unwrap();
    let info = &result.inversion.info;
    assert_eq!((steps, info.parameters, info.history.len()), (0, 0, 0));
    assert_eq!(result.image, result.encoder_image);
    assert_eq!(info.metrics, info.metrics_encoder);
}
