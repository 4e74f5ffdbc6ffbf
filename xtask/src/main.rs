//! Project tasks, `cargo xtask NAME`: set up the machine, run all checks, run the demo, package a release.

mod bench;
mod check_import;
mod demo;
mod dist;
mod hosts;
mod install;
mod memory;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::steps;

/// Programs that the C and C++ tests and the test of the HTML report need, each with its Debian package.
const TEST_TOOLS: [(&str, &str); 5] = [
    ("cc", "gcc"),
    ("c++", "g++"),
    ("cmake", "cmake"),
    ("pkg-config", "pkg-config"),
    ("chromium", "chromium"),
];

/// The tasks of the gani project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the pinned ONNX Runtime where gani finds it (through pip, verified by hash), unless it is installed
    Setup {
        /// Also download and convert the 1024 px face model (38 MB)
        #[arg(long)]
        models: bool,
    },
    /// Run everything that continuous integration checks: formatting, lints, tests, documentation
    Test,
    /// Test the C ABI under AddressSanitizer and valgrind (half an hour; needs valgrind)
    TestMemory {
        /// Run only this tool
        tool: Option<memory::Tool>,
    },
    /// Invert and edit a real photo at 1024 px; writes images to out/demo
    Demo,
    /// Compare gani with PyTorch: step time, memory, time to a likeness; writes a table and a plot to out/bench (PyTorch
    /// takes 5 GB; an hour)
    Bench {
        /// Run only these benchmarks; a number is a size of StyleGAN2
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(bench::NAMES))]
        only: Vec<String>,
        /// Number of threads on both sides
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        threads: u32,
        /// Device on both sides
        #[arg(long, default_value = "cpu", value_parser = ["cpu", "cuda"])]
        device: String,
    },
    /// Report where ONNX Runtime's CUDA provider places each node of each graph; needs no GPU, CUDA's libraries are stubbed
    CheckCuda,
    /// Compare imports of full-size checkpoints (random weights, written by PyTorch, 2 GB) with PyTorch
    CheckImport {
        /// A Python interpreter with torch and numpy
        #[arg(long, default_value = "python3")]
        python: PathBuf,
    },
    /// Test the plug-ins in real GIMP and Krita, each in its own Debian root (needs root; 2 GB under target/hosts)
    TestHosts {
        /// Run only the tests of this editor
        editor: Option<hosts::Editor>,
    },
    /// Install libgani with its headers, CMake and pkg-config files, models, and ONNX Runtime if this machine has it
    Install {
        /// The folder for lib/, include/ and share/
        #[arg(long)]
        prefix: PathBuf,
        /// Install this build of the library instead of a new release build
        #[arg(long)]
        library: Option<PathBuf>,
    },
    /// Package gani as one archive for users without a compiler, and the zip that Krita imports, in out/dist
    Dist {
        /// Package the builds in this folder instead of new release builds
        #[arg(long)]
        built: Option<PathBuf>,
    },
    /// Regenerate the committed generated files: include/gani.h, and models/ from their source networks; `git diff --stat`
    /// must show no change afterwards
    Regenerate {
        /// The folder with nets/ and directions/; without it models/ is not changed
        assets: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Setup { models } => setup(models),
        Task::Test => test(),
        Task::TestMemory { tool } => memory::run(tool),
        Task::Demo => demo::run(),
        Task::Bench { only, threads, device } => bench::run(&only, threads, &device),
        Task::CheckCuda => dev("check-cuda", None),
        Task::CheckImport { python } => check_import::run(&python),
        Task::TestHosts { editor } => hosts::run(editor),
        Task::Install { prefix, library } => install::run(&prefix, library.as_deref()),
        Task::Dist { built } => dist::run(built.as_deref()),
        Task::Regenerate { assets } => dev("regenerate", assets),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task of `xtask-dev`, the package that links gani's crates. `path` is relative to the user's current folder.
fn dev(task: &str, path: Option<PathBuf>) -> Result<(), String> {
    let path = path.map(|path| std::path::absolute(&path).map_err(|e| format!("{}: {e}", path.display())));
    let path = path.transpose()?.map(|path| path.to_string_lossy().into_owned());
    let mut arguments = vec!["run", "--quiet", "--package", "xtask-dev", "--", task];
    arguments.extend(path.as_deref());
    steps::cargo(&arguments, &[])
}

fn setup(models: bool) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    if let Err(missing) = steps::need_programs(&TEST_TOOLS) {
        println!("{missing}\n  (only the tests need them)");
    }
    if models {
        let gani = steps::build_gani()?;
        steps::fetch_face_model(&gani)?;
    }
    Ok(())
}

fn test() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::need_programs(&TEST_TOOLS)?;
    steps::cargo(&["run", "--package", "gani", "--bin", "gani", "--", "models", "fetch", "ffhq-1024"], &[])?;
    steps::cargo(&["fmt", "--all", "--check"], &[])?;
    steps::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    steps::cargo(&["test", "--workspace"], &[])?;
    steps::cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    hosts::run_if_possible()?;
    println!("all checks passed");
    Ok(())
}
