//! `gani import`: imports small checkpoints and ONNX generators, inverts and edits with the bundles, and checks the errors of
//! invalid input.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/astronaut.png");

fn checkpoints(file: &str) -> String {
    format!("{}/../tests/fixtures/checkpoints/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn models(file: &str) -> String {
    format!("{}/../models/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn gani(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gani")).args(["--device", "cpu"]).args(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let output = gani(&[args, &["--json", "-q"]].concat());
    assert!(output.status.success(), "{args:?} printed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fails(args: &[&str], code: i32) -> String {
    let output = gani(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?} printed: {text}");
    text
}

/// Width and height of an image.
fn size(path: &Path) -> (u32, u32) {
    image::open(path).unwrap().to_rgb8().dimensions()
}

/// The missing networks in the report.
fn missing(report: &Value) -> Vec<&str> {
    report["missing"].as_array().unwrap().iter().map(|m| m["what"].as_str().unwrap()).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect()
}

#[test]
fn a_checkpoint_is_imported_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (bundle, generator) = (at("bundle"), checkpoints("stylegan2-32.pt"));
    let direction = at("up.npy");
    let vector = ndarray::Array2::from_shape_fn((1, 16), |(_, i)| if i == 3 { 5.0f64 } else { 0.0 });
    ndarray_npy::write_npy(&direction, &vector).unwrap();
    let import =
        ["import", "--generator", &generator, "--direction", &format!("up={direction}"), "-o", &bundle];
    let report = json(&import);
    assert_eq!(report["size"], serde_json::json!([32, 32]));
    let text = report["recognized"][0]["text"].as_str().unwrap();
    assert!(text.contains("StyleGAN2, 32 px, 8 mapping layers") && text.contains("7 weights"), "{text}");
    assert_eq!(missing(&report), ["encoder", "LPIPS", "identity", "face parsing"]);
    json(&["models", "verify", &bundle]);
    let manifest = std::fs::read_to_string(Path::new(&bundle).join("bundle.toml")).unwrap();
    assert!(manifest.contains("file = \"stylegan2-32.pt\"") && manifest.contains("blazeface"), "{manifest}");

    let out = at("out");
    let invert = ["--model", &bundle, "invert", PHOTO, "-o", &out, "--iterations", "3", "--refine", "4"];
    let report = json(&invert);
    let file = &report["files"][0];
    let [after, before] = ["metrics", "metrics_encoder"].map(|m| file[m]["mse"].as_f64().unwrap());
    assert!(after < before, "tuning made the image worse: MSE {before} to {after}");
    assert_eq!(
        (size(Path::new(&at("out/astronaut.png"))), file["metrics"]["lpips"].is_null()),
        ((512, 512), true)
    );
    // The terms without a network have the weight zero in the inversion file.
    let inversion = at("out/astronaut.safetensors");
    let header = String::from_utf8_lossy(&std::fs::read(&inversion).unwrap()).into_owned();
    for lambda in ["lambda_lpips", "lambda_identity", "lambda_parsing"] {
        assert!(header.contains(&format!("\\\"{lambda}\\\":0.0")), "{lambda}");
    }
    let edit = |name: &str, set: &str| {
        json(&["--model", &bundle, "edit", &inversion, "--set", set, "-o", &at(name)]);
        image::open(at(name)).unwrap().to_rgb8()
    };
    let up = edit("up.png", "up=2");
    assert_eq!(up.dimensions(), (32, 32));
    assert_ne!(up, edit("pca.png", "pca.0=2"));
    assert_ne!(up, edit("sefa.png", "sefa.0=2"));

    // A bundle is replaced only with --force, other folders never; no temporary files remain.
    let text = fails(&import, 1);
    assert!(text.contains("--force"), "{text}");
    json(&[&import[..], &["--force"]].concat());
    let text = fails(&["import", "--generator", &generator, "-o", &out, "--force"], 1);
    assert!(text.contains("holds no bundle") && Path::new(&inversion).exists(), "{text}");
    assert!(
        files_in(folder.path()).iter().all(|f| !f.file_name().unwrap().to_string_lossy().starts_with('.'))
    );
}

#[test]
fn car_images_are_not_square() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let bundle = at("cars");
    let generator = checkpoints("stylegan2-32.pt");
    let report = json(&["import", "--generator", &generator, "--domain", "cars", "-o", &bundle]);
    assert_eq!(report["size"], serde_json::json!([24, 32]));
    let photo = at("car.png");
    image::open(PHOTO).unwrap().crop_imm(0, 64, 512, 384).save(&photo).unwrap();
    let invert = |photo: &str| {
        let out = at("out");
        let command = ["--model", &bundle, "invert", photo, "-o", &out, "--iterations", "2", "--refine", "2"];
        gani(&[&command[..], &["--aligned"]].concat())
    };
    let output = invert(&photo);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(size(&folder.path().join("out/car.png")), (32, 24));
    let output = invert(PHOTO);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("512 × 512") && text.contains("crop the photo"), "{text}");
}

