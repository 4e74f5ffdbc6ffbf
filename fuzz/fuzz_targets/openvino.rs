//! OpenVINO IR. The input is the `.xml` up to the first zero byte, then the `.bin`.
#![no_main]

use gani_onnx::openvino;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    let (xml, bin) = data.split_at(end);
    if let Ok(xml) = std::str::from_utf8(xml) {
        let _ = openvino::from_parts("fuzz.xml", xml, bin.get(1..).unwrap_or_default());
    }
});
