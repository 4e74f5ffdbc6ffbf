//! Gradients of random graphs.
#![no_main]

#[path = "gradient/check.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check::check(data));
