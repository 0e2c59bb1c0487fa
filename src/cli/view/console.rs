//! Links to the console.

use super::Text;

/// A link, if it is nothing but one: https, and no character that would end it early in text, markdown or HTML.
#[must_use]
pub fn link(url: Option<&Text>) -> Option<&str> {
    let url = url?.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&*+,;=%".contains(c);
    (url.starts_with("https://") && url.chars().all(fits)).then_some(url)
}
