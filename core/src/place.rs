//! Where gani itself lies on disk: ONNX Runtime and models are looked for beside it.

use std::path::PathBuf;
use std::sync::OnceLock;

static FILE: OnceLock<PathBuf> = OnceLock::new();

/// Says that gani is the shared library `file`, not the executable, which then is its host's. The first call counts.
pub fn set_own_file(file: PathBuf) {
    FILE.get_or_init(|| file);
}

/// The executable, or the shared library that [`set_own_file`] named.
pub fn own_file() -> Option<PathBuf> {
    FILE.get().cloned().or_else(|| std::env::current_exe().ok())
}
