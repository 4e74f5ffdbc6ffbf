//! Optimizers on the CPU: Adam for latents and noise maps, Ranger for the parameters ψ of the gradient modification modules.
//!
//! The generator's weights are optimized on the device by [`crate::invert::weight_optimizer`] instead.

pub mod adam;
pub mod ranger;
