//! Text of others, made safe to show: names, reasons and warnings come from templates and annotations of tenants.

use serde::Serialize;

/// Text without anything that moves a cursor, hides, or turns round what stands beside it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: AsRef<str>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(text.as_ref().chars().map(shown).collect())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// What is replaced stays visible as `�`: two texts that differ do not look the same.
fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Format characters, separators of lines and paragraphs, and tags (Unicode categories Cf, Zl, Zp).
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x0600..=0x0605 | 0x061C | 0x06DD | 0x070F | 0x0890..=0x0891 | 0x08E2 | 0x180E
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB
        | 0x110BD | 0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(
            Text::from("a\u{1b}[31mred\u{9b}2J\u{7}\nb").as_str(),
            "a\u{fffd}[31mred\u{fffd}2J\u{fffd} b"
        );
        assert_eq!(Text::from("user\u{202e}nimda\u{200b}").as_str(), "user\u{fffd}nimda\u{fffd}");
        assert_eq!(Text::from("Größe → 3 µs").as_str(), "Größe → 3 µs");
    }

    proptest::proptest! {
        #[test]
        fn whatever_it_is(text in "\\PC*|.*") {
            let text = Text::from(text);
            proptest::prop_assert!(!text.as_str().chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
