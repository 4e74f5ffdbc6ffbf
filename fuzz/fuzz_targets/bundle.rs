//! Bundles. The input is the manifest up to the first zero byte, then the content of every other file of the bundle.
#![no_main]

use gani_core::bundle::Bundle;
use libfuzzer_sys::fuzz_target;

/// The files that the manifest of the seeds names.
const FILES: [&str; 5] = ["generator.onnx", "mapping.onnx", "w_avg.npy", "directions.npz", "loss.onnx"];

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    let (manifest, rest) = data.split_at(end);
    let folder = tempfile::tempdir_in("/dev/shm").expect("/dev/shm is writable");
    std::fs::write(folder.path().join("bundle.toml"), manifest).expect("the manifest can be written");
    for name in FILES {
        std::fs::write(folder.path().join(name), rest.get(1..).unwrap_or_default())
            .expect("a file can be written");
    }
    let Ok(bundle) = Bundle::open_folder(folder.path()) else { return };
    let _ = bundle.verify(|_| ());
    let _ = bundle.domain();
    let _ = bundle.generator();
    let _ = bundle.w_avg();
    let _ = bundle.directions();
    let _ = bundle.losses(64);
});
