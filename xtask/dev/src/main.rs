//! The project tasks that link gani's crates. `cargo xtask` runs them under the same names.

mod check_cuda;
mod header;
mod models;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::steps;

/// The tasks of gani that link its crates.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Regenerate include/gani.h and the committed models
    Regenerate {
        /// The folder with nets/
        assets: Option<PathBuf>,
    },
    /// Report the placement of every node of every graph by ONNX Runtime's CUDA provider
    CheckCuda,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Regenerate { assets } => header::write().and_then(|()| {
            assets.map_or(Ok(()), |assets| models::regenerate(&assets, &steps::root().join("models")))
        }),
        Task::CheckCuda => check_cuda::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
