//! Hints that name command-line options, appended to errors of gani-core, which knows no command line.

use gani_core::{Error, Result};

/// Adds a hint to the error of a result.
pub trait Hint {
    /// Appends `text` to the message if the error is one that `applies` selects.
    fn hint(self, applies: fn(&Error) -> bool, text: &str) -> Self;
}

impl<T> Hint for Result<T> {
    fn hint(self, applies: fn(&Error) -> bool, text: &str) -> Self {
        self.map_err(|error| if applies(&error) { with_hint(error, text) } else { error })
    }
}

/// Selects [`Error::Input`].
pub fn input(error: &Error) -> bool {
    matches!(error, Error::Input(_))
}

/// Selects [`Error::Model`].
pub fn model(error: &Error) -> bool {
    matches!(error, Error::Model(_))
}

/// Selects [`Error::Unsupported`].
pub fn unsupported(error: &Error) -> bool {
    matches!(error, Error::Unsupported(_))
}

/// Selects [`Error::Runtime`].
pub fn runtime(error: &Error) -> bool {
    matches!(error, Error::Runtime(_))
}

/// The same variant with the hint on a line of its own. Other variants have no free text and stay unchanged.
fn with_hint(error: Error, text: &str) -> Error {
    let extend = |message: String| format!("{message}\n  hint: {text}");
    match error {
        Error::Input(message) => Error::Input(extend(message)),
        Error::Model(message) => Error::Model(extend(message)),
        Error::Unsupported(message) => Error::Unsupported(extend(message)),
        Error::Limits(message) => Error::Limits(extend(message)),
        Error::Runtime(message) => Error::Runtime(extend(message)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_added_to_the_selected_variant_only() {
        let fail = || Result::<()>::Err(Error::Unsupported("no detector".into()));
        let text = fail().hint(unsupported, "use --aligned").unwrap_err().to_string();
        assert_eq!(text, "no detector\n  hint: use --aligned");
        assert_eq!(fail().hint(input, "use --aligned").unwrap_err().to_string(), "no detector");
        let cancelled = Result::<()>::Err(Error::Cancelled).hint(|_| true, "x").unwrap_err();
        assert!(matches!(cancelled, Error::Cancelled));
    }
}
