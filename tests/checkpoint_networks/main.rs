//! Networks from official checkpoints: which keys are accepted, and what the networks compute, against PyTorch
//! (`tests/fixtures/networks.py`).

mod full;
mod keys;
mod parity;
mod weights;
