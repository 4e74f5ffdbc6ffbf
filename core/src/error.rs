//! One error type for the whole crate, its variants sorted by who can mend the matter.

use std::path::{Path, PathBuf};

/// Why gani could not do what was asked. Every text says what failed, why, and what helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What the user gave cannot be used: a picture without a face, a value out of range, an unknown name.
    #[error("{0}")]
    Input(String),
    /// A network, bundle or inversion file is damaged or does not fit its description.
    #[error("{0}")]
    Model(String),
    /// Well formed, but gani does not do this.
    #[error("{0}")]
    Unsupported(String),
    /// Larger than gani is willing to handle; the text holds the size met and the limit.
    #[error("{0}")]
    Limits(String),
    /// ONNX Runtime or the device: a missing library, a missing GPU, a failed run.
    #[error("{0}")]
    Runtime(String),
    /// The file system refused.
    #[error("{doing} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was being done: "reading", "writing", "renaming".
        doing: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The user asked to stop; nothing half done is left behind.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// For `map_err` on a file operation: `fs::read(p).map_err(Error::io("reading", p))`.
    pub fn io<'p>(doing: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> Error + 'p {
        move |source| Error::Io { doing, path: path.to_owned(), source }
    }
}

/// What helps against what the operating system said, where that is not plain from the message.
fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space there, or name another place",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; change the permissions, or name another place"
        }
        ErrorKind::NotFound => "; check the path",
        ErrorKind::NotADirectory => "; part of the path is a file, name another place",
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
