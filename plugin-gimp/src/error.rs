//! Why a procedure fails, as text for the user.

/// Why a procedure call produced no result. The image is unchanged.
#[derive(Debug)]
pub enum Error {
    /// The user cancelled the call.
    Cancelled,
    /// The call failed: cause and fix, as complete sentences.
    Failed(String),
}

/// The result of a step of a procedure call.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A panic in this plug-in.
    pub fn internal() -> Error {
        Error::Failed(
            "The gani plug-in failed with an internal error. Nothing was changed. Please report the messages that it \
             printed on standard error."
                .into(),
        )
    }

    /// GIMP returned NULL for `what`, such as "layer mask".
    pub fn missing(what: &str) -> Error {
        Error::Failed(format!("GIMP returned no {what}. The image may have been closed."))
    }
}

impl From<gani_core::Error> for Error {
    fn from(error: gani_core::Error) -> Error {
        match error {
            gani_core::Error::Cancelled => Error::Cancelled,
            other => Error::Failed(sentence(&other.to_string())),
        }
    }
}

/// A message of gani-core as a sentence: with an initial capital and a full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}
