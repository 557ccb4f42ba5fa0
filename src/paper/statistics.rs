//! Numbers over seeds.

/// Mean and standard deviation of some numbers; the deviation of one number is 0.
pub fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, variance.sqrt())
}

/// The same in words: the spread only where there are several numbers.
pub fn shown(values: &[f64], places: usize) -> String {
    let (mean, std) = spread(values);
    if values.len() < 2 { format!("{mean:.places$}") } else { format!("{mean:.places$} ± {std:.places$}") }
}

/// The first place from which on all values stay below a limit; none if the last does not.
pub fn stays_below(points: &[(u64, f64)], limit: f64) -> Option<u64> {
    let first = points.iter().rposition(|(_, v)| v.is_nan() || *v >= limit).map_or(0, |i| i + 1);
    points.get(first).map(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_needs_several_numbers() {
        assert_eq!(spread(&[2.0]), (2.0, 0.0));
        assert_eq!(spread(&[1.0, 3.0]), (2.0, 2f64.sqrt()));
        assert_eq!((shown(&[2.0], 1), shown(&[1.0, 3.0], 2)), ("2.0".into(), "2.00 ± 1.41".into()));
    }

    #[test]
    fn a_value_that_comes_back_up_has_not_stayed_below() {
        let points = [(10, 5.0), (20, 1.0), (30, 4.0), (40, 1.5), (50, 1.0)];
        assert_eq!(stays_below(&points, 2.0), Some(40));
        assert_eq!(stays_below(&points, 6.0), Some(10));
        assert_eq!(stays_below(&points, 1.0), None);
        assert_eq!(stays_below(&[(10, f64::NAN)], 1.0), None);
        assert_eq!(stays_below(&[], 1.0), None);
    }
}
