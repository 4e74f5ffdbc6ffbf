//! Inversion files (safetensors with a JSON header). A file that opens can be saved, and opens again with the same shapes.
#![no_main]

use gani_core::inversion::Inversion;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable");
    let path = folder.path().join("fuzz.safetensors");
    std::fs::write(&path, data).expect("the input can be written");
    let Ok(first) = Inversion::open(&path) else { return };
    first.save(&path).expect("an inversion that was read can be written");
    let second = Inversion::open(&path).expect("an inversion that was written can be read");
    assert_eq!(first.ws.dim(), second.ws.dim());
    assert_eq!(first.changes.len(), second.changes.len());
});
