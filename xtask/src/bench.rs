//! `cargo xtask bench`: gani compared with PyTorch on this machine, see bench/README.md.

use crate::steps;
use std::process::Command;

const OUT: &str = "out/bench";

/// The benchmarks, named as in bench/README.md.
pub const NAMES: [&str; 7] = ["64", "256", "512", "1024", "mobile", "edit", "reach"];

/// Installs PyTorch under target/bench (5 GB), builds gani, and runs the benchmarks in `only`, or all if it is empty.
pub fn run(only: &[String], threads: u32, device: &str) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    let gani = steps::build_gani()?;
    steps::cargo(&["build", "--release", "--package", "gani-bench"], &[])?;

    let venv = steps::target().join("bench").join("venv");
    let python = steps::python(&venv, &["-r", "bench/requirements.txt"])?;

    let program = gani.with_file_name(format!("gani-bench{}", std::env::consts::EXE_SUFFIX));
    let mut measure = Command::new(&python);
    measure
        .arg("bench/run.py")
        .arg("--device")
        .arg(device)
        .arg("--program")
        .arg(program)
        .arg("--gani")
        .arg(gani);
    // A run resumes the previous one, so each device has its own folder.
    let out = if device == "cpu" { OUT.to_owned() } else { format!("{OUT}-{device}") };
    measure.arg("--bundle").arg(steps::root().join("models/ffhq-1024")).args([
        "--out",
        &out,
        "--threads",
        &threads.to_string(),
    ]);
    if !only.is_empty() {
        measure.arg("--only").args(only);
    }
    steps::run(&mut measure)
}
