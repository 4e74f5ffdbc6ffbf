//! The `gani` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(gani_cli::run(std::env::args_os()))
}
