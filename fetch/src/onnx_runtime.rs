//! Installation of the pinned ONNX Runtime.

use crate::{FetchError, Wheel, fetch_wheel, io_error, unpack};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// ONNX Runtime for Linux on x86-64. Pinned because its Linux binaries contain telemetry from 1.29 on.
///
/// The shared library does not depend on Python. The tags only select one build of the wheel.
pub const ONNX_RUNTIME: Wheel = Wheel {
    name: "onnxruntime",
    version: "1.28.0",
    sha256: "a166b78ee04f3a37fa1ef82034b6a3ce96d9684e582d4d30b296de83e9998bb5",
    build: &[
        "--implementation=cp",
        "--python-version=3.11",
        "--abi=cp311",
        "--platform=manylinux_2_28_x86_64",
        "--platform=manylinux_2_27_x86_64",
    ],
    megabytes: 18,
};

/// Prefix of temporary folders.
const TEMPORARY: &str = ".fetch-";

/// Installs the pinned ONNX Runtime into `folder` unless it is there, and returns the path of the library.
///
/// Each file is written to a temporary folder and renamed into place, the stamp last. An interrupted installation is
/// repeated by the next call, which removes what was left. A second process waits. Other files in the folder are not touched.
pub fn install_onnx_runtime(folder: &Path) -> Result<PathBuf, FetchError> {
    let library = folder.join("libonnxruntime.so");
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(unsupported_platform(folder));
    }
    let stamp = folder.join("onnxruntime.stamp");
    let wanted = ONNX_RUNTIME.requirement();
    let is_installed = || library.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted);
    if is_installed() {
        return Ok(library);
    }
    fs::create_dir_all(folder).map_err(io_error("create", folder))?;
    let _lock = lock_and_clean(folder)?;
    if is_installed() {
        return Ok(library); // by the process for which this one waited
    }
    let work = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(folder)
        .map_err(io_error("create a folder in", folder))?;
    let wheel = fetch_wheel(&ONNX_RUNTIME, work.path())?;
    let licenses = ["onnxruntime/LICENSE", "onnxruntime/ThirdPartyNotices.txt"];
    let is_library = |name: &str| name.starts_with("onnxruntime/capi/libonnxruntime.so");
    let files = unpack(&wheel, |name| is_library(name) || licenses.contains(&name), work.path())?;
    let mut libraries = 0;
    for file in &files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // The library's name must not contain its version; the license files must name their owner.
        let target = match name {
            "LICENSE" => folder.join("onnxruntime.LICENSE.txt"),
            "ThirdPartyNotices.txt" => folder.join("onnxruntime.ThirdPartyNotices.txt"),
            _ => {
                libraries += 1;
                library.clone()
            }
        };
        fs::rename(file, &target).map_err(io_error("write", &target))?;
    }
    if libraries != 1 {
        return Err(FetchError::Archive(format!(
            "{}: contains {libraries} files named libonnxruntime.so*, expected one",
            wheel.display()
        )));
    }
    let new_stamp = work.path().join("stamp");
    fs::write(&new_stamp, &wanted)
        .and_then(|()| fs::rename(&new_stamp, &stamp))
        .map_err(io_error("write", &stamp))?;
    Ok(library)
}

/// Locks the folder until the returned file is dropped, and removes the temporary folders of killed processes.
fn lock_and_clean(folder: &Path) -> Result<File, FetchError> {
    let lock = File::open(folder).map_err(io_error("open", folder))?;
    if let Err(error) = lock.lock() {
        log::debug!("{}: no locks, nothing is removed: {error}", folder.display());
        return Ok(lock);
    }
    for entry in fs::read_dir(folder).map_err(io_error("read", folder))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_dir_all(entry.path()).map_err(io_error("remove", &entry.path()))?;
        }
    }
    Ok(lock)
}

fn unsupported_platform(folder: &Path) -> FetchError {
    let name = match std::env::consts::OS {
        "windows" => "onnxruntime.dll",
        "macos" => "libonnxruntime.dylib",
        _ => "libonnxruntime.so",
    };
    FetchError::Unsupported(format!(
        "no ONNX Runtime is pinned for {} on {} yet\n  fix: put {name} of ONNX Runtime {} into {}, \
         or set ORT_DYLIB_PATH to its path",
        std::env::consts::ARCH,
        std::env::consts::OS,
        ONNX_RUNTIME.version,
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".fetch-dead");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("a.whl"), "half").unwrap();
        fs::write(folder.path().join(".mine"), "").unwrap();
        let lock = lock_and_clean(folder.path()).unwrap();
        assert!(!left.exists() && folder.path().join(".mine").exists());
        assert!(File::open(folder.path()).unwrap().try_lock().is_err(), "a second process would not wait");
        drop(lock);
    }
}
