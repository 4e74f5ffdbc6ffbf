//! `cargo xtask bench`: gani against PyTorch on this machine, see bench/README.md.

use crate::steps;
use gani_core::bundle::Bundle;
use std::process::Command;

const OUT: &str = "out/bench";

/// What can be measured, by the names of bench/README.md.
pub const NAMES: [&str; 7] = ["64", "256", "512", "1024", "mobile", "edit", "reach"];

/// Sets PyTorch up under target/bench (5 GB), builds, and measures what `only` names; all where it is empty.
pub fn run(only: &[String], threads: u32, device: &str) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    let gani = steps::build_gani()?;
    steps::fetch_face_model(&gani)?;
    steps::cargo(&["build", "--release", "--package", "gani-bench"], &[])?;
    let bundle = Bundle::open("ffhq-1024").map_err(|e| e.to_string())?;

    let venv = steps::target().join("bench").join("venv");
    let python = venv.join("bin").join("python3");
    if !python.exists() {
        steps::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    steps::run(Command::new(&python).args(["-m", "pip", "install", "-q", "-r", "bench/requirements.txt"]))?;

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
    // A run goes on where the last one ended, so those of another device have a folder of their own.
    let out = if device == "cpu" { OUT.to_owned() } else { format!("{OUT}-{device}") };
    measure.arg("--bundle").arg(bundle.folder()).args(["--out", &out, "--threads", &threads.to_string()]);
    if !only.is_empty() {
        measure.arg("--only").args(only);
    }
    steps::run(&mut measure)
}