#[test]
fn an_onnx_generator_is_imported_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (generator, mapping, bundle) =
        (models("ffhq-64/generator.onnx"), models("ffhq-64/mapping.onnx"), at("plain"));
    let import = |extra: &[&str]| {
        let start =
            ["import", "--generator", &generator, "--tunable", "conv*.conv.weight", "--force", "-o", &bundle];
        json(&[&start[..], extra].concat())
    };
    // Without a mapping network w starts at zero and cannot be sampled: no localization term, no `generate`.
    let report = import(&["--lpips", &models("common/lpips.onnx")]);
    assert_eq!(report["recognized"][0]["text"], "generator in ONNX, 9 weights to tune");
    assert!(missing(&report).starts_with(&["mapping network", "mean of w"]), "{report}");
    let out = at("out");
    json(&["--model", &bundle, "invert", PHOTO, "-o", &out, "--iterations", "2", "--refine", "2", "--force"]);
    let text = fails(&["--model", &bundle, "generate", "-o", &at("x.png")], 1);
    assert!(text.contains("--mapping") && text.contains("--latent"), "{text}");

    // With a mapping network, the statistics of w are measured.
    let report = import(&["--mapping", &mapping]);
    assert!(!missing(&report).contains(&"mapping network"), "{report}");
    json(&["--model", &bundle, "generate", "-o", &at("x.png")]);
    // Samples of w replace the mapping network.
    let w = ndarray::Array2::from_shape_fn((400, 512), |(i, j)| ((i * 7 + j * 13) % 101) as f32 / 50.0 - 1.0);
    ndarray_npy::write_npy(at("w.npy"), &w).unwrap();
    import(&["--latents", &at("w.npy")]);
    json(&["--model", &bundle, "generate", "--force", "-o", &at("x.png")]);
    json(&["--model", &bundle, "invert", PHOTO, "-o", &out, "--iterations", "2", "--refine", "0", "--force"]);
}

#[test]
fn invalid_input_is_rejected_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let good = checkpoints("stylegan2-32.pt");
    let plain = models("ffhq-64/generator.onnx");
    let (hostile, single, ganspace) =
        (checkpoints("hostile-system.pt"), checkpoints("direction.pt"), checkpoints("ganspace.pt"));
    let bad_vector = at("zero.npy");
    ndarray_npy::write_npy(&bad_vector, &ndarray::Array1::<f32>::zeros(16)).unwrap();
    std::fs::write(at("text.pt"), "not a checkpoint").unwrap();
    let text_file = at("text.pt");
    let with = |option: &'static str, file: &str| vec![option.to_string(), file.to_string()];
    let table: Vec<(&str, Vec<String>, i32, &str)> = vec![
        ("/nowhere.pt", vec![], 1, "/nowhere.pt"),
        (&text_file, vec![], 1, "neither a PyTorch checkpoint"),
        (&hostile, vec![], 1, "posix.system"),
        (&single, vec![], 1, "StyleGAN2"),
        (&plain, vec![], 1, "--tunable"),
        (&plain, with("--tunable", "xyz*"), 1, "convolution weight"),
        (&good, with("--tunable", "*"), 1, "generator in an .onnx file"),
        (&good, with("--encoder", &good), 1, "e4e encoder or W encoder of HyperStyle"),
        (&good, with("--encoder", &models("common/encoder.onnx")), 1, "do not belong together"),
        (&good, with("--lpips", &good), 1, "AlexNet"),
        (&good, with("--lpips", "a.onnx,b.onnx"), 1, "two checkpoints"),
        (&good, with("--identity", &good), 1, "ArcFace IR-SE50 or ResNet-50 of MoCo"),
        (&good, with("--parsing", &good), 1, "face-parsing U-Net"),
        (&good, with("--moco", "/nowhere.pth"), 1, "/nowhere.pth"),
        (&good, with("--direction", &format!("smile={single}")), 1, "of another generator"),
        (&good, with("--direction", &format!("pca={ganspace}")), 1, "w has 16 numbers here"),
        (&good, with("--direction", &format!("zero={bad_vector}")), 1, "is zero"),
        (&good, with("--direction", "smile.pt"), 2, "NAME=FILE"),
        (&good, with("--direction", "a b=x.pt"), 2, "NAME=FILE"),
        (&good, with("--domain", "faces"), 2, "celeba-hq"),
    ];
    for (generator, more, code, expected) in table {
        let mut args = vec!["import", "--generator", generator, "-o"];
        let target = at("never");
        args.push(&target);
        args.extend(more.iter().map(String::as_str));
        let text = fails(&args, code);
        assert!(text.contains(expected), "{args:?} printed: {text}");
        assert!(!Path::new(&target).exists(), "{args:?} left files behind");
    }
    // The folder contains only the two files that the test wrote.
    assert_eq!(files_in(folder.path()).len(), 2);
}
