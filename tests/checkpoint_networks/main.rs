//! Networks from official checkpoints: the keys that are accepted, and their outputs against PyTorch
//! (`tests/fixtures/networks.py`).

mod full;
mod keys;
mod parity;
mod weights;
