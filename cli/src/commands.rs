//! The commands, one per file.

pub mod bench;
pub mod completions;
pub mod directions;
pub mod doctor;
pub mod edit;
pub mod evaluate;
pub mod generate;
pub mod gradient;
pub mod import;
pub mod inspect;
pub mod invert;
pub mod looks;
pub mod manual;
pub mod metrics;
pub mod models;
pub mod plugin;
