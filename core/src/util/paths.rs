//! The location of gani itself. ONNX Runtime and models are searched for beside it.

use std::path::PathBuf;
use std::sync::OnceLock;

static OWN_FILE: OnceLock<PathBuf> = OnceLock::new();
static LIBRARY_FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Declares that gani is the shared library `file` in the process of a host program. Only the first call has an effect.
pub fn set_own_file(file: PathBuf) {
    OWN_FILE.get_or_init(|| file);
}

/// The shared library set by [`set_own_file`], else the executable of this process.
pub fn own_file() -> Option<PathBuf> {
    OWN_FILE.get().cloned().or_else(|| std::env::current_exe().ok())
}

/// Declares a folder with ONNX Runtime, which is searched before all others. Only the first call has an effect.
pub fn set_library_folder(folder: PathBuf) {
    LIBRARY_FOLDER.get_or_init(|| folder);
}

/// The folder set by [`set_library_folder`].
pub fn library_folder() -> Option<PathBuf> {
    LIBRARY_FOLDER.get().cloned()
}
