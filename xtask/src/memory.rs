//! `cargo xtask test-memory`: the C ABI under AddressSanitizer, with its leak check, and under valgrind.
//!
//! AddressSanitizer sees the Rust side: the contract test through the functions that C calls, everything compiled with
//! it. Valgrind sees a C program with the library as it is installed. ONNX Runtime's own findings are in two lists.

use crate::{install, steps};
use std::process::Command;

/// The only system that the sanitizer's flags are known for here.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Runs both.
pub fn run() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&[("cc", "gcc"), ("valgrind", "valgrind")])?;
    address_sanitizer()?;
    valgrind()
}

fn address_sanitizer() -> Result<(), String> {
    let lists = steps::root().join("xtask/memory");
    let leaks = format!("suppressions={}:print_suppressions=0", lists.join("onnxruntime.lsan").display());
    steps::cargo(
        &["test", "--target", TARGET, "--package", "gani-ffi", "--test", "contract", "--", "c_abi"],
        &[
            // The sanitizers' flag is not stable; the compiler is.
            ("RUSTC_BOOTSTRAP", "1"),
            ("RUSTFLAGS", "-Zsanitizer=address"),
            ("CARGO_TARGET_DIR", "target/memory"),
            ("LSAN_OPTIONS", &leaks),
        ],
    )
}

fn valgrind() -> Result<(), String> {
    let (root, work) = (steps::root(), steps::target().join("memory"));
    let (prefix, program, empty) = (work.join("installed"), work.join("misuse"), work.join("empty"));
    // With line numbers, and what the tests have built already.
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
    steps::run(
        Command::new("valgrind")
            .args(["--error-exitcode=1", "--leak-check=full", "--show-leak-kinds=definite"])
            .args(["--errors-for-leak-kinds=definite", "--num-callers=30"])
            .arg(format!("--suppressions={}", root.join("xtask/memory/onnxruntime.supp").display()))
            .arg(&program)
            .arg(root.join("tests/data/astronaut.png"))
            .arg(&empty),
    )
}
