//! What stays of a photo into which an edit is pasted.

use crate::{Error, Result};
use std::str::FromStr;

/// What an edit keeps of the photo inside the face's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// Everything that the edit does not change: hair, background, and the texture of skin.
    #[default]
    All,
    /// The same, but only around the face. The face itself is the generator's.
    Background,
    /// Nothing: the whole square is the generator's.
    None,
}

impl Keep {
    /// All values.
    pub const ALL: [Keep; 3] = [Keep::All, Keep::Background, Keep::None];

    /// The name: `all`, `background` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            Keep::All => "all",
            Keep::Background => "background",
            Keep::None => "none",
        }
    }
}

impl FromStr for Keep {
    type Err = Error;

    /// Parses a [`Keep::name`].
    fn from_str(text: &str) -> Result<Keep> {
        Keep::ALL.into_iter().find(|keep| keep.name() == text).ok_or_else(|| {
            Error::Input(format!(
                "\"{text}\" is not something to keep of the photo; use all, background or none"
            ))
        })
    }
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
