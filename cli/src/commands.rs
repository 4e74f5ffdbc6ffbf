//! The commands, one per file.

pub mod completions;
pub mod doctor;
pub mod edit;
pub mod generate;
pub mod import;
pub mod invert;
pub mod metrics;
pub mod models;
pub mod plugin;
