//! `cargo xtask wheel`: builds the Python package with the program, the models and their licenses.

use crate::dist::{self, OUT};
use crate::{licenses, steps};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The builder, in a virtual environment under `target`.
const BUILDER: &str = "maturin==1.16.0";

/// What is copied into the package's folder, where git ignores it.
const FILES: [(&str, &str); 3] = [
    ("LICENSE-MIT", "licences/LICENSE-MIT"),
    ("LICENSE-APACHE", "licences/LICENSE-APACHE"),
    ("docs/LICENCES.md", "licences/LICENCES.md"),
];

/// Builds the wheel into `out/dist` and returns its path.
pub fn run() -> Result<PathBuf, String> {
    let package = steps::root().join("plugin-python");
    for folder in ["python/gani/models", "licences"].map(|folder| package.join(folder)) {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|e| format!("cannot replace {}: {e}", folder.display()))?;
        }
    }
    dist::copy_models(&package.join("python/gani/models"))?;
    for (from, to) in FILES {
        dist::copy(&steps::root().join(from), &package.join(to))?;
    }
    licenses::write(&package.join("licences/THIRD-PARTY.txt"))?;
    let python = steps::python(&steps::target().join("python").join("maturin"), &[BUILDER])?;
    let out = steps::root().join(OUT);
    steps::run(
        Command::new(python)
            .args(["-m", "maturin", "build", "--release", "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .arg("--out")
            .arg(&out),
    )?;
    wheel()
}

/// The newest wheel in `out/dist`.
fn wheel() -> Result<PathBuf, String> {
    let out = steps::root().join(OUT);
    let entries = fs::read_dir(&out).map_err(|e| format!("cannot read {}: {e}", out.display()))?;
    let wheels =
        entries.flatten().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "whl"));
    let modified = |path: &PathBuf| path.metadata().and_then(|m| m.modified()).ok();
    wheels.max_by_key(modified).ok_or_else(|| "there is no wheel in out/dist; run cargo xtask wheel".into())
}
