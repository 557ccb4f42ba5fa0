//! Sums and equations over whole images: moments, the two-point correlation, phase separation.

use crate::op::{Border, CahnHilliard, CorrelationLeg, DType, Direction, Op};
use crate::shape::Shape;
use crate::tape::Var;

impl Var<'_> {
    /// Moments up to the second about the middle of the image, of every sample and channel:
    /// `[N, H, W, C]` to `[N, C, 6]`, in the order 1, u, v, u^2, u v, v^2; see [`Op::Moments`].
    #[track_caller]
    pub fn moments(self) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4, "moments: {s:?}");
        self.tape().push(Op::Moments, &[self], Shape::from([s[0], s[3], 6]), DType::Real)
    }

    /// The quadratic field of coefficients `[N, C, 6]` on images of the given shape.
    #[track_caller]
    pub fn quadratic_field(self, shape: impl Into<Shape>) -> Self {
        let (m, s) = (self.shape(), shape.into());
        assert!(s.rank() == 4 && *m == [s[0], s[3], 6], "quadratic_field: {m:?} to {s:?}");
        self.tape().push(Op::QuadraticField, &[self], s, DType::Real)
    }

    /// The radial two-point correlation of fields `[N, H, W]` with themselves, `[N, bins]`: entry r is
    /// the mean of x(p) x(p + v) over the pixels p and the lattice vectors v of rounded length r.
    ///
    /// # Panics
    /// If there are more bins than [`Direction::most_bins`].
    #[track_caller]
    pub fn correlation(self, bins: usize, border: Border) -> Self {
        self.correlation_along(self, Direction::Every, bins, border)
    }

    /// The same of two fields.
    #[track_caller]
    pub fn correlation_with(self, other: Self, bins: usize, border: Border) -> Self {
        self.correlation_along(other, Direction::Every, bins, border)
    }

    /// The two-point correlation of fields `[N, H, W]` along a direction, `[N, bins]`: entry r is the
    /// mean of x(p) y(p + v) over the pixels p and the vectors v of bin r.
    #[track_caller]
    pub fn correlation_along(self, other: Self, along: Direction, bins: usize, border: Border) -> Self {
        let s = self.shape();
        assert!(s == other.shape() && s.rank() == 3, "correlation: {s:?} with {:?}", other.shape());
        let most = along.most_bins([s[1], s[2]], border);
        assert!((1..=most).contains(&bins), "correlation: {bins} bins of {s:?}, which has up to {most}");
        let op = Op::Correlation(CorrelationLeg::Curve, along, border);
        self.tape().push(op, &[self, other], Shape::from([s[0], bins]), DType::Real)
    }

    /// sum_r g_r A_r y of fields y `[N, H, W]` (this) and curves g `[N, R]`.
    #[track_caller]
    pub fn correlation_field(self, g: Self, along: Direction, border: Border) -> Self {
        let (s, c) = (self.shape(), g.shape());
        let fits = s.rank() == 3 && c.rank() == 2 && s[0] == c[0];
        assert!(
            fits && c[1] <= along.most_bins([s[1], s[2]], border),
            "correlation_field: {s:?} by {c:?} along {along:?}"
        );
        self.tape().push(Op::Correlation(CorrelationLeg::Field, along, border), &[self, g], s, DType::Real)
    }

    /// Fields u `[N, H, W]` after some steps of the Cahn-Hilliard equation.
    #[track_caller]
    pub fn cahn_hilliard(self, stepping: CahnHilliard) -> Self {
        let s = self.shape();
        assert!(s.rank() == 3, "cahn_hilliard: {s:?}");
        self.tape().push(Op::CahnHilliard(stepping), &[self], s, DType::Real)
    }
}
