//! Model bundles: the committed one, damaged files, and invalid manifests.

use gani_core::bundle::{Bundle, Generator, Manifest, Mapping, write_manifest};
use gani_core::edit::{Unit, sliders::SLIDERS};
use gani_core::{Error, settings};
use std::fs;
use std::path::Path;
use std::time::Instant;

/// A bundle of the faces domain whose files hold a few bytes each, in `models/tiny` and `models/common`.
fn tiny(models: &Path) -> Bundle {
    let folder = models.join("tiny");
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(models.join("common")).unwrap();
    let manifest = Manifest {
        title: "Tiny".into(),
        resolution: 64,
        generator: Generator { file: "generator.onnx".into(), tunable: vec!["w".into()] },
        mapping: Mapping { file: Some("mapping.onnx".into()), w_avg: "w_avg.npy".into() },
        ..Manifest::for_faces("tiny")
    };
    for file in manifest.named_files() {
        fs::write(folder.join(file), format!("bytes of {file}")).unwrap();
    }
    write_manifest(&folder, manifest).unwrap()
}

/// The error of opening the bundle with its manifest changed by `change`. Restores the manifest.
fn refusal(folder: &Path, change: impl Fn(String) -> String) -> Error {
    let path = folder.join("bundle.toml");
    let before = fs::read_to_string(&path).unwrap();
    let changed = change(before.clone());
    assert_ne!(before, changed, "the manifest was not changed");
    fs::write(&path, changed).unwrap();
    let error = Bundle::open_folder(folder).unwrap_err();
    fs::write(&path, before).unwrap();
    error
}

#[test]
fn committed_bundle_opens_and_verifies() {
    let started = Instant::now();
    let bundle = Bundle::open("ffhq-64").unwrap();
    assert!(started.elapsed().as_secs_f64() < 1.0);
    bundle.verify(|_| ()).unwrap();
    let photos = Bundle::open("ffhq-1024").unwrap();
    photos.verify(|_| ()).unwrap();
    assert!(photos.notice().is_none() && bundle.notice().unwrap().contains("for tests"));
    assert_eq!((bundle.resolution(), bundle.loss_resolution(), bundle.tunable().len()), (64, 64, 9));
    assert_eq!(bundle.domain().unwrap(), settings::domain("celeba-hq").unwrap());
    assert_eq!(bundle.w_avg().unwrap().len(), 512);
    let generator = bundle.generator().unwrap();
    assert_eq!(generator.input_shape("ws").unwrap(), [1, 10, 512]);
    for name in bundle.tunable() {
        assert_eq!(generator.find_constant(name).unwrap().shape()[2..], [3, 3], "{name}");
    }
    assert!(Bundle::list().iter().any(|(name, opened)| name == "ffhq-64" && opened.is_ok()));
    // By the paths of its folder and of its manifest.
    for path in [bundle.folder().to_owned(), bundle.folder().join("bundle.toml")] {
        assert_eq!(Bundle::open(path.to_str().unwrap()).unwrap().name(), "ffhq-64");
    }
}

#[test]
fn directions_are_unit_vectors_with_a_standard_deviation() {
    let directions = Bundle::open("ffhq-64").unwrap().directions().unwrap();
    assert_eq!((directions.named.len(), directions.pca.len()), (SLIDERS.len(), 80));
    for d in directions.named.iter().chain(&directions.pca) {
        let norm: f32 = d.unit.iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-3 && d.sigma > 0.0, "{}: {norm}, {}", d.name, d.sigma);
    }
    // The sliders, which hosts show before they open a model, agree with the file.
    for slider in SLIDERS {
        let info = &directions.get(slider.direction).unwrap().info;
        assert_eq!((info.unit, info.range), (slider.unit, slider.info().range), "{}", slider.direction);
        assert_eq!(info.group.as_deref(), Some(slider.group), "{}", slider.direction);
    }
    // Pose is calibrated for the generator of photos, in its coarse layers.
    let yaw = |bundle| Bundle::open(bundle).unwrap().directions().unwrap().get("yaw").unwrap().info.clone();
    let (large, small) = (yaw("ffhq-1024"), yaw("ffhq-64"));
    assert!(large.unit == Unit::Deg && large.calibrated && !large.covers(64), "{large:?}");
    assert!(small.unit == Unit::Deg && !small.calibrated && small.step == large.step, "{small:?}");
    // The principal components predict the standard deviation along a direction within 10 %.
    let smile = directions.get("smile").unwrap();
    assert!((directions.sigma_of(&smile.unit) / smile.sigma - 1.0).abs() < 0.1);
    let unknown = directions.get("smil").unwrap_err();
    assert!(unknown.to_string().contains("smile"), "{unknown}");
}

#[test]
fn errors_for_damaged_files_name_the_file_and_the_fix() {
    let models = tempfile::tempdir().unwrap();
    let bundle = tiny(models.path());
    let lpips = models.path().join("common/lpips.onnx");

    let whole = fs::read(&lpips).unwrap();
    fs::write(&lpips, [b'x'].repeat(whole.len())).unwrap();
    let error = Bundle::open_folder(bundle.folder()).unwrap().verify(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, Error::Model(_)) && text.contains("lpips.onnx") && text.contains("fetch"),
        "{text}"
    );
    assert_eq!(text.matches("sha256").count() + text.matches("expects").count(), 2, "both hashes: {text}");

    fs::write(&lpips, &whole[..3]).unwrap();
    let text = Bundle::open_folder(bundle.folder()).unwrap_err().to_string();
    assert!(text.contains("3 bytes") && text.contains("truncated"), "{text}");

    fs::remove_file(&lpips).unwrap();
    let text = Bundle::open_folder(bundle.folder()).unwrap_err().to_string();
    assert!(text.contains("lpips.onnx") && text.contains("fetch"), "{text}");
}

#[test]
fn invalid_manifests_are_refused() {
    let models = tempfile::tempdir().unwrap();
    let folder = tiny(models.path()).folder().to_owned();
    let table: [(&str, &str, &str); 7] = [
        ("version = 1", "version = 7", "newer gani"),
        ("version = 1", "version = ", "bundle.toml"),
        ("resolution = 64", "resolution = 64\nsurprise = 1", "surprise"),
        ("\"generator.onnx\"", "\"../../etc/passwd\"", "outside the models folder"),
        ("path = \"generator.onnx\"", "path = \"../../../etc/passwd\"", "outside the models folder"),
        ("path = \"generator.onnx\"", "path = \"/etc/passwd\"", "outside the models folder"),
        ("file = \"generator.onnx\"", "file = \"..\"", "is not a file of a bundle"),
    ];
    for (from, to, expected) in table {
        let error = refusal(&folder, |text| text.replace(from, to));
        let matches = error.to_string().contains(expected);
        assert!(matches && matches!(error, Error::Model(_) | Error::Unsupported(_)), "{to}: {error}");
    }
}

#[test]
fn errors_for_unknown_models_list_the_installed_ones() {
    let text = Bundle::open("ffhq-65").unwrap_err().to_string();
    assert!(text.contains("ffhq-64"), "{text}");
    let text = Bundle::open("/nowhere/at/all").unwrap_err().to_string();
    assert!(text.contains("no bundle.toml"), "{text}");
}
