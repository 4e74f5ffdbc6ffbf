//! Plain pickles that contain tensors (NVlabs `.pkl`).
#![no_main]

use gani_onnx::checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.pt", data.to_vec()) else { return };
    for key in checkpoint.keys() {
        let _ = checkpoint.get(key);
    }
});
