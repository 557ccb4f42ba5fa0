//! How sums over a normalised layer lie in memory.

use super::ALIGN;
use crate::shape::Shape;

/// A row of sums over a field `[N, .., C]`: first one number a channel, of all samples; then one for each channel of
/// each sample; then one a sample, a mean over all that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LayerSums {
    /// N
    pub samples: usize,
    /// C
    pub channels: usize,
}

impl LayerSums {
    /// Of fields of that shape.
    #[must_use]
    pub fn of(field: &Shape) -> Self {
        Self { samples: field[0], channels: field.channels() }
    }

    /// Where the sums of every sample's channels begin.
    #[must_use]
    pub fn each(&self) -> usize {
        aligned(self.channels)
    }

    /// Where the means of every sample begin.
    #[must_use]
    pub fn means(&self) -> usize {
        self.each() + self.samples * self.channels
    }

    /// Numbers of a row: the next begins where a tensor may.
    #[must_use]
    pub fn row(&self) -> usize {
        aligned(self.means() + self.samples)
    }
}

/// The next number of single precision from which on a tensor may lie.
fn aligned(numbers: usize) -> usize {
    numbers.next_multiple_of(ALIGN / size_of::<f32>())
}
