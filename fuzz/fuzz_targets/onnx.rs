//! `.onnx` files. A graph that was read can be written, and the result can be read.
#![no_main]

use gani_onnx::read::ReadOptions;
use gani_onnx::write;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = ReadOptions::new().open_dimensions_as_one();
    let Ok(graph) = options.read_bytes("fuzz.onnx", data.to_vec(), None) else { return };
    let bytes = write::to_bytes(&graph).expect("a graph that was read can be written");
    ReadOptions::new().read_bytes("again.onnx", bytes, None).expect("a graph that was written can be read");
});
