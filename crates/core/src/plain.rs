//! Text of others, made safe to show: names, paths and messages come from templates and annotations of tenants, and a line of theirs is
//! not to look like one of ours.

/// The text on one line, without anything that moves a cursor, hides, or turns round what stands beside it. What is replaced stays
/// visible as `�`: nobody takes it for nothing.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(shown).collect()
}

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
        assert_eq!(plain("a\u{1b}[31mred\u{9b}2J\u{7}\nb"), "a\u{fffd}[31mred\u{fffd}2J\u{fffd} b");
        assert_eq!(plain("user\u{202e}nimda\u{200b}"), "user\u{fffd}nimda\u{fffd}");
        assert_eq!(plain("Größe → 3 µs"), "Größe → 3 µs");
    }

    proptest::proptest! {
        #[test]
        fn whatever_it_is(text in "\\PC*|.*") {
            let text = plain(&text);
            proptest::prop_assert!(!text.chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
