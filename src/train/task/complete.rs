//! What a target leaves open, and what it cannot ask for.

use super::Task;
use crate::error::{Error, Result};
use crate::invariance::Property;

/// Part by which two numbers of one share may differ: what a table's digits leave out.
const SAME_SHARE: f32 = 1e-3;

impl Task {
    /// Refuses numbers that no image can have.
    ///
    /// # Errors
    /// Names `origin`, the number and what is possible.
    pub fn check(&self, target: &[Option<f32>], origin: &str) -> Result<()> {
        for (column, value) in self.columns.iter().zip(target) {
            let (low, high) = column.possible;
            if let Some(v) = value.filter(|&v| !(low..=high).contains(&f64::from(v))) {
                let (low, high) = (low as f32, high as f32);
                let unit = if column.unit.is_empty() { String::new() } else { format!(" {}", column.unit) };
                return Err(Error::usage(format!(
                    "{origin}: {} = {v} is impossible: it is from {low} to {high}{unit}",
                    column.name
                )));
            }
        }
        Ok(())
    }

    /// Fills the numbers that a target leaves open. `row` comes from the distribution of the data; it
    /// is sample `index` of a seed.
    ///
    /// What is independent keeps the row's numbers. Numbers that hang together come from one of the images that are
    /// nearest in what is given, and follow it from there; what is given stays as it is given.
    ///
    /// # Errors
    /// If the numbers given cannot be; `origin` is named.
    pub fn complete(
        &self,
        target: &[Option<f32>],
        row: &mut [f32],
        (seed, index): (u64, usize),
        origin: &str,
    ) -> Result<()> {
        self.check(target, origin)?;
        let target =
            &self.agreed(target).map_err(|problem| Error::usage(format!("{origin}: {problem}")))?[..];
        let open = |(property, first): (&Property, usize)| {
            let count = property.columns().len();
            property.invariance().joint() && target[first..first + count].iter().any(Option::is_none)
        };
        if self.needs_table() && target.iter().any(Option::is_some) && self.placed().any(open) {
            row.copy_from_slice(self.nearest(target, seed, index));
        }
        for (property, first) in self.placed() {
            let columns = first..first + property.columns().len();
            property
                .invariance()
                .complete(&target[columns.clone()], &mut row[columns])
                .map_err(|problem| Error::usage(format!("{origin}: {problem}")))?;
        }
        Ok(())
    }

    /// The target with a share that one number of a class gives in its other numbers too.
    fn agreed(&self, target: &[Option<f32>]) -> Result<Vec<Option<f32>>, String> {
        let mut agreed = target.to_vec();
        for (number, class) in self.all_shares() {
            let Some(given) = target[number] else { continue };
            for (other, _) in self.all_shares().filter(|&(other, its)| its == class && other != number) {
                let same = self.same_share(number, given, other);
                match target[other] {
                    None => agreed[other] = Some(same),
                    Some(v) if (v - same).abs() <= SAME_SHARE * same.abs().max(v.abs()) => {}
                    Some(v) => {
                        let [a, b] = [number, other].map(|i| &self.columns[i].name);
                        return Err(format!(
                            "{a} = {given} and {b} = {v} are impossible together: both say what class {class} fills"
                        ));
                    }
                }
            }
        }
        Ok(agreed)
    }

