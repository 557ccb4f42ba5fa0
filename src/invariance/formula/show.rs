//! A place in a formula, shown to a person.

use std::fmt;
use std::ops::Range;

/// Characters of a line that are shown around a place.
const WINDOW: usize = 96;

/// What is wrong with a formula, and where. It prints as the problem, the line of the formula, and a
/// line with carets under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormulaError {
    /// What is wrong, and what would be right.
    pub problem: String,
    /// The whole formula.
    pub text: String,
    /// The bytes of the formula that are meant.
    pub at: Range<usize>,
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.problem, marked(&self.text, &self.at))
    }
}

/// The line of `text` that holds the place, and under it carets, both indented by two.
pub(super) fn marked(text: &str, at: &Range<usize>) -> String {
    let start = (0..=at.start.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].split('\n').next().unwrap_or_default();
    // What a terminal would not show as one column becomes a space.
    let shown: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = text[line_start..start].chars().count();
    let length = text[start..].char_indices().take_while(|(i, c)| start + i < at.end && *c != '\n').count();

    // A long line is cut around the place.
    let from = if shown.len() <= WINDOW { 0 } else { column.saturating_sub(WINDOW / 3) };
    let to = shown.len().min(from + WINDOW);
    let ends = [if from > 0 { "..." } else { "" }, if to < shown.len() { "..." } else { "" }];
    let excerpt: String = shown[from.min(to)..to].iter().collect();
    let indent = " ".repeat(ends[0].len() + column - from);
    let carets = "^".repeat(length.clamp(1, (to.max(column + 1)) - column));
    format!("  {}{excerpt}{}\n  {indent}{carets}", ends[0], ends[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, at: Range<usize>) -> String {
        marked(text, &at)
    }

    #[test]
    fn carets_stand_under_the_place() {
        assert_eq!(show("mean(y)", 5..6), "  mean(y)\n       ^");
        assert_eq!(show("mean(y", 6..6), "  mean(y\n        ^");
        assert_eq!(show("", 0..0), "  \n  ^");
        // The line of it, characters rather than bytes, tabs as one column.
        assert_eq!(show("let a = 1;\n\tµ + b\n", 17..18), "   µ + b\n       ^");
        // Past the end of a line, and within a character.
        assert_eq!(show("ab\ncd", 1..5), "  ab\n   ^");
        assert_eq!(show("µ", 1..2), "  µ\n  ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}{}", "1 + ".repeat(100), "bad + 2".repeat(20));
        let shown = show(&text, 400..403);
        let (line, carets) = shown.split_once('\n').unwrap_or_default();
        assert!(line.starts_with("  ...") && line.ends_with("...") && line.len() < 110, "{line}");
        let column = carets.find('^').unwrap_or_default();
        assert_eq!((&line[column..column + 3], carets.trim()), ("bad", "^^^"));
        for place in [text.len()..text.len(), 0..text.len(), 300..text.len()] {
            let shown = show(&text, place);
            assert!(shown.lines().all(|l| l.len() < 110), "{shown}");
        }
    }
}
