//! Resizing against Pillow, MSE and MS-SSIM against PyTorch, and the identity metric. `fixtures/metrics.py` wrote the expected
//! values.

use gani_core::face::FaceFinder;
use gani_core::metrics::{Identity, Networks, measure, ms_ssim, mse};
use gani_core::photo::{Photo, resize};
use gani_core::runtime::{Cancel, Runtime, RuntimeOptions};
use ndarray::{Array3, Array4, Axis, Ix0};
use ndarray_npy::NpzReader;
use std::fs::File;
use std::path::Path;

type Fixture = NpzReader<File>;

fn fixture() -> Fixture {
    NpzReader::new(File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/metrics.npz")).unwrap()).unwrap()
}

/// An 8-bit image `[3,H,W]` of the fixture as `[1,3,H,W]`, with the same values.
fn fixture_image(fixture: &mut Fixture, name: &str) -> Array4<f32> {
    let bytes: Array3<u8> = fixture.by_name(name).unwrap();
    bytes.mapv(f32::from).insert_axis(Axis(0))
}

fn number(fixture: &mut Fixture, name: &str) -> f64 {
    fixture.by_name::<ndarray::OwnedRepr<f64>, Ix0>(name).unwrap().into_scalar()
}

#[test]
fn resizing_matches_pillow() {
    let mut fixture = fixture();
    let image = fixture_image(&mut fixture, "resize_in");
    for (height, width) in [(16, 13), (67, 80), (40, 9), (128, 31)] {
        let expected: Array3<f32> = fixture.by_name(&format!("resize_{height}x{width}")).unwrap();
        let found = resize(image.view(), height, width);
        let worst = (found.index_axis(Axis(0), 0).to_owned() - expected)
            .mapv(f32::abs)
            .into_iter()
            .fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{height}x{width}: error {worst} of 255");
    }
}

#[test]
fn mse_and_ms_ssim_match_pytorch() {
    let mut fixture = fixture();
    for name in ["alike", "bright_result", "speckled", "equal", "shifted", "negative"] {
        let mut image = |which: &str| {
            let small = fixture_image(&mut fixture, &format!("{name}_{which}"));
            resize((small / 127.5 - 1.0).view(), 256, 256)
        };
        let (result, target) = (image("result"), image("target"));
        let expected = number(&mut fixture, &format!("{name}_mse"));
        let found = mse(result.view(), target.view()).unwrap();
        assert!(
            (found - expected).abs() <= 1e-6 * (1.0 + expected),
            "{name}: MSE {found}, expected {expected}"
        );
        let expected = number(&mut fixture, &format!("{name}_ms_ssim"));
        let found = ms_ssim(result.view(), target.view()).unwrap();
        match found {
            Some(found) => {
                assert!((found - expected).abs() < 1e-5, "{name}: MS-SSIM {found}, expected {expected}")
            }
            None => assert!(expected.is_nan(), "{name}: no MS-SSIM, expected {expected}"),
        }
    }
}

#[test]
fn different_shapes_and_small_images_are_refused() {
    let image = |side: usize| Array4::<f32>::zeros((1, 3, side, side));
    assert!(mse(image(8).view(), image(9).view()).is_err());
    assert!(ms_ssim(image(256).view(), image(255).view()).is_err());
    let error = ms_ssim(image(175).view(), image(175).view()).unwrap_err().to_string();
    assert!(error.contains("176"), "{error}");
}

/// The identity of the astronaut's crop: with itself at a quarter of its resolution, with a distorted face, and without a face.
#[test]
fn identity_is_high_for_the_same_face_only() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/common");
    let network = |name: &str| std::fs::read(models.join(name)).unwrap();
    let runtime = Runtime::load(&RuntimeOptions::default()).unwrap();
    let faces = FaceFinder::new(&runtime, &network("blazeface.onnx"), &network("facemesh.onnx")).unwrap();
    let features = runtime.session("mobileface", &network("mobileface.onnx")).unwrap();
    let networks = Networks { lpips: None, identity: Some(Identity { faces: &faces, features: &features }) };
    let cancel = Cancel::new();
    let photo = Photo::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/astronaut.png")).unwrap();
    let crop = faces.faces(&photo, &cancel).unwrap()[0].alignment.crop(&photo, 512).unwrap();

    let small = resize(crop.view(), 128, 128);
    let id = measure(small.view(), crop.view(), &networks, &cancel).unwrap().id.unwrap();
    assert!(id > 0.9, "the same face at a lower resolution: {id}");

    // Squeezed and as a gray negative, in place of another person.
    let squeezed = resize(crop.view(), 512, 300);
    let other = Array4::from_shape_fn((1, 3, 512, 300), |(_, _, y, x)| -squeezed[[0, 1, y, x]]);
    let metrics = measure(other.view(), crop.view(), &networks, &cancel).unwrap();
    assert!(metrics.id.is_none_or(|id| id < 0.5), "a squeezed negative: {:?}", metrics.id);

    let none = Array4::zeros((1, 3, 128, 128));
    let metrics = measure(none.view(), crop.view(), &networks, &cancel).unwrap();
    assert_eq!((metrics.id, metrics.lpips), (None, None));
    assert!(metrics.mse > 0.1 && metrics.ms_ssim.is_some_and(|value| value < 0.5), "{metrics:?}");
}
