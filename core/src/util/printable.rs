//! Text from files, made safe for a terminal.

use std::borrow::Cow;

/// `text` with control characters escaped, except line breaks and tabs: a name in a file cannot send commands to the terminal, or hide
/// or reorder what is printed.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|c| match is_unsafe(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    });
    Cow::Owned(escaped.collect())
}

/// Control characters of ASCII and C1, and characters that change the direction of text.
fn is_unsafe(c: char) -> bool {
    let is_bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || is_bidi
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_text_is_not() {
        assert_eq!(printable("a\x1b[2Jb\u{9b}c\r\u{202e}d"), "a\\u{1b}[2Jb\\u{9b}c\\u{d}\\u{202e}d");
        assert!(matches!(printable("Lächeln 1.5 σ\n\tõ 笑"), Cow::Borrowed(_)));
    }
}
