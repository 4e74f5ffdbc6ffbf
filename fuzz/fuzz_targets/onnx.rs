//! `.onnx` files. A graph that was read can be written, and the result can be read.
#![no_main]

use gani_onnx::{read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(graph) = read::from_bytes("fuzz.onnx", data.to_vec(), None, &[]) else { return };
    let bytes = write::to_bytes(&graph).expect("a graph that was read can be written");
    read::from_bytes("again.onnx", bytes, None, &[]).expect("a graph that was written can be read");
});
