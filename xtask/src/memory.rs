//! `cargo xtask test-memory`: tests the C ABI under AddressSanitizer, with its leak check, and under valgrind.
//!
//! AddressSanitizer runs the contract test on the functions that C calls, with all crates of the workspace instrumented.
//! Valgrind runs a C program with the installed library. Its findings inside ONNX Runtime are suppressed by
//! `xtask/memory/onnxruntime.supp`.

use crate::{install, steps};
use std::process::Command;

/// A tool that detects memory errors.
#[derive(Clone, Copy, PartialEq)]
pub enum Tool {
    /// AddressSanitizer.
    Asan,
    /// Valgrind's memcheck.
    Valgrind,
}

impl Tool {
    /// The names on the command line.
    pub const NAMES: [&str; 2] = ["asan", "valgrind"];

    /// The tool with this name.
    pub fn from_name(name: &str) -> Option<Tool> {
        match name {
            "asan" => Some(Tool::Asan),
            "valgrind" => Some(Tool::Valgrind),
            _ => None,
        }
    }
}

/// Runs both tools, or only the given one.
pub fn run(only: Option<Tool>) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&[("cc", "gcc"), ("valgrind", "valgrind")])?;
    if only != Some(Tool::Valgrind) {
        address_sanitizer()?;
    }
    if only != Some(Tool::Asan) {
        valgrind()?;
    }
    Ok(())
}

fn address_sanitizer() -> Result<(), String> {
    let wrapper = steps::root().join("xtask/memory/rustc-asan");
    steps::cargo(
        &["test", "--workspace", "--test", "contract"],
        &[("RUSTC_WORKSPACE_WRAPPER", &wrapper.to_string_lossy())],
    )
}

fn valgrind() -> Result<(), String> {
    let (root, work) = (steps::root(), steps::target().join("memory"));
    let (prefix, program, empty) = (work.join("installed"), work.join("misuse"), work.join("empty"));
    // The debug build: it has line numbers, and the tests have built it already.
    steps::cargo(&["build", "--package", "gani-ffi"], &[])?;
    install::run(&prefix, Some(&steps::target().join("debug/libgani.so")))?;
    let _ = std::fs::remove_dir_all(&empty);
    std::fs::create_dir_all(&empty).map_err(|e| format!("cannot create {}: {e}", empty.display()))?;
    let lib = prefix.join("lib");
    steps::run(
        Command::new("cc")
            .args(["-std=c11", "-g", "-pthread", "plugin-ffi/tests/c/misuse.c", "-lgani", "-o"])
            .arg(&program)
            .arg(format!("-I{}", prefix.join("include").display()))
            .arg(format!("-L{}", lib.display()))
            .arg(format!("-Wl,-rpath,{}", lib.display())),
    )?;
    let photo = root.join("tests/data/astronaut.png");
    // An inversion under valgrind takes an hour. This run writes face.safetensors; the one under valgrind opens it instead.
    steps::run(Command::new(&program).arg(&photo).arg(&empty))?;
    steps::run(
        // On one core ONNX Runtime starts no worker threads. They would spin while they wait, and valgrind runs only one
        // thread at a time.
        Command::new("taskset")
            .args(["--cpu-list", "0", "valgrind"])
            .args(["--error-exitcode=1", "--leak-check=full", "--show-leak-kinds=definite"])
            .args(["--errors-for-leak-kinds=definite", "--num-callers=30"])
            .arg(format!("--suppressions={}", root.join("xtask/memory/onnxruntime.supp").display()))
            .args([&program, &photo, &empty])
            .arg(empty.join("face.safetensors")),
    )
}
