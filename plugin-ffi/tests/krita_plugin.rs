//! Runs the Python tests of the Krita plug-in against the library that cargo built: the ctypes declarations match
//! `include/gani.h`, and an image becomes an edited layer.
#![cfg(unix)]
#![allow(missing_docs)]

use std::path::Path;
use std::process::Command;

#[test]
fn the_krita_plug_in_matches_the_header_and_edits_an_image() {
    let plug_in = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("plugin-krita");
    let name = format!("{}gani{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let cache = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.args(["-m", "unittest", "discover", "-s", "tests"]).current_dir(&plug_in);
    python.env("PYTHONPATH", plug_in.join("pykrita")).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("GANI_LIBRARY", std::env::current_exe().unwrap().with_file_name(name));
    python.env("XDG_CACHE_HOME", cache.path());
    let output = python
        .output()
        .unwrap_or_else(|e| panic!("{python:?}: {e}; the plug-in's tests need Python 3.8 or later"));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !messages.contains("Ran 0 tests"), "{messages}");
}
