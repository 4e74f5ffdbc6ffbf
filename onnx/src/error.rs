//! What can go wrong with a graph, by blame.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. The text names the cause, the place (file, op, node, shape) and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that the graph does not have, or passed values that do not fit.
    #[error("{0}")]
    Input(String),
    /// A file is not what it should be: truncated, inconsistent, of a wrong version.
    #[error("{0}")]
    Model(String),
    /// A valid model that uses something we have no rule for.
    #[error("{0}")]
    Unsupported(String),
    /// A file asks for more than the stated limit.
    #[error("{0}")]
    Limits(String),
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What was being done: "reading", "writing".
        doing: &'static str,
        /// The cause.
        source: std::io::Error,
    },
}
