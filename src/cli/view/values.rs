//! Values of properties, before and after, one to a line; what is JSON stands in several.

use serde_json::Value;

use super::{
    Text,
    report::{PropertyShown, ValuesShown},
};

/// A line, and whether it tells what was (`-`), what comes (`+`) or neither.
pub(super) struct Line {
    /// `-`, `+` or a blank.
    pub mark: char,
    /// What stands there, indented.
    pub text: String,
}

impl ValuesShown {
    /// The lines of all resources.
    pub(super) fn lines(&self) -> Vec<Line> {
        let plain = |text: String| Line { mark: ' ', text };
        let mut lines = Vec::new();
        for resource in &self.resources {
            lines.push(plain(format!("{} {}", resource.logical_id, resource.resource_type)));
            for property in &resource.properties {
                lines.extend((!property.path.is_empty()).then(|| plain(format!("  {}", property.path))));
                lines.extend(sides(property));
            }
        }
        lines.extend(self.missing.as_ref().map(|why| plain(why.to_string())));
        lines
    }
}

fn sides(property: &PropertyShown) -> impl Iterator<Item = Line> {
    let side = |mark, value: &Option<Text>| {
        let lines = value.as_ref().map(|v| spread(v.as_str())).unwrap_or_default();
        lines.into_iter().map(move |text| Line { mark, text: format!("    {text}") }).collect::<Vec<_>>()
    };
    side('-', &property.before).into_iter().chain(side('+', &property.after))
}

/// Objects and lists are spread over lines; what else there is stays as it is.
fn spread(value: &str) -> Vec<String> {
    let spread = serde_json::from_str::<Value>(value)
        .ok()
        .filter(|v| v.is_object() || v.is_array())
        .and_then(|v| serde_json::to_string_pretty(&v).ok());
    match spread {
        // Escapes of JSON are text again when they were read: cleaned line by line.
        Some(text) => text.lines().map(|line| Text::from(line).to_string()).collect(),
        None => vec![value.to_owned()],
    }
}
