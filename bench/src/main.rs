//! gani's side of the comparison with PyTorch: the times of the parts of a tuning step, and how long an inversion takes to
//! come near its photo. `bench/run.py` runs it and the peers in turn; see `bench/README.md`.

mod reach;
mod step;

use clap::{Parser, Subcommand};
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use std::process::ExitCode;

/// Measures gani; prints one JSON object.
#[derive(Parser)]
struct Arguments {
    /// Threads of the processor
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Where to run: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, default_value = "cpu")]
    device: DeviceChoice,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The parts of a tuning step
    Step(step::Arguments),
    /// LPIPS against time, from the encoder's latent
    Reach(reach::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options =
        RuntimeOptions { threads: arguments.threads, device: arguments.device, ..RuntimeOptions::default() };
    let done = Runtime::load(&options).map_err(Into::into).and_then(|runtime| match arguments.what {
        What::Step(a) => step::run(&runtime, &a),
        What::Reach(a) => reach::run(runtime, &a),
    });
    match done {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Any error, for one message.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
