//! Paths inside a cloud assembly: relative, normalised, and never outside it.

use std::fmt;

/// The most bytes that a path may have, both in an archive and in the tree.
pub(super) const MAX_PATH_BYTES: usize = 1024;

/// Why a text is not a path inside the assembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {text:?} {rule}")]
pub struct BadPath {
    /// The path as found, cut after 120 characters.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

fn bad(text: &str, rule: &'static str) -> BadPath {
    BadPath { text: text.chars().take(120).collect(), rule }
}

/// A normalised relative path: no empty, `.` or `..` component; the empty path is the root of the assembly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(String);

impl TreePath {
    /// The root of the assembly.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses the name of an archive entry; `./` and doubled slashes vanish, every `..` is refused.
    ///
    /// # Errors
    /// [`BadPath`] when the name is absolute, too long, holds `..`, a backslash or a control character.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        Self::root().join_checked(text, false)
    }

    /// Parses raw bytes as [`TreePath::parse`] does, and demands UTF-8.
    ///
    /// # Errors
    /// [`BadPath`] as above, or when the bytes are no UTF-8.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, BadPath> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| bad(&String::from_utf8_lossy(bytes), "is not valid UTF-8"))?;
        Self::parse(text)
    }

    /// The path that `relative` names when read from the directory `self`; `..` may climb, but not out of the assembly.
    ///
    /// # Errors
    /// [`BadPath`] when the result would lie outside the assembly or the text is no valid path.
    pub fn join(&self, relative: &str) -> Result<Self, BadPath> {
        self.join_checked(relative, true)
    }

    fn join_checked(&self, text: &str, climb: bool) -> Result<Self, BadPath> {
        if text.len() > MAX_PATH_BYTES {
            return Err(bad(text, "is longer than 1024 bytes"));
        }
        if text.starts_with('/') {
            return Err(bad(text, "is absolute"));
        }
        if text.contains('\\') {
            return Err(bad(text, "holds a backslash"));
        }
        if text.chars().any(char::is_control) {
            return Err(bad(text, "holds a control character"));
        }
        let mut parts: Vec<&str> = self.components().collect();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." if !climb => return Err(bad(text, "holds '..'")),
                ".." => {
                    parts.pop().ok_or_else(|| bad(text, "leads out of the assembly"))?;
                }
                name => parts.push(name),
            }
        }
        let joined = parts.join("/");
        if joined.len() > MAX_PATH_BYTES {
            return Err(bad(&joined, "is longer than 1024 bytes"));
        }
        Ok(Self(joined))
    }

    /// The least key of everything below a directory, given the directory with its slash.
    pub(super) fn from_sorted_prefix(prefix: String) -> Self {
        Self(prefix)
    }

    /// The text, with `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root of the assembly.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components in order; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|c| !c.is_empty())
    }

    /// The directory that holds this path; the root for the root itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or_else(String::new, |(dir, _)| dir.to_owned()))
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The rest of this path below `dir`, or `None` when it does not lie below it.
    #[must_use]
    pub fn below(&self, dir: &Self) -> Option<&str> {
        if dir.is_root() {
            return (!self.is_root()).then_some(&self.0);
        }
        self.0.strip_prefix(&dir.0)?.strip_prefix('/')
    }

    /// The asset directory (`asset.<hash>`) that this path lies in, itself excluded.
    #[must_use]
    pub fn asset_directory(&self) -> Option<Self> {
        let mut end = 0;
        for part in self.components() {
            end += part.len();
            if part.starts_with("asset.") {
                let dir = self.0.get(..end)?;
                return (end < self.0.len()).then(|| Self(dir.to_owned()));
            }
            end += 1;
        }
        None
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}
impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b", "a/b")]
    #[case("./a//b/./c/", "a/b/c")]
    #[case("./", "")]
    fn normalises(#[case] text: &str, #[case] want: &str) {
        assert_eq!(TreePath::parse(text).unwrap().as_str(), want);
    }

    #[rstest]
    #[case("/etc/passwd")]
    #[case("a/../b")]
    #[case("../x")]
    #[case("a\\b")]
    #[case("a\nb")]
    fn refuses(#[case] text: &str) {
        assert!(TreePath::parse(text).is_err());
    }

    #[test]
    fn joins_without_leaving() {
        let dir = TreePath::parse("assembly-Prod").unwrap();
        assert_eq!(dir.join("../asset.1").unwrap().as_str(), "asset.1");
        assert!(dir.join("../../x").is_err());
    }

    #[test]
    fn finds_the_asset_directory() {
        let of = |p: &str| TreePath::parse(p).unwrap().asset_directory().map(|d| d.as_str().to_owned());
        assert_eq!(of("asset.1/a/b").as_deref(), Some("asset.1"));
        assert_eq!(of("x/asset.1/a").as_deref(), Some("x/asset.1"));
        assert_eq!(of("asset.1"), None);
        assert_eq!(of("src/a"), None);
    }
}
