//! Reports: what a tuned generator can still do, how fast this machine is, what a file holds, plots.

pub mod bench;
pub mod evaluation;
pub mod graphs;
pub mod inspect;
pub mod plot;
