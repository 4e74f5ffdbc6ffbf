//! `gani completions SHELL`.

use crate::args::Arguments;
use crate::context::Outcome;
use clap::CommandFactory;

/// Prints the completion script for a shell.
pub fn run(shell: clap_complete::Shell) -> Outcome {
    clap_complete::generate(shell, &mut Arguments::command(), "gani", &mut std::io::stdout());
    Ok(())
}
