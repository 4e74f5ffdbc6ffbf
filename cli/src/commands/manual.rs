//! `gani manual DIR`.

use crate::args::Arguments;
use crate::context::Outcome;
use clap::CommandFactory;
use gani_core::Error;
use std::path::Path;

/// Writes a manual page for the program and one for each command.
pub fn run(folder: &Path) -> Outcome {
    Ok(clap_mangen::generate_to(Arguments::command(), folder).map_err(Error::io("writing into", folder))?)
}
