//! `cargo xtask check-onnx`: ONNX's own node tests and published networks, differentiated and compared with finite differences.

use crate::steps::{self, cargo, root, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two releases of ONNX, with what each needs, and the ONNX Runtime that runs the gradients.
const RELEASES: [(&str, &[&str]); 2] =
    [("1.23.2", &["onnx==1.23.2", "ml_dtypes"]), ("1.14.1", &["onnx==1.14.1", "numpy<2", "protobuf<5"])];
const ONNX_RUNTIME: &str = "onnxruntime==1.28.0";

/// Runs the parts, or the one called `only`, and writes their results to `docs/onnx.md`. A wrong gradient is an error.
pub fn run(only: Option<&str>) -> Result<(), String> {
    cargo(&["build", "--package", "gani-onnx", "--example", "gradient"], &[])?;
    let mut failed = vec![];
    if only != Some("networks") {
        failed.extend(node_tests()?);
    }
    if only != Some("nodes") {
        failed.extend(networks()?);
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "wrong gradients: {}\n  fix: see the lines above; each names the test and the difference",
            failed.join(", ")
        )),
    }
}

/// The node tests of each release.
fn node_tests() -> Result<Vec<String>, String> {
    let (mut results, mut failed) = (vec![], vec![]);
    for (release, _) in RELEASES {
        let result = folder().join(release).join("result.json");
        if check("onnx_node_tests", release, &folder().join(release).join("models"), &result)?.is_err() {
            failed.push(format!("node tests of ONNX {release}"));
        }
        results.push(result);
    }
    table("onnx_node_tests", &results)?;
    Ok(failed)
}

/// The networks in published packages.
fn networks() -> Result<Vec<String>, String> {
    let here = folder().join("networks");
    let result = here.join("result.json");
    let outcome = check("onnx_networks", RELEASES[0].0, &here, &result)?;
    table("onnx_networks", &[result])?;
    Ok(outcome.err().map(|_| "networks".to_string()).into_iter().collect())
}

fn folder() -> PathBuf {
    target().join("onnx-check")
}

/// Runs `tests/SCRIPTS/check.py`. The inner error says that a gradient is wrong.
fn check(scripts: &str, release: &str, models: &Path, result: &Path) -> Result<Result<(), String>, String> {
    let python = python(release)?;
    let program = target().join("debug").join("examples").join("gradient");
    let mut check = Command::new(python);
    check.arg(root().join("tests").join(scripts).join("check.py")).arg(program).arg(models);
    check.arg("--json").arg(result);
    Ok(steps::run(&mut check))
}

/// Writes the results to the page.
fn table(scripts: &str, results: &[PathBuf]) -> Result<(), String> {
    let script = root().join("tests").join(scripts).join("table.py");
    steps::run(Command::new("python3").arg(script).arg(root().join("docs").join("onnx.md")).args(results))
}

/// The Python of a virtual environment with this release of ONNX.
fn python(release: &str) -> Result<PathBuf, String> {
    let packages = RELEASES.iter().find(|(name, _)| *name == release).map_or(&[][..], |(_, p)| *p);
    steps::python(&folder().join(release).join("venv"), &[&[ONNX_RUNTIME][..], packages].concat())
}
