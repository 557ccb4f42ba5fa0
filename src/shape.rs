//! Shapes: up to six axes, row-major, compared and printed as a list.
//!
//! A shape is plain copyable data, so that formulas can pass it around as freely as a number.

use std::fmt;
use std::ops::Deref;

/// The most axes a tensor can have.
pub const MAX_RANK: usize = 6;

/// The extents of a row-major tensor; rank 0 is a scalar.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    /// A shape from its extents.
    ///
    /// # Panics
    /// With more than [`MAX_RANK`] axes.
    #[track_caller]
    #[must_use]
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "shape {dims:?}: at most {MAX_RANK} axes");
        let mut all = [1; MAX_RANK];
        all[..dims.len()].copy_from_slice(dims);
        Self { dims: all, rank: dims.len() as u8 }
    }

    /// The scalar shape `[]`.
    #[must_use]
    pub fn scalar() -> Self {
        Self::new(&[])
    }

    /// Number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// Row-major strides, in elements.
    #[must_use]
    pub fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for axis in (0..self.rank()).rev() {
            strides[axis] = step;
            step *= self[axis];
        }
        strides
    }

    /// The extent of the last axis (1 for a scalar): the channels of an activation.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// The shape both operands of a binary operation stretch to, NumPy's rule.
    #[must_use]
    pub fn broadcast_with(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let (a, b) = (self.padded_to(rank), other.padded_to(rank));
        let mut dims = [1; MAX_RANK];
        for axis in 0..rank {
            dims[axis] = match (a[axis], b[axis]) {
                (m, n) if m == n => m,
                (1, n) => n,
                (m, 1) => m,
                _ => return None,
            };
        }
        Some(Self { dims, rank: rank as u8 })
    }

    /// The same elements with leading axes of extent 1 up to `rank`.
    #[must_use]
    pub fn padded_to(&self, rank: usize) -> Self {
        let lead = rank.saturating_sub(self.rank());
        let mut dims = [1; MAX_RANK];
        dims[lead..lead + self.rank()].copy_from_slice(self);
        Self { dims, rank: (lead + self.rank()) as u8 }
    }

    /// Strides that walk this tensor while `target` is walked: 0 along stretched axes.
    ///
    /// # Panics
    /// Unless this shape broadcasts to `target`.
    #[track_caller]
    #[must_use]
    pub fn broadcast_strides(&self, target: &Self) -> [usize; MAX_RANK] {
        assert!(self.broadcast_with(target) == Some(*target), "{self:?} does not broadcast to {target:?}");
        let padded = self.padded_to(target.rank());
        let mut strides = padded.strides();
        for axis in 0..target.rank() {
            if padded[axis] == 1 {
                strides[axis] = 0;
            }
        }
        strides
    }
}

impl Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.dims[..usize::from(self.rank)]
    }
}

impl<const R: usize> From<[usize; R]> for Shape {
    fn from(dims: [usize; R]) -> Self {
        Self::new(&dims)
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self::new(dims)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}
