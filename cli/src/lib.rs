//! What the command line shares with the project's own tasks: fetching through pip.

pub mod fetch;
