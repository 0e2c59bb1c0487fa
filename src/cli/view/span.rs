//! Code spans of markdown: whatever comes from elsewhere stands in one.

/// A code span in a table: a pipe would end the cell, even there.
pub(super) fn cell(text: impl std::fmt::Display) -> String {
    code(text).replace('|', r"\|")
}

/// A code span: longer fences than any run of backticks inside.
pub(super) fn code(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A code block in a language.
pub(super) fn block(language: &str, text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{cell, code};

    #[test]
    fn nothing_gets_out_of_a_code_span() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("``` x"), "```` ``` x ````");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(cell("a|b"), r"`a\|b`");
        assert_eq!(code(" "), "");
    }

    proptest::proptest! {
        /// By CommonMark a span ends at the first run of backticks that is as long as the one that began it.
        #[test]
        fn a_span_ends_where_it_should(text in "[a-z`| \\\\]{1,40}") {
            proptest::prop_assume!(!text.trim().is_empty());
            let span = code(&text);
            let fence = span.chars().take_while(|c| *c == '`').count();
            let inner = &span[fence..span.len() - fence];
            proptest::prop_assert!(inner.split(|c| c != '`').all(|run| run.len() != fence));
            proptest::prop_assert!(!inner.starts_with('`') && !inner.ends_with('`'));
        }
    }
}
