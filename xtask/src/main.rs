//! Project tasks, `cargo xtask NAME`: set the machine up, run every check, show what gani does.

mod demo;
mod hosts;
mod regenerate;
mod steps;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Invert and edit a real photograph at 1024 px; the pictures land in out/demo
    Demo,
    /// The plug-ins in real GIMP and Krita, in a Debian that is made for it (as root; 1.3 GB under target/hosts)
    TestHosts,
    /// Make the committed models/ again from the networks they came from; `git diff --stat models` then shows no change
    Regenerate {
        /// The folder that holds nets/ and directions/
        assets: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup { models } => setup(models),
        Task::Test => test(),
        Task::Demo => demo::run(),
        Task::TestHosts => hosts::run(),
        Task::Regenerate { assets } => regenerate::run(&assets, &steps::root().join("models")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn setup(models: bool) -> Result<(), String> {
    steps::install_onnx_runtime()?;
    if models {
        let gani = steps::build_gani()?;
        steps::fetch_face_model(&gani)?;
    }
    Ok(())
}

fn test() -> Result<(), String> {
    steps::install_onnx_runtime()?;
    steps::cargo(&["run", "--package", "gani", "--bin", "gani", "--", "models", "fetch", "ffhq-1024"], &[])?;
    steps::cargo(&["fmt", "--all", "--check"], &[])?;
    steps::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    steps::cargo(&["test", "--workspace"], &[])?;
    steps::cargo(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    println!("all checks passed");
    Ok(())
}
