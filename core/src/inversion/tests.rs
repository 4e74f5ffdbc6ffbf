//! What is written can be read.

use super::Inversion;
use crate::Error;
use std::path::Path;

fn stored() -> Inversion {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/inversion-0.1.safetensors");
    Inversion::open(file).unwrap()
}

fn refusal(path: &Path, change: impl FnOnce(&mut Inversion)) -> String {
    let mut inversion = stored();
    change(&mut inversion);
    let error = inversion.save(path).unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error}");
    assert!(!path.exists(), "a file was written: {error}");
    error.to_string()
}

#[test]
fn numbers_that_cannot_be_read_again_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    for value in [f32::NAN, f32::INFINITY] {
        assert!(refusal(&path, |i| i.ws[[0, 3]] = value).contains("latent"));
    }
    // The largest number of f16 is 65504.
    for value in [f32::NAN, f32::NEG_INFINITY, 65_600.0] {
        let change = |i: &mut Inversion| *i.changes[0].1.first_mut().unwrap() = value;
        let text = refusal(&path, change);
        assert!(text.contains(&stored().changes[0].0) && text.contains("f16"), "{text}");
    }
    let quad = |i: &mut Inversion| i.info.alignment.as_mut().unwrap().quad[1][0] = f64::NAN;
    assert!(refusal(&path, quad).contains("header"));
    assert!(refusal(&path, |i| i.info.metrics.mse = f64::INFINITY).contains("header"));
    assert!(refusal(&path, |i| i.info.history[0].total = f32::NAN).contains("header"));

    let mut largest = stored();
    *largest.changes[0].1.first_mut().unwrap() = 65_504.0;
    largest.save(&path).unwrap();
    assert_eq!(Inversion::open(&path).unwrap().changes, largest.changes);
}
