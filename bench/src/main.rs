//! gani's side of the comparison with PyTorch: the time of each part of a tuning step, and the time until an inversion reaches a
//! given LPIPS. `bench/run.py` runs it alternately with the PyTorch programs; see `bench/README.md`.

mod reach;
mod step;

use clap::{Parser, Subcommand};
use gani_core::runtime::{DeviceChoice, Runtime, RuntimeOptions};
use std::process::ExitCode;

/// Measures gani and prints one JSON object.
#[derive(Parser)]
struct Arguments {
    /// CPU threads; 0: all cores
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Device: auto, cpu, cuda or cuda:N
    #[arg(long, global = true, default_value = "cpu")]
    device: DeviceChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Times a part of a tuning step
    Step(step::Arguments),
    /// Records LPIPS over time, from the encoder's latent on
    Reach(reach::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options =
        RuntimeOptions { threads: arguments.threads, device: arguments.device, ..RuntimeOptions::default() };
    let result = Runtime::load(&options).map_err(Into::into).and_then(|runtime| match arguments.command {
        Command::Step(arguments) => step::run(&runtime, &arguments),
        Command::Reach(arguments) => reach::run(runtime, &arguments),
    });
    match result {
        Ok(measurements) => {
            println!("{measurements}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The error can be of any type; it is only printed.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
