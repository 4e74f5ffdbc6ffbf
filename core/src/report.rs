//! Reports: quality of tuned generators, speed of this machine, content of files, plots.

pub mod bench;
pub mod evaluation;
pub mod graphs;
pub mod inspect;
pub mod plot;
