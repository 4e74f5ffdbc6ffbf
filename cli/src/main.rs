//! The `gani` program: reads the command line, runs one command, turns its outcome into an exit code.

mod args;
mod commands;
mod context;
mod photos;
mod progress;
mod report;

use args::{Arguments, Command};
use clap::Parser;
use context::{Context, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Arguments { common, command } = Arguments::parse();
    let context = match Context::new(common) {
        Ok(context) => context,
        Err(failure) => return report(&failure),
    };
    let done = match command {
        Command::Invert(args) => commands::invert::run(&context, &args),
        Command::Edit(args) => commands::edit::run(&context, &args),
        Command::Generate(args) => commands::generate::run(&context, &args),
        Command::Evaluate(args) => commands::evaluate::run(&context, &args),
        Command::Metrics(args) => commands::metrics::run(&context, &args),
        Command::Import(args) => commands::import::run(&context, &args),
        Command::Inspect(args) => commands::inspect::run(&context, &args),
        Command::Models(args) => commands::models::run(&context, &args),
        Command::Doctor => commands::doctor::run(&context),
        Command::Plugin(args) => commands::plugin::run(&context, &args),
        Command::Completions { shell } => commands::completions::run(shell),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Exit codes: 1 some failed, 2 usage, 130 cancelled.
fn report(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Some => ExitCode::from(1), // each was reported where it happened
        Failure::Error(gani_core::Error::Cancelled) => {
            eprintln!("cancelled; nothing half-written was left");
            ExitCode::from(130)
        }
        Failure::Error(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
        Failure::Usage(text) => {
            eprintln!("error: {text}");
            ExitCode::from(2)
        }
    }
}
