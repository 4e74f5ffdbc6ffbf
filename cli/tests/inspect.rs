//! `gani inspect` on every kind of file, as text and as JSON.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn file(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", name].iter().collect();
    path.to_str().unwrap().into()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gani")).arg("inspect").args(args).output().unwrap()
}

fn text(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?} printed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&text(&[args, &["--json", "-q"]].concat())).unwrap()
}

/// The tensor `name` in a list of the report.
fn tensor<'v>(report: &'v Value, list: &str, name: &str) -> &'v Value {
    report[list].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn checkpoints_list_tensors_and_settings() {
    let e4e = file("tests/fixtures/checkpoints/e4e.pt");
    let report = json(&[&e4e]);
    assert_eq!((&report["kind"], &report["format"]), (&"checkpoint".into(), &"zip".into()));
    assert_eq!(report["parameters"], 36 + 2 + 18 * 4);
    let average = tensor(&report, "tensors", "latent_avg");
    assert_eq!((&average["shape"], &average["dtype"]), (&serde_json::json!([18, 4]), &"f32".into()));
    assert_eq!(report["settings"]["opts.stylegan_size"], 1024);
    let text = text(&[&e4e]);
    assert!(
        text.contains("110 parameters") && text.contains("opts.encoder_type = \"Encoder4Editing\""),
        "{text}"
    );
    assert!(text.lines().any(|l| l.starts_with("latent_avg ") && l.ends_with("f32   [18, 4]")), "{text}");

    let nvlabs = json(&[&file("tests/fixtures/checkpoints/nvlabs.pkl")]);
    assert_eq!(nvlabs["format"], "pickle");
    assert_eq!(tensor(&nvlabs, "tensors", "G_ema.synthesis.b4.const")["shape"], serde_json::json!([3, 4, 4]));
    assert_eq!(nvlabs["settings"]["G_ema.synthesis.b8.conv1.conv_clamp"], 256);

    let types = json(&[&file("tests/fixtures/checkpoints/legacy.pth")]);
    assert_eq!(types["format"], "legacy");
    for (name, dtype) in [("types.bf16", "bf16"), ("types.bool", "bool"), ("types.f64", "f64")] {
        assert_eq!(tensor(&types, "tensors", name)["dtype"], dtype);
    }
}

#[test]
fn networks_and_bundles_are_counted() {
    let mapping = file("models/ffhq-64/mapping.onnx");
    let report = json(&[&mapping, "--cost"]);
    assert_eq!(report["kind"], "onnx");
    assert_eq!(report["inputs"][0], serde_json::json!({ "name": "z", "shape": [1, 512], "dtype": "f32" }));
    // Eight layers of 512 × 512 with a bias.
    assert_eq!(report["parameters"], 8 * (512 * 512 + 512));
    let products = 8 * 2 * 512 * 512;
    let flops = report["cost"]["flops"].as_u64().unwrap();
    assert!((products..products + products / 50).contains(&flops), "{flops}");
    assert!(json(&[&mapping])["cost"].is_null());

    let bundle = json(&["ffhq-64", "--cost"]);
    assert_eq!((&bundle["kind"], &bundle["name"]), (&"bundle".into(), &"ffhq-64".into()));
    assert!(bundle["licence"].as_str().unwrap().contains("non-commercial"));
    assert_eq!(bundle["files"].as_array().unwrap().len(), 10);
    let roles: Vec<_> =
        bundle["networks"].as_array().unwrap().iter().map(|n| n["role"].as_str().unwrap()).collect();
    for role in ["generator", "mapping", "encoder", "loss lpips", "loss identity", "loss parsing"] {
        assert!(roles.contains(&role), "{role} in {roles:?}");
    }
    // A tuning step has 9 weights as inputs and their gradients as outputs, and more activations than the generator.
    let network = |role: &str| {
        bundle["networks"].as_array().unwrap().iter().find(|n| n["role"] == role).cloned().unwrap()
    };
    let (generator, gradient) = (network("generator"), network("loss gradient"));
    let count = |list: &str, prefix: &str| {
        let all = gradient[list].as_array().unwrap();
        all.iter().filter(|p| p["name"].as_str().unwrap().starts_with(prefix)).count()
    };
    assert_eq!((count("inputs", "theta."), count("outputs", "d.")), (9, 9));
    let activations = |n: &serde_json::Value| n["cost"]["activations"].as_u64().unwrap();
    assert!(
        activations(&gradient) > 3 * activations(&generator),
        "{} and {}",
        activations(&gradient),
        activations(&generator)
    );
    let text = text(&["ffhq-64"]);
    assert!(text.contains("sha256") && text.contains("provenance") && !text.contains("FLOPs"), "{text}");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gani"))
        .args(["inspect", &file("tests/fixtures/checkpoints/e4e.pt")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn unreadable_files_are_rejected_with_the_reason() {
    let fails = |name: &str| {
        let output = run(&[name]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = fails("no-such-file.pt");
    assert!(missing.contains("reading no-such-file.pt"), "{missing}");
    let image = fails(&file("tests/data/astronaut.png"));
    assert!(image.contains(".onnx"), "{image}");
    let hostile = fails(&file("tests/fixtures/checkpoints/hostile-system.pt"));
    assert!(hostile.contains("posix.system") && hostile.contains("nothing was run"), "{hostile}");
    let archive = fails(&file("models/common/directions.npz"));
    assert!(archive.contains("no data.pkl"), "{archive}");
}
