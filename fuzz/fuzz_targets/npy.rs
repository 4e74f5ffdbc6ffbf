//! `.npy` bytes, and the same bytes as the `.npz` of directions.
#![no_main]

use gani_core::bundle::Directions;
use gani_core::util::npy::{NpyArray, Npz};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(array) = NpyArray::parse("fuzz", data) {
        let _ = array.rows("fuzz");
    }
    if !data.starts_with(b"PK") {
        return;
    }
    let path = std::path::PathBuf::from(format!("/dev/shm/gani-fuzz-{}.npz", std::process::id()));
    std::fs::write(&path, data).unwrap();
    if let Ok(mut npz) = Npz::open(&path) {
        for name in npz.names().to_vec() {
            let _ = npz.array(&name);
        }
    }
    let _ = Directions::read(&path);
});
