//! Project tasks, `cargo xtask NAME`: set the machine up, run every check, show what gani does.

mod bench;
mod check_cuda;
mod check_import;
mod demo;
mod dist;
mod header;
mod hosts;
mod install;
mod memory;
mod regenerate;
mod steps;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the tests in C and C++ and that of the report need: a program and the Debian package that has it.
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
    /// Put the pinned ONNX Runtime where gani finds it (through pip, checked by hash); does nothing the second time
    Setup {
        /// Also fetch and convert the 1024 px face model (38 MB)
        #[arg(long)]
        models: bool,
    },
    /// Everything that continuous integration checks: formatting, lints, tests, documentation
    Test,
    /// The C ABI under AddressSanitizer and valgrind (half an hour; needs valgrind)
    TestMemory {
        /// This tool alone
        tool: Option<memory::Tool>,
    },
    /// Invert and edit a real photograph at 1024 px; the pictures land in out/demo
    Demo,
    /// gani against PyTorch: steps, memory, time to a likeness; a table and a plot in out/bench (PyTorch takes 5 GB; an hour)
    Bench {
        /// Only these; the numbers are sizes of StyleGAN2
        #[arg(value_parser = clap::builder::PossibleValuesParser::new(bench::NAMES))]
        only: Vec<String>,
        /// Threads for both sides
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        threads: u32,
        /// Where both sides run
        #[arg(long, default_value = "cpu", value_parser = ["cpu", "cuda"])]
        device: String,
    },
    /// Where ONNX Runtime's CUDA build places every node of every graph: no GPU is needed, CUDA's libraries are stood in for
    CheckCuda,
    /// Compare imports of full-size checkpoints (random weights, made by PyTorch, 2 GB) with PyTorch
    CheckImport {
        /// A Python with torch and numpy
        #[arg(long, default_value = "python3")]
        python: PathBuf,
    },
    /// The plug-ins in real GIMP and Krita, each in a Debian that is made for it (as root; 2 GB under target/hosts)
    TestHosts {
        /// This editor alone
        editor: Option<hosts::Editor>,
    },
    /// Install libgani with its headers, CMake and pkg-config files, models, and ONNX Runtime where this machine has it
    Install {
        /// The folder that gets lib/, include/ and share/
        #[arg(long)]
        prefix: PathBuf,
        /// Install this build of the library instead of making a release one
        #[arg(long)]
        library: Option<PathBuf>,
    },
    /// Pack one archive for people without a compiler, and the zip that Krita imports, into out/dist
    Dist {
        /// Pack what lies in this folder of builds instead of making release ones
        #[arg(long)]
        built: Option<PathBuf>,
    },
    /// Make again what is made and committed: include/gani.h, and models/ from the networks they came from; `git diff
    /// --stat` then shows no change
    Regenerate {
        /// The folder that holds nets/ and directions/; without it models/ stays as it is
        assets: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup { models } => setup(models),
        Task::Test => test(),
        Task::TestMemory { tool } => memory::run(tool),
        Task::Demo => demo::run(),
        Task::Bench { only, threads, device } => bench::run(&only, threads, &device),
        Task::CheckCuda => check_cuda::run(),
        Task::CheckImport { python } => check_import::check(&python),
        Task::TestHosts { editor } => hosts::run(editor),
        Task::Install { prefix, library } => install::run(&prefix, library.as_deref()),
        Task::Dist { built } => dist::run(built.as_deref()),
        Task::Regenerate { assets } => regenerate(assets.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn regenerate(assets: Option<&Path>) -> Result<(), String> {
    header::write()?;
    assets.map_or(Ok(()), |assets| regenerate::run(assets, &steps::root().join("models")))
}

fn setup(models: bool) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    if let Err(missing) = steps::need_programs(&TEST_TOOLS) {
        println!("{missing}\n  (only tests need them)");
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
    hosts::run_where_possible()?;
    println!("all checks passed");
    Ok(())
}