    /// What number `other` is where number `at`, a share of the same class, is `value`.
    fn same_share(&self, at: usize, value: f32, other: usize) -> f32 {
        let count = self.columns.len();
        let mut row = vec![0.0; count];
        row[at] = value;
        let share = self.normalised(&row)[at];
        self.in_units(&vec![share; count])[other]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::train::Config;

    #[test]
    fn open_numbers_come_from_an_image_that_has_those_given() {
        let mut config = Config::preset("two-phase-p2").unwrap();
        config.set("bins=2", "test").unwrap();
        let rows: Vec<f32> = (0..64).flat_map(|i| [0.2 + 0.01 * i as f32, 0.1 + 0.005 * i as f32]).collect();
        let task = Task::of(&config, "test").unwrap().with_table(&rows).unwrap();
        let mut row = [0.0; 2];
        task.complete(&[Some(0.4), None], &mut row, (1, 0), "--target").unwrap();
        assert!((row[0] - 0.4).abs() < 1e-6 && (row[1] - 0.2).abs() < 1e-6, "{row:?}");
        task.complete(&[Some(0.4), Some(0.3)], &mut row, (1, 0), "--target").unwrap();
        assert_eq!(row, [0.4, 0.3]);
        // What no row has is asked for as it is given, and what is open comes along.
        task.complete(&[None, Some(0.1612)], &mut row, (1, 0), "--target").unwrap();
        assert!(row[1] == 0.1612 && (row[0] - 0.3212).abs() < 1e-6, "{row:?}");
        let problem = task.complete(&[Some(0.4), Some(0.6)], &mut row, (1, 0), "--target").unwrap_err();
        let wanted = "--target: a correlation of 0.6 at distance 1 is impossible where the class fills 0.4: it is from 0 to 0.4";
        assert_eq!(problem.to_string(), wanted);
        let problem = task.complete(&[Some(40.0), None], &mut row, (1, 0), "--target").unwrap_err();
        assert_eq!(problem.to_string(), "--target: s0 = 40 is impossible: it is from 0 to 1");
        assert!(task.clone().with_table(&[f32::NAN; 4]).is_err());
    }

    #[test]
    fn one_share_has_one_number_whatever_it_is_called() {
        let mut config = Config::preset("two-phase").unwrap();
        config.set("bins=3", "test").unwrap();
        let task = Task::of(&config, "test").unwrap().with_table(&[0.31, 0.31, 0.25, 0.2]).unwrap();
        let mut row = [0.0; 4];
        task.complete(&[Some(0.3), None, None, None], &mut row, (1, 0), "--target").unwrap();
        assert!(row.iter().zip([0.3, 0.3, 0.24, 0.19]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        task.complete(&[None, Some(0.3), None, Some(0.21)], &mut row, (1, 0), "--target").unwrap();
        assert!(row.iter().zip([0.3, 0.3, 0.25, 0.21]).all(|(a, b)| (a - b).abs() < 1e-6), "{row:?}");
        let wrong = |target: [Option<f32>; 4]| {
            task.complete(&target, &mut [0.0; 4], (1, 0), "--target").unwrap_err().to_string()
        };
        let problem = wrong([Some(0.3), Some(0.5), None, None]);
        assert_eq!(
            problem,
            "--target: p1 = 0.3 and s0 = 0.5 are impossible together: both say what class 1 fills"
        );
        assert!(wrong([Some(0.3), None, None, Some(0.9)]).contains("from 0 to 0.3"));
        assert!(wrong([Some(0.9), None, None, Some(0.5)]).contains("from 0.79"));
    }

    #[test]
    fn an_angle_is_near_another_the_short_way_round() {
        // The curve hangs together, so that what is left open comes from one row.
        let text = "data = \"circles\"\n[[ask]]\nproperty = \"second-moments\"\n[[ask]]\nproperty = \
                    \"correlation\"\nbins = 1\n";
        let task = Task::of(&Config::from_toml(text, "test").unwrap(), "test").unwrap();
        assert_eq!(task.names(), ["angle1", "aspect1", "angle2", "aspect2", "s0"]);
        let rows = [[-89.0, 3.0, 0.0, 1.5, 0.1], [60.0, 2.0, 10.0, 1.5, 0.2], [0.0, 4.0, 20.0, 1.5, 0.3]];
        let task = task.with_table(rows.as_flattened()).unwrap();
        let mut row = [0.0; 5];
        task.complete(&[Some(88.0), None, None, None, None], &mut row, (1, 0), "--target").unwrap();
        assert_eq!(row, [88.0, 3.0, 0.0, 1.5, 0.1]);
    }

    #[test]
    fn numbers_count_over_their_ranges_when_rows_are_near() {
        let text = "data = \"circles\"\n[[ask]]\nproperty = \"second-moments\"\n[[ask]]\nproperty = \
                    \"correlation\"\nbins = 2\n";
        let task = Task::of(&Config::from_toml(text, "test").unwrap(), "test").unwrap();
        let rows = [
            [10.0, 3.0, 0.0, 1.5, 0.1, 0.05],
            [30.0, 2.0, 10.0, 1.5, 0.34, 0.17],
            [80.0, 4.0, 20.0, 1.5, 0.1, 0.05],
        ];
        let task = task.with_table(rows.as_flattened()).unwrap();
        let mut row = [0.0; 6];
        // Of degrees the first is nearest, by much more than the share is missed.
        let wanted = [Some(12.0), None, None, None, Some(0.35), None];
        task.complete(&wanted, &mut row, (1, 0), "--target").unwrap();
        // A curve is that of its row, as far from it as what is given is.
        let near = [12.0, 2.0, 10.0, 1.5, 0.35, 0.18];
        assert!(row.iter().zip(near).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{row:?}");
    }
}
