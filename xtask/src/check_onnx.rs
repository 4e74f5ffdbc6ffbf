//! `cargo xtask check-onnx`: ONNX's own node tests, differentiated and compared with finite differences.

use crate::steps::{self, cargo, root, target};
use std::process::Command;

/// Two releases of ONNX, with what each needs, and the ONNX Runtime that runs the gradients.
const RELEASES: [(&str, &[&str]); 2] =
    [("1.23.2", &["onnx==1.23.2", "ml_dtypes"]), ("1.14.1", &["onnx==1.14.1", "numpy<2", "protobuf<5"])];
const ONNX_RUNTIME: &str = "onnxruntime==1.28.0";

/// Installs each release through pip in a virtual environment under `target/onnx-check`, runs the check, and writes the
/// counts and the refused tests to `docs/onnx.md`. A wrong gradient is an error.
pub fn run() -> Result<(), String> {
    cargo(&["build", "--package", "gani-onnx", "--example", "gradient"], &[])?;
    let program = target().join("debug").join("examples").join("gradient");
    let scripts = root().join("tests").join("onnx_node_tests");
    let folder = target().join("onnx-check");
    let (mut results, mut failed) = (vec![], vec![]);
    for (release, packages) in RELEASES {
        let here = folder.join(release);
        let python = here.join("venv").join("bin").join("python");
        if !here.join("installed").is_file() {
            steps::run(Command::new("python3").args(["-m", "venv"]).arg(here.join("venv")))?;
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", ONNX_RUNTIME]).args(packages);
            steps::run(&mut pip)?;
            std::fs::write(here.join("installed"), "").map_err(|e| format!("{}: {e}", here.display()))?;
        }
        let result = here.join("result.json");
        let mut check = Command::new(&python);
        check.arg(scripts.join("check.py")).arg(&program).arg(here.join("models")).arg("--json").arg(&result);
        if steps::run(&mut check).is_err() {
            failed.push(release);
        }
        results.push(result);
    }
    let mut table = Command::new("python3");
    table.arg(scripts.join("table.py")).arg(root().join("docs").join("onnx.md")).args(&results);
    steps::run(&mut table)?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "wrong gradients with ONNX {}\n  fix: see the lines above; each names the test and the difference",
            failed.join(", ")
        )),
    }
}
