//! Resizing against Pillow, MSE and MS-SSIM against PyTorch: `fixtures/metrics.py` wrote the expected values.

use gani_core::metrics::{ms_ssim, mse, resize};
use ndarray::{Array3, Array4, Axis, Ix0};
use ndarray_npy::NpzReader;
use std::fs::File;

type Fixture = NpzReader<File>;

fn fixture() -> Fixture {
    NpzReader::new(File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/metrics.npz")).unwrap()).unwrap()
}

/// An 8-bit picture [3,H,W] of the fixture, its values unchanged, as [1,3,H,W].
fn picture(fixture: &mut Fixture, name: &str) -> Array4<f32> {
    let bytes: Array3<u8> = fixture.by_name(name).unwrap();
    bytes.mapv(f32::from).insert_axis(Axis(0))
}

fn number(fixture: &mut Fixture, name: &str) -> f64 {
    fixture.by_name::<ndarray::OwnedRepr<f64>, Ix0>(name).unwrap().into_scalar()
}

#[test]
fn resizing_is_pillows() {
    let mut fixture = fixture();
    let image = picture(&mut fixture, "resize_in");
    for (height, width) in [(16, 13), (67, 80), (40, 9), (128, 31)] {
        let expected: Array3<f32> = fixture.by_name(&format!("resize_{height}x{width}")).unwrap();
        let found = resize(image.view(), height, width);
        let worst = (found.index_axis(Axis(0), 0).to_owned() - expected)
            .mapv(f32::abs)
            .into_iter()
            .fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{height}x{width}: {worst} of 255");
    }
}

#[test]
fn mse_and_ms_ssim_are_pytorchs() {
    let mut fixture = fixture();
    for name in ["alike", "bright_result", "speckled", "equal", "shifted", "negative"] {
        let mut image = |which: &str| {
            let small = picture(&mut fixture, &format!("{name}_{which}"));
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
fn unlike_shapes_and_small_images_are_refused() {
    let image = |side: usize| Array4::<f32>::zeros((1, 3, side, side));
    assert!(mse(image(8).view(), image(9).view()).is_err());
    assert!(ms_ssim(image(256).view(), image(255).view()).is_err());
    let error = ms_ssim(image(175).view(), image(175).view()).unwrap_err().to_string();
    assert!(error.contains("176"), "{error}");
}
