//! `cargo xtask check-import`: imports of full-size PyTorch checkpoints, compared with PyTorch's own outputs.

use crate::steps::{self, cargo, root};
use std::path::Path;
use std::process::Command;

/// Writes the checkpoints to `out/import-check` (2 GB) with `python`, which must have PyTorch, unless they exist. Then runs
/// the comparison, which prints a table.
pub fn run(python: &Path) -> Result<(), String> {
    let folder = root().join("out").join("import-check");
    if !folder.join("full.npz").is_file() {
        let script = root().join("tests").join("fixtures").join("networks.py");
        steps::run(Command::new(python).arg(script).arg("--full").arg(&folder))?;
    }
    let folder = folder.to_str().ok_or("the path of the checkout is not UTF-8")?;
    let test = [
        "test",
        "--package",
        "gani-tests",
        "--test",
        "networks_of_checkpoints",
        "--",
        "--ignored",
        "--nocapture",
    ];
    cargo(&test, &[("GANI_CHECKPOINTS", folder)])
}
