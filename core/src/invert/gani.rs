//! The method of the paper: gradient modification modules ([`modules`], Eq. 2–4) and their training ([`tuner`]).

pub mod modules;
pub mod tuner;
