//! An inversion file of gani 0.1, written before settings and losses got their present names, still opens, edits and pastes
//! (`data/README.md` says how the file was made).
#![allow(missing_docs)]

use gani_core::edit::{Direction, Generator, apply};
use gani_core::face_session::FaceSession;
use gani_core::inversion::Inversion;
use gani_core::photo::image_from_crop;
use gani_core::runtime::{Cancel, DeviceChoice};
use gani_core::settings::{Init, LocalizationLoss, Norm, PixelLoss, Space};
use gani_core::{Edit, Model, Photo};
use std::path::{Path, PathBuf};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file)
}

fn old_inversion() -> Inversion {
    Inversion::open(data("inversion-0.1.safetensors")).unwrap()
}

fn model() -> Model {
    Model::builder().device(DeviceChoice::Cpu).open("ffhq-64").unwrap()
}

#[test]
fn old_settings_are_read_under_their_present_names() {
    let info = old_inversion().info;
    assert_eq!((info.made_by.as_str(), info.bundle.as_str()), ("0.1.0", "ffhq-64"));
    assert_eq!((info.method.as_str(), info.preset.as_str(), info.seed), ("direct", "fast", 0));
    let s = &info.settings;
    assert_eq!((s.refine.steps_w, s.refine.steps_w_plus, s.refine.delta_regularization), (1, 1, 0.05));
    let t = &s.tune;
    assert_eq!((t.iterations, t.learning_rate, t.lr_rampdown), (2, 2e-3, 0.3));
    assert_eq!((t.fisher_power, t.localization_interval), (0.75, 3));
    assert_eq!((t.lambda_reconstruction, t.lambda_localization), (1.0, 0.2));
    assert_eq!(t.localization, LocalizationLoss::PixelAndLpips);
    assert_eq!(
        (t.module.pre_norm, t.module.post_norm, t.module.init),
        (Norm::Scale, Norm::Scale, Init::Zero)
    );
    let weights = &t.loss_weights;
    assert_eq!((weights.pixel, weights.full_resolution), (PixelLoss::L2, true));
    assert_eq!(weights.gradient_difference, 1.0);
    let lambdas = ["pixel", "lpips", "identity", "parsing"].map(|term| weights.lambda(term));
    assert_eq!(lambdas, [4.0, 0.8, 0.1, 1.0]);
    let p = &s.projector;
    assert_eq!((p.space, p.initial_noise_factor, p.regularize_noise_weight), (Space::W, 0.05, 1e5));
    assert_eq!((s.pti.lambda_localization, s.pti.loss_weights.lambda("lpips")), (0.0, 1.0));
    s.check().unwrap();
}

#[test]
fn old_losses_are_read_under_their_present_names() {
    let info = old_inversion().info;
    assert_eq!(info.terms, ["pixel", "lpips", "identity", "parsing"]);
    assert_eq!(info.history.len(), 2);
    let [first, second] = [&info.history[0], &info.history[1]];
    assert_eq!(first.reconstruction, [0.21963127, 0.23259607, 0.60481524, 1.1736591]);
    // θ' = θ in the first step, so its localization loss is 0. The second step has none.
    assert_eq!((&first.localization[..], &second.localization[..]), (&[0.0; 4][..], &[][..]));
    assert!(second.total < first.total, "{} to {}", first.total, second.total);
}

/// The program that wrote the inversion also wrote the expected image: `gani edit inversion-0.1.safetensors --set smile=1`, with the
/// direction of that version, whose step of 1 σ in all layers is stored beside it.
#[test]
fn edited_image_is_that_of_the_old_program() {
    let (model, inversion, cancel) = (model(), old_inversion(), Cancel::new());
    assert_eq!(inversion.changes.len(), model.bundle.tunable().len());
    let generator = Generator::tuned(&model, &inversion).unwrap();
    let step: ndarray::Array1<f32> = ndarray_npy::read_npy(data("inversion-0.1-smile.npy")).unwrap();
    let smile = Direction::new("smile", step.to_vec(), 1.0);
    let moved = |strength| {
        let mut ws = inversion.ws.clone();
        apply(ws.as_slice_mut().unwrap(), 512, 64, &[(&smile, strength)], None).unwrap();
        ws
    };
    let edit = |strength| {
        let ws = moved(strength);
        image_from_crop(generator.image(ws.view(), &cancel).unwrap().view())
    };
    let expected = Photo::open(data("inversion-0.1-smile.png")).unwrap().pixels.to_rgb8();
    let worst = |image: &image::RgbImage| {
        assert_eq!(image.dimensions(), expected.dimensions());
        image.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    };
    // Measured: at most 13 of 255 between the edited and the unedited image.
    let (smile, unedited) = (worst(&edit(1.0)), worst(&edit(0.0)));
    assert!(smile <= 2, "differs by {smile} of 255");
    assert!(unedited > 5, "the unedited image differs by {unedited} of 255 only");
    // The weight changes are applied.
    let untuned = Generator::untuned(&model).unwrap();
    assert!(worst(&image_from_crop(untuned.image(moved(1.0).view(), &cancel).unwrap().view())) > 2);
}

#[test]
fn old_inversion_pastes_into_its_photo() {
    let (model, inversion) = (model(), old_inversion());
    let original = Photo::open(data("astronaut.png")).unwrap();
    let mut photo = original.clone();
    let session = FaceSession::open(&model, inversion).unwrap();
    let region = session.paste(&[Edit::new("smile", 1.0)], &mut photo).unwrap();
    let (before, after) = (original.pixels.to_rgb8(), photo.pixels.to_rgb8());
    let changed = after.enumerate_pixels().filter(|(x, y, pixel)| before.get_pixel(*x, *y) != *pixel);
    let changed: Vec<(u32, u32)> = changed.map(|(x, y, _)| (x, y)).collect();
    assert!(changed.len() > 1000, "{} pixels changed", changed.len());
    let inside = |(x, y): &(u32, u32)| {
        (region.x..region.x + region.width).contains(x) && (region.y..region.y + region.height).contains(y)
    };
    assert!(changed.iter().all(inside), "pixels outside {region:?} changed");
    // A photo of another size is refused.
    let mut other = Photo::from_pixels("other.png".as_ref(), image::RgbImage::new(300, 300).into());
    let text = session.paste(&[], &mut other).unwrap_err().to_string();
    assert!(text.contains("512 × 512") && text.contains("astronaut.png"), "{text}");
}

/// Found by the fuzz target `paste`: a latent without numbers ended the program.
#[test]
fn a_latent_of_another_shape_is_refused() {
    let model = model();
    for shape in [(10, 0), (0, 512), (9, 512), (10, 511)] {
        let mut inversion = old_inversion();
        inversion.ws = ndarray::Array2::zeros(shape);
        let text = FaceSession::open(&model, inversion).err().unwrap().to_string();
        assert!(text.contains("(10, 512)"), "{text}");
    }
    let generator = Generator::untuned(&model).unwrap();
    let empty = ndarray::Array2::zeros((10, 0));
    assert!(generator.apply_edits(&empty, &[Edit::new("sefa.0", 1.0)], None).is_err());
}
