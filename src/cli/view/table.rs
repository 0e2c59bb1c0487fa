//! Columns of text.

use anstyle::Style;

use super::style::PLAIN;

/// One cell; its width is that of the text without colour.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
}

impl<T: std::fmt::Display> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.to_string(), style: PLAIN }
    }
}

impl Cell {
    /// A cell in a style.
    #[must_use]
    pub fn styled(style: Style, text: impl std::fmt::Display) -> Self {
        Self { text: text.to_string(), style }
    }
}

/// Rows under each other, three spaces between the columns as kubectl does, each line behind `indent`.
#[must_use]
pub fn table(indent: &str, rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        let last = row.iter().rposition(|c| !c.text.is_empty()).map_or(0, |p| p + 1);
        for (place, (cell, width)) in row.iter().zip(&widths).take(last).enumerate() {
            let gap = if place + 1 == last { 0 } else { width.saturating_sub(cell.text.chars().count()) + 3 };
            line.push_str(&format!("{}{}{:#}", cell.style, cell.text, cell.style));
            line.extend(std::iter::repeat_n(' ', gap));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
