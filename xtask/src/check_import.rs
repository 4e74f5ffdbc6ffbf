//! `cargo xtask check-import`: full-size checkpoints by PyTorch, imported, compared with what PyTorch computes.

use crate::steps::{cargo, root, run};
use std::path::Path;
use std::process::Command;

/// Makes the checkpoints with `python`, which must have PyTorch, in `out/import-check` (2 GB), where they stay; then runs the
/// comparison, which prints its table.
pub fn check(python: &Path) -> Result<(), String> {
    let folder = root().join("out").join("import-check");
    if !folder.join("full.npz").is_file() {
        let script = root().join("tests").join("fixtures").join("networks.py");
        run(Command::new(python).arg(script).arg("--full").arg(&folder))?;
    }
    let folder = folder.to_str().ok_or("the checkout's path is not UTF-8")?;
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
