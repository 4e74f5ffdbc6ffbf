//! The `gani` program as a library, for Python's entry point: parses the command line, runs one command, and converts its outcome to
//! an exit code.

mod args;
mod commands;
mod context;
mod faces;
mod hints;
mod photos;
mod progress;
mod report;
mod signals;

use args::{Arguments, Command};
use clap::Parser;
use context::{Context, Failure, message};
use std::ffi::OsString;

/// Runs the program. `arguments` begin with its name, as those of [`std::env::args_os`]. Returns the exit code: 0, 1 for errors, 2 for
/// wrong usage, 130 for cancellation. Ends the process after `--help`, `--version`, and arguments that cannot be parsed.
///
/// To be called once in a process: it installs a logger and handlers of panics and signals.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    std::panic::set_hook(Box::new(|panic| {
        message(&format!(
            "gani {} has a fault: {panic}\nThe files that were finished are complete. Please report this message, the command line \
             and, if you can, the photo where you got gani from.",
            env!("CARGO_PKG_VERSION")
        ));
    }));
    let Arguments { common, command } = Arguments::parse_from(arguments);
    if common.seed.file.is_some() && !matches!(command, Command::Gradient(_)) {
        return report(&Failure::Usage(
            "--seed takes a number; only `gani gradient` takes an .npy file".into(),
        ));
    }
    let context = match Context::new(common) {
        Ok(context) => context,
        Err(failure) => return report(&failure),
    };
    let outcome = match command {
        Command::Invert(args) => commands::invert::run(&context, &args),
        Command::Edit(args) => commands::edit::run(&context, &args),
        Command::Generate(args) => commands::generate::run(&context, &args),
        Command::Looks(args) => commands::looks::run(&context, &args),
        Command::Directions(args) => commands::directions::run(&context, &args),
        Command::Evaluate(args) => commands::evaluate::run(&context, &args),
        Command::Metrics(args) => commands::metrics::run(&context, &args),
        Command::Import(args) => commands::import::run(&context, &args),
        Command::Gradient(args) => commands::gradient::run(&context, &args),
        Command::Inspect(args) => commands::inspect::run(&context, &args),
        Command::Models(args) => commands::models::run(&context, &args),
        Command::Bench => commands::bench::run(&context),
        Command::Doctor => commands::doctor::run(&context),
        Command::Plugin(args) => commands::plugin::run(&context, &args),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Manual { folder } => commands::manual::run(&folder),
    };
    match outcome {
        Ok(()) => 0,
        Err(failure) => report(&failure),
    }
}

/// Prints the failure and returns the exit code.
fn report(failure: &Failure) -> u8 {
    match failure {
        Failure::SomeFailed => 1, // each error has been printed
        Failure::Error(gani_core::Error::Cancelled) => {
            message("cancelled; no incomplete files were left");
            130
        }
        Failure::Error(error) => {
            message(&format!("error: {error}"));
            1
        }
        Failure::Usage(text) => {
            message(&format!("error: {text}"));
            2
        }
    }
}
