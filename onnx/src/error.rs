//! The errors of this crate, by who can fix them.

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error. The text gives the cause, the place (file, op, node, shape) and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that the graph does not have, or passed values that do not fit.
    #[error("{0}")]
    Input(String),
    /// A file is invalid: truncated, inconsistent, or of an unsupported version.
    #[error("{0}")]
    Model(String),
    /// A valid model uses something that this crate does not support.
    #[error("{0}")]
    Unsupported(String),
    /// A file exceeds a size limit.
    #[error("{0}")]
    Limits(String),
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// The operation: "reading" or "writing".
        doing: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}
