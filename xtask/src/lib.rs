//! The steps that `xtask` and `xtask-dev` share.

pub mod steps;
