//! The networks of `random-face`, the source of the bundle `ffhq-1024`.

use crate::{FetchError, Wheel, fetch_wheel, io_error, unpack};
use std::fs;
use std::path::Path;

/// MobileStyleGAN distilled from StyleGAN2-FFHQ, 1024 px, as OpenVINO IR: the source of `ffhq-1024`.
pub const RANDOM_FACE: Wheel = Wheel {
    name: "random-face",
    version: "2021.7.21.1",
    sha256: "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    build: &[],
    megabytes: 38,
};

/// The files of [`RANDOM_FACE`] that the bundle is built from, by their names inside the wheel.
pub const RANDOM_FACE_FILES: [&str; 4] = [
    "random_face/data/MappingNetwork.xml",
    "random_face/data/MappingNetwork.bin",
    "random_face/data/SynthesisNetwork.xml",
    "random_face/data/SynthesisNetwork.bin",
];

/// Downloads [`RANDOM_FACE_FILES`] into the existing folder `into`.
///
/// `into` should be a temporary folder: the files are not needed once the bundle is built.
pub fn fetch_random_face(into: &Path) -> Result<(), FetchError> {
    let wheel = fetch_wheel(&RANDOM_FACE, into)?;
    let files = unpack(&wheel, |name| RANDOM_FACE_FILES.contains(&name), into)?;
    if files.len() != RANDOM_FACE_FILES.len() {
        return Err(FetchError::Archive(format!(
            "{}: contains {} of the {} expected files: {}",
            wheel.display(),
            files.len(),
            RANDOM_FACE_FILES.len(),
            RANDOM_FACE_FILES.join(", ")
        )));
    }
    fs::remove_file(&wheel).map_err(io_error("remove", &wheel))
}
