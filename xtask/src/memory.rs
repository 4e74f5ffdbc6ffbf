//! `cargo xtask test-memory`: tests the C ABI under AddressSanitizer, with its leak check, and under valgrind.
//!
//! AddressSanitizer runs the contract test on the functions that C calls, with all crates of the workspace instrumented.
//! Valgrind runs two C programs with the installed library. Its findings inside ONNX Runtime are suppressed by
//! `xtask/memory/onnxruntime.supp`.

use crate::{install, steps};
use std::path::{Path, PathBuf};
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
    let empty = work.join("empty");
    let _ = std::fs::remove_dir_all(&empty);
    std::fs::create_dir_all(&empty).map_err(|e| format!("cannot create {}: {e}", empty.display()))?;
    let (misuse, soak) = (compile("misuse", &work)?, compile("soak", &work)?);
    let photo = root.join("tests/data/astronaut.png");
    // An inversion under valgrind takes an hour. This run writes face.safetensors; the runs under valgrind open it instead.
    steps::run(Command::new(&misuse).args([&photo, &empty]))?;
    let inversion = work.join("face.safetensors");
    std::fs::rename(empty.join("face.safetensors"), &inversion)
        .map_err(|e| format!("cannot write {}: {e}", inversion.display()))?;
    steps::run(memcheck().args([&misuse, &photo, &empty, &inversion]))?;
    steps::run(memcheck().args([&soak, &photo, &empty]).arg("8").arg(&inversion))
}

/// The command line of valgrind, up to the program.
fn memcheck() -> Command {
    // On one core ONNX Runtime starts no worker threads. They would spin while they wait, and valgrind runs only one thread at a
    // time.
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", "0", "valgrind"])
        .args(["--error-exitcode=1", "--leak-check=full", "--show-leak-kinds=definite"])
        .args(["--errors-for-leak-kinds=definite", "--num-callers=30"])
        .arg(format!("--suppressions={}", steps::root().join("xtask/memory/onnxruntime.supp").display()));
    command
}

/// Compiles `plugin-ffi/tests/c/NAME.c` with an installed debug build of libgani; both are below `work`. Returns the program.
pub fn compile(name: &str, work: &Path) -> Result<PathBuf, String> {
    let (prefix, program) = (work.join("installed"), work.join(name));
    // The debug build: it has line numbers, and the tests have built it already.
    steps::cargo(&["build", "--package", "gani-ffi"], &[])?;
    install::run(&prefix, Some(&steps::target().join("debug/libgani.so")))?;
    let flags = ["-std=gnu11", "-g", "-pthread", "-Wall", "-Wextra", "-Werror"];
    install::compile_c(&format!("plugin-ffi/tests/c/{name}.c"), &flags, &prefix, &program)?;
    Ok(program)
}
