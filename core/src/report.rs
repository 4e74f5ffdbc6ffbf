//! Reports: what is installed, quality of tuned generators, speed of this machine, content of files, plots.

pub mod about;
pub mod bench;
pub mod evaluation;
pub mod graphs;
pub mod inspect;
pub mod plot;
