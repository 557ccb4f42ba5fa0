//! How large the values of images become, where one threshold is for all of them.

use std::path::{Path, PathBuf};

use super::collect::Values;

/// Times that the largest value of one image may be that of another: bit depths differ by more, exposures by less.
const ALIKE: f64 = 16.0;

/// The largest value of the darkest and of the lightest image, and their files.
#[derive(Clone, Debug, Default)]
pub(super) struct Levels {
    darkest: Option<(f64, PathBuf)>,
    lightest: Option<(f64, PathBuf)>,
}

/// The largest of some values; none of classes, which no threshold makes.
pub(super) fn largest(values: &Values) -> Option<f64> {
    match values {
        Values::Integers(values) => values.iter().max().map(|&v| v as f64),
        Values::Reals(values) => values.iter().copied().filter(|v| v.is_finite()).reduce(f64::max),
        Values::Classes(_) => None,
    }
}

impl Levels {
    /// Takes note of an image, of which nothing but black says nothing.
    pub fn see(&mut self, path: &Path, largest: f64) {
        if largest > 0.0 {
            let keep = |held: &mut Option<(f64, PathBuf)>, better: fn(f64, f64) -> bool| {
                if held.as_ref().is_none_or(|(value, _)| better(largest, *value)) {
                    *held = Some((largest, path.to_path_buf()));
                }
            };
            keep(&mut self.darkest, |new, held| new < held);
            keep(&mut self.lightest, |new, held| new > held);
        }
    }

    /// What should be said where one threshold can hardly be right for all.
    pub fn warning(&self, threshold: f64) -> Option<String> {
        let ((least, dark), (most, light)) = (self.darkest.as_ref()?, self.lightest.as_ref()?);
        (*most >= ALIKE * least).then(|| {
            let (dark, light) = (dark.display(), light.display());
            format!(
                "values go up to {least} in {dark} and to {most} in {light}, and --threshold {threshold} is for both: \
                 save them with one bit depth"
            )
        })
    }
}
