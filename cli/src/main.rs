//! The `gani` program: parses the command line, runs one command, and converts its outcome to an exit code.

mod args;
mod commands;
mod context;
mod faces;
mod hints;
mod photos;
mod progress;
mod report;

use args::{Arguments, Command};
use clap::Parser;
use context::{Context, Failure};
use gani_core::util::printable::printable;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let context = match Context::new(common) {
        Ok(context) => context,
        Err(failure) => return report(&failure),
    };
    let outcome = match command {
        Command::Invert(args) => commands::invert::run(&context, &args),
        Command::Edit(args) => commands::edit::run(&context, &args),
        Command::Generate(args) => commands::generate::run(&context, &args),
        Command::Directions(args) => commands::directions::run(&context, &args),
        Command::Evaluate(args) => commands::evaluate::run(&context, &args),
        Command::Metrics(args) => commands::metrics::run(&context, &args),
        Command::Import(args) => commands::import::run(&context, &args),
        Command::Inspect(args) => commands::inspect::run(&context, &args),
        Command::Models(args) => commands::models::run(&context, &args),
        Command::Bench => commands::bench::run(&context),
        Command::Doctor => commands::doctor::run(&context),
        Command::Plugin(args) => commands::plugin::run(&context, &args),
        Command::Completions { shell } => commands::completions::run(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Prints the failure. Exit codes: 1 for errors, 2 for wrong usage, 130 for cancellation.
fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::SomeFailed => ExitCode::from(1), // each error has been printed
        Failure::Error(gani_core::Error::Cancelled) => {
            eprintln!("cancelled; no incomplete files were left");
            ExitCode::from(130)
        }
        Failure::Error(error) => {
            eprintln!("error: {}", printable(&error.to_string()));
            ExitCode::from(1)
        }
        Failure::Usage(text) => {
            eprintln!("error: {text}");
            ExitCode::from(2)
        }
    }
}
