//! Rewrites of a graph for an execution device: equivalent nodes that run faster, or that can be captured.

pub mod cuda;
mod rewrite;
mod winograd;

pub use winograd::winograd;
