//! Counts in words: `1 sample`, `2 samples`.

/// A number and what it counts, in the singular or in the plural.
#[must_use]
pub fn counted(count: usize, singular: &str) -> String {
    format!("{count} {}", noun(count, singular))
}

/// What so many of it are called.
#[must_use]
pub fn noun(count: usize, singular: &str) -> String {
    if count == 1 {
        return singular.to_owned();
    }
    match singular.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if singular.ends_with(['s', 'x']) => format!("{singular}es"),
        _ => format!("{singular}s"),
    }
}

/// The form of a verb that goes with a number.
#[must_use]
pub fn verb<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_all_else_plural() {
        assert_eq!(
            ["sample", "class", "entry", "day"].map(|of| counted(1, of)),
            ["1 sample", "1 class", "1 entry", "1 day"]
        );
        assert_eq!(
            ["sample", "class", "entry", "day"].map(|of| counted(2, of)),
            ["2 samples", "2 classes", "2 entries", "2 days"]
        );
        assert_eq!(counted(0, "held-out image"), "0 held-out images");
        assert_eq!([0, 1, 2].map(|n| verb(n, "is", "are")), ["are", "is", "are"]);
    }
}
