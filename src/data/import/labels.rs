//! Which class each label becomes: packed to those that occur, or as they stand.

use super::classify::Rule;
use super::collect::MOST;
use super::colours::{Palette, by_brightness};
use super::survey::Survey;
use crate::error::{Error, Result};

/// From classes as values have them to the classes of a data set.
pub(super) struct Labels {
    /// The class in the set, for each that occurs.
    class: [u8; MOST],
    /// The other way: where each class of the set comes from.
    from: Vec<usize>,
    /// The value of each class where it is from; empty where a threshold or orientations made
    /// the classes.
    pub values: Vec<f64>,
}

impl Labels {
    /// Decides for a source that was surveyed. `carried` is what a data set of ours says of its labels.
    ///
    /// # Errors
    /// [`Error::File`] if there are too few classes, or others than asked for.
    pub fn of(survey: &Survey, rule: &Rule, carried: &[f64], palette: &Palette) -> Result<Self> {
        let mut occurring: Vec<usize> = (0..MOST).filter(|&class| survey.occurs(class)).collect();
        if palette.is_classes() {
            occurring.sort_by(|&a, &b| by_brightness(palette.colours[a], palette.colours[b]));
        }
        let above = occurring.last().map_or(0, |last| last + 1);
        let value = |class: usize| class as i64 + rule.first;
        let asked = rule.options.classes;
        let from: Vec<usize> = if !rule.numbers_are_classes() {
            let least = rule.listed().max(2);
            (0..asked.unwrap_or(least)).collect()
        } else {
            match asked.or(rule.stated()) {
                None if rule.options.keep_labels => (0..above).collect(),
                None => occurring.clone(),
                Some(classes) if classes >= above => (0..classes).collect(),
                Some(classes) if classes == occurring.len() && !rule.options.keep_labels => occurring.clone(),
                Some(classes) => {
                    let labels: Vec<String> = occurring.iter().map(|&c| value(c).to_string()).collect();
                    let packed = if rule.options.keep_labels || labels.len() == above {
                        String::new()
                    } else {
                        format!("--classes {} packs those that occur, ", labels.len())
                    };
                    return Err(survey.first(above - 1).error(format!(
                        "has the label {}, and --classes {classes} is neither the number of labels that occur \
                         ({}) nor above all of them: {packed}--classes {above} keeps the numbers",
                        value(above - 1),
                        labels.join(",")
                    )));
                }
            }
        };
        if from.len() < 2 {
            let label = from.first().map_or(0, |&class| value(class));
            let classes = above.max(2);
            return Err(Error::file(
                &survey.source,
                format!("every pixel is of class {label}: if that is meant, give --classes {classes}"),
            ));
        }
        let mut class = [0; MOST];
        from.iter().enumerate().for_each(|(i, &from)| class[from] = i as u8);
        let values = match &rule.options.levels {
            // Orientations are numbered at will.
            _ if rule.options.threshold.is_some() || rule.options.orientations.is_some() => vec![],
            levels if !levels.is_empty() => {
                from.iter().map(|&c| levels.get(c).copied().unwrap_or(f64::NAN)).collect()
            }
            _ => from.iter().map(|&c| carried.get(c).copied().unwrap_or(value(c) as f64)).collect(),
        };
        Ok(Self { class, from, values })
    }

    /// Number of classes of the set.
    pub fn classes(&self) -> usize {
        self.from.len()
    }

    /// The class in the set of a class as values have it.
    pub fn class(&self, class: u8) -> u8 {
        self.class[class as usize]
    }

    /// Something known of classes as values have them, for those of the set.
    pub fn pick<T: Copy>(&self, of: &[T; MOST]) -> Vec<T> {
        self.from.iter().map(|&class| of[class]).collect()
    }
}
