//! The crate's error type. The variants distinguish who can fix the problem.

use std::path::{Path, PathBuf};

/// An error. The message says what failed, why, and how to fix it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid input: a photo without a face, a value out of range, an unknown name.
    #[error("{0}")]
    Input(String),
    /// A network, bundle or inversion file is damaged, or does not match its manifest.
    #[error("{0}")]
    Model(String),
    /// Valid, but not supported by gani.
    #[error("{0}")]
    Unsupported(String),
    /// Larger than gani's limit. The message contains the size and the limit.
    #[error("{0}")]
    Limits(String),
    /// A failure of ONNX Runtime or the device: a missing library, a missing GPU, a failed run.
    #[error("{0}")]
    Runtime(String),
    /// A file operation failed.
    #[error("{doing} {}: {source}{}", path.display(), fix(source))]
    Io {
        /// The operation: "reading", "writing", "renaming".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The user cancelled. No partial result is left behind.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Converts the error of a file operation, for `map_err`: `fs::read(p).map_err(Error::io("reading", p))`.
    pub fn io<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> Error + 'p {
        move |source| Error::Io { doing, path: path.to_owned(), source }
    }
}

/// A fix for an operating system error, if the error's message does not make it obvious.
fn fix(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space, or choose another folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; change the permissions, or choose another folder"
        }
        ErrorKind::NotFound => "; check the path",
        ErrorKind::NotADirectory => "; part of the path is a file; choose another path",
        _ => "",
    }
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<gani_onnx::Error> for Error {
    fn from(error: gani_onnx::Error) -> Error {
        match error {
            gani_onnx::Error::Input(text) => Error::Input(text),
            gani_onnx::Error::Unsupported(text) => Error::Unsupported(text),
            gani_onnx::Error::Limits(text) => Error::Limits(text),
            gani_onnx::Error::Io { path, doing, source } => Error::Io { path, doing, source },
            other => Error::Model(other.to_string()),
        }
    }
}
