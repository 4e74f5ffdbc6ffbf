//! Images of every format, through `Photo`: read, and written as PNG.
#![no_main]

use gani_core::Photo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = std::path::PathBuf::from(format!("/dev/shm/gani-fuzz-{}.img", std::process::id()));
    std::fs::write(&path, data).unwrap();
    if let Ok(photo) = Photo::open(&path) {
        // A small file can hold a large image, which takes too long for this loop.
        if u64::from(photo.width()) * u64::from(photo.height()) < 1 << 20 {
            let _ = photo.save(path.with_extension("png"));
        }
    }
});
