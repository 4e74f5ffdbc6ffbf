//! Optimizers on the CPU: Adam for latents and noise maps, Ranger for the modules' parameters ψ.
//!
//! The generator's weights are updated on the device instead, by [`crate::invert::weight_optimizer`].

pub mod adam;
pub mod ranger;
