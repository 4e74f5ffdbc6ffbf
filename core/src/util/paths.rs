//! Where gani itself is installed. ONNX Runtime and models are searched for next to it.

use std::path::PathBuf;
use std::sync::OnceLock;

static OWN_FILE: OnceLock<PathBuf> = OnceLock::new();

/// Declares that gani is the shared library `file` and not the executable of the process, which then belongs to a host
/// program. Only the first call has an effect.
pub fn set_own_file(file: PathBuf) {
    OWN_FILE.get_or_init(|| file);
}

/// The executable of this process, or the shared library that [`set_own_file`] named.
pub fn own_file() -> Option<PathBuf> {
    OWN_FILE.get().cloned().or_else(|| std::env::current_exe().ok())
}
