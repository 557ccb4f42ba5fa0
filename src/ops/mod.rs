//! Var methods and operators: the vocabulary formulas are written in.
//!
//! Each method checks shapes and records one operation or a short composition. A shape mistake is
//! a bug in the caller and panics there, naming the operation and the shapes.

mod boundary;
mod conv;
mod fields;
mod training;

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::op::{Binary, DType, Op, Over, Symmetry, Unary};
use crate::shape::{MAX_RANK, Shape};
use crate::tape::{Tape, Var};

fn padded(values: &[usize]) -> [usize; MAX_RANK] {
    let mut all = [0; MAX_RANK];
    all[..values.len()].copy_from_slice(values);
    all
}

impl<'t> Var<'t> {
    fn unary(self, f: Unary) -> Self {
        self.tape().push(Op::Unary(f), &[self], self.shape(), DType::Real)
    }

    #[track_caller]
    fn binary(self, other: Self, f: Binary) -> Self {
        let (a, b) = (self.shape(), other.shape());
        let op = Op::Binary(f);
        let Some(shape) = a.broadcast_with(&b) else { panic!("{}: {a:?} against {b:?}", op.name()) };
        self.tape().push(op, &[self, other], shape, DType::Real)
    }

    /// e^x
    pub fn exp(self) -> Self {
        self.unary(Unary::Exp)
    }

    /// Natural logarithm.
    pub fn ln(self) -> Self {
        self.unary(Unary::Ln)
    }

    /// Square root.
    pub fn sqrt(self) -> Self {
        self.unary(Unary::Sqrt)
    }

    /// 1 / x
    pub fn recip(self) -> Self {
        self.unary(Unary::Recip)
    }

    /// x^2
    pub fn square(self) -> Self {
        self.unary(Unary::Square)
    }

    /// Hyperbolic tangent.
    pub fn tanh(self) -> Self {
        self.unary(Unary::Tanh)
    }

    /// Logistic function.
    pub fn sigmoid(self) -> Self {
        self.unary(Unary::Sigmoid)
    }

    /// max(x, 0)
    pub fn relu(self) -> Self {
        self.leaky_relu(0.0)
    }

    /// x where positive, slope x elsewhere.
    ///
    /// # Panics
    /// If the slope is negative: the mask is taken from the sign of the result.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Self {
        assert!(slope >= 0.0, "leaky_relu: slope {slope} is negative");
        self.unary(Unary::LeakyRelu(slope))
    }

    /// 1 where x is positive, slope elsewhere.
    pub fn leaky_mask(self, slope: f64) -> Self {
        self.unary(Unary::LeakyMask(slope))
    }

    /// This signal where `gate` is positive, slope times it elsewhere.
    #[track_caller]
    pub fn gate(self, gate: Self, slope: f64) -> Self {
        gate.binary(self, Binary::Gate(slope))
    }

    /// x times a constant.
    pub fn scale(self, by: f64) -> Self {
        self.unary(Unary::Scale(by))
    }

    /// x plus a constant.
    pub fn shift(self, by: f64) -> Self {
        self.unary(Unary::Shift(by))
    }

    /// x to a constant power.
    pub fn pow(self, exponent: f64) -> Self {
        self.unary(Unary::Pow(exponent))
    }

    /// Sum over the axes along which `shape` is stretched to this one; no copy when equal.
    ///
    /// # Panics
    /// Unless `shape` broadcasts to this shape.
    #[track_caller]
    pub fn sum_to(self, shape: impl Into<Shape>) -> Self {
        let (mine, shape) = (self.shape(), shape.into());
        if mine == shape {
            return self;
        }
        assert!(shape.broadcast_with(&mine) == Some(mine), "sum_to: {mine:?} to {shape:?}");
        self.tape().push(Op::SumTo, &[self], shape, DType::Real)
    }

    /// Sum of all elements, a scalar.
    pub fn sum(self) -> Self {
        self.sum_to([])
    }

    /// Mean of all elements, a scalar.
    pub fn mean(self) -> Self {
        self.sum().scale(1.0 / self.shape().numel() as f64)
    }

    /// Sum over the last axis, which is kept with extent 1.
    pub fn sum_last(self) -> Self {
        let shape = self.shape();
        let mut dims = shape.to_vec();
        dims[shape.rank() - 1] = 1;
        self.sum_to(Shape::new(&dims))
    }

    /// Repeated along stretched axes; no copy when equal.
    ///
    /// # Panics
    /// Unless this shape broadcasts to `shape`.
    #[track_caller]
    pub fn broadcast(self, shape: impl Into<Shape>) -> Self {
        let (mine, shape) = (self.shape(), shape.into());
        if mine == shape {
            return self;
        }
        assert!(mine.broadcast_with(&shape) == Some(shape), "broadcast: {mine:?} to {shape:?}");
        self.tape().push(Op::Broadcast, &[self], shape, DType::Real)
    }

    /// The same elements in another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        let (mine, shape) = (self.shape(), shape.into());
        assert!(mine.numel() == shape.numel(), "reshape: {mine:?} to {shape:?}");
        if mine == shape {
            return self;
        }
        self.tape().push(Op::Reshape, &[self], shape, self.dtype())
    }

    /// The same elements, which no gradient passes through.
    #[must_use]
    pub fn detach(self) -> Self {
        self.tape().push(Op::Detach, &[self], self.shape(), self.dtype())
    }

    /// Axis i of the result is axis `axes[i]` of this one.
    ///
    /// # Panics
    /// Unless `axes` is a permutation.
    #[track_caller]
    pub fn permute(self, axes: &[usize]) -> Self {
        let mine = self.shape();
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..mine.rank()), "permute: {mine:?} by {axes:?}");
        let dims: Vec<usize> = axes.iter().map(|&axis| mine[axis]).collect();
        self.tape().push(Op::Permute(padded(axes)), &[self], Shape::new(&dims), DType::Real)
    }

    /// The block that begins at `start` and has the given shape.
    ///
    /// # Panics
    /// If the block leaves this tensor.
    #[track_caller]
    pub fn slice(self, start: &[usize], shape: impl Into<Shape>) -> Self {
        let (mine, shape) = (self.shape(), shape.into());
        let fits = mine.rank() == shape.rank()
            && start.len() == mine.rank()
            && (0..mine.rank()).all(|i| start[i] + shape[i] <= mine[i]);
        assert!(fits, "slice: {shape:?} at {start:?} of {mine:?}");
        if mine == shape {
            return self;
        }
        self.tape().push(Op::Slice(padded(start)), &[self], shape, DType::Real)
    }

    /// This tensor at `start` in zeros of the given shape.
    ///
    /// # Panics
    /// If it does not fit there.
    #[track_caller]
    pub fn pad_into(self, start: &[usize], shape: impl Into<Shape>) -> Self {
        let (mine, shape) = (self.shape(), shape.into());
        let fits = mine.rank() == shape.rank()
            && start.len() == mine.rank()
            && (0..mine.rank()).all(|i| start[i] + mine[i] <= shape[i]);
        assert!(fits, "pad: {mine:?} at {start:?} of {shape:?}");
        if mine == shape {
            return self;
        }
        self.tape().push(Op::Pad(padded(start)), &[self], shape, DType::Real)
    }

    /// Matrix product; a `[M, K]`, b `[K, N]`.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        self.matmul_t(other, false, false)
    }

    /// Matrix product with either operand transposed first.
    ///
    /// # Panics
    /// Unless both are matrices whose inner extents agree.
    #[track_caller]
    pub fn matmul_t(self, other: Self, transpose_a: bool, transpose_b: bool) -> Self {
        let (a, b) = (self.shape(), other.shape());
        assert!(a.rank() == 2 && b.rank() == 2, "matmul: {a:?} by {b:?}");
        let (m, k) = if transpose_a { (a[1], a[0]) } else { (a[0], a[1]) };
        let (k2, n) = if transpose_b { (b[1], b[0]) } else { (b[0], b[1]) };
        assert!(k == k2, "matmul: {a:?} by {b:?}, transposed {transpose_a} and {transpose_b}");
        let op = Op::MatMul { transpose_a, transpose_b };
        self.tape().push(op, &[self, other], Shape::from([m, n]), DType::Real)
    }

    /// b + u (a - b), with this as a, and one number u `[N]` for each sample of a and b `[N, ...]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn interpolate(self, b: Self, u: Self) -> Self {
        let s = self.shape();
        assert!(
            s == b.shape() && s.rank() > 0 && u.shape() == Shape::from([s[0]]),
            "interpolate: {s:?} and {:?} by {:?}",
            b.shape(),
            u.shape()
        );
        self.tape().push(Op::Interpolate, &[self, b, u], s, DType::Real)
    }

    /// sqrt(sum g^2 + eps) of each sample of `[N, ...]`, as `[N]`.
    #[track_caller]
    pub fn row_norm(self, eps: f64) -> Self {
        let s = self.shape();
        assert!(s.rank() > 0, "row_norm of a scalar");
        self.tape().push(Op::RowNorm(eps), &[self], Shape::from([s[0]]), DType::Real)
    }

    /// Softmax over the last axis; exactly 0 for what is [`SOFTMAX_REACH`](crate::op::SOFTMAX_REACH) below the largest.
    pub fn softmax(self) -> Self {
        self.tape().push(Op::Softmax, &[self], self.shape(), DType::Real)
    }

    /// The vector-Jacobian product of softmax, given its result (this) and a cotangent.
    #[track_caller]
    pub fn softmax_grad(self, g: Self) -> Self {
        assert!(self.shape() == g.shape(), "softmax_grad: {:?} and {:?}", self.shape(), g.shape());
        self.tape().push(Op::SoftmaxGrad, &[self, g], self.shape(), DType::Real)
    }

    /// Mean and biased variance of each group, `[2, groups]`.
    pub fn stats(self, over: Over) -> Self {
        let shape = Shape::from([2, over.groups(&self.shape())]);
        self.tape().push(Op::Stats(over), &[self], shape, DType::Real)
    }

    /// The two rows of a `[2, groups]` tensor, each in the shape `groups`.
    pub fn mean_and_variance(self, groups: Shape) -> (Self, Self) {
        let row = |i| self.slice(&[i, 0], [1, self.shape()[1]]).reshape(groups);
        (row(0), row(1))
    }

    /// (x - mean) / sqrt(var + eps) over each group.
    pub fn normalise(self, over: Over, eps: f64) -> Self {
        self.normalise_with(self.stats(over), over, eps)
    }

    /// [`Var::normalise`] when the statistics of this tensor are at hand.
    pub fn normalise_with(self, stats: Self, over: Over, eps: f64) -> Self {
        self.tape().push(Op::Normalise(over, eps), &[self, stats], self.shape(), DType::Real)
    }

    /// The vector-Jacobian product of [`Var::normalise`], given x (this), its statistics and a
    /// cotangent.
    pub fn normalise_grad(self, stats: Self, g: Self, over: Over, eps: f64) -> Self {
        self.tape().push(Op::NormaliseGrad(over, eps), &[self, stats, g], self.shape(), DType::Real)
    }

    /// One-hot images `[N, H, W, classes]` of the given rows (u32 `[N]`) of class maps (this, u8
    /// `[M, H, W]`).
    #[track_caller]
    pub fn one_hot(self, rows: Self, classes: usize) -> Self {
        let s = self.shape();
        assert!(self.dtype() == DType::U8 && rows.dtype() == DType::U32 && s.rank() == 3, "one_hot: {s:?}");
        let shape = Shape::from([rows.shape()[0], s[1], s[2], classes]);
        self.tape().push(Op::OneHot, &[self, rows], shape, DType::Real)
    }

    /// The given rows (u32 `[N]`) of class maps (this, u8 `[M, H, W]`), each moved by what three random words of its own
    /// (u32 `[3 N]`) choose of a symmetry: u8 `[N, H, W]`.
    ///
    /// # Panics
    /// If images that are no squares are to be rotated.
    #[track_caller]
    pub fn augment(self, rows: Self, words: Self, symmetry: Symmetry) -> Self {
        let (s, n) = (self.shape(), rows.shape()[0]);
        assert!(self.dtype() == DType::U8 && s.rank() == 3 && words.dtype() == DType::U32, "augment: {s:?}");
        assert!(words.shape().numel() == n * Symmetry::WORDS, "augment: {:?} words", words.shape());
        assert!(!symmetry.rotations || s[1] == s[2], "augment: {s:?} cannot be rotated");
        let shape = Shape::from([n, s[1], s[2]]);
        self.tape().push(Op::Augment(symmetry), &[self, rows, words], shape, DType::U8)
    }

    /// Rows (u32 `[N]`) of a table `[M, P]`.
    #[track_caller]
    pub fn gather(self, rows: Self) -> Self {
        let s = self.shape();
        assert!(rows.dtype() == DType::U32 && s.rank() == 2, "gather: {s:?}");
        self.tape().push(Op::Gather, &[self, rows], Shape::from([rows.shape()[0], s[1]]), DType::Real)
    }

    /// These values `[N, P]` summed into the given rows of zeros of the given shape.
    #[track_caller]
    pub fn scatter_add(self, rows: Self, shape: impl Into<Shape>) -> Self {
        assert!(rows.dtype() == DType::U32 && self.shape().rank() == 2, "scatter_add: {:?}", self.shape());
        self.tape().push(Op::ScatterAdd, &[self, rows], shape.into(), DType::Real)
    }

    /// Index of the largest entry of the last axis, u8.
    #[track_caller]
    pub fn argmax(self) -> Self {
        let s = self.shape();
        assert!(s.channels() <= 256, "argmax: {s:?} has more than 256 classes");
        self.tape().push(Op::ArgMax, &[self], Shape::new(&s[..s.rank() - 1]), DType::U8)
    }
}

impl Tape {
    /// Tensors joined along one axis: the sum of each padded into the whole.
    ///
    /// # Panics
    /// If there is none, or they differ along another axis.
    #[track_caller]
    pub fn concat<'t>(&'t self, parts: &[Var<'t>], axis: usize) -> Var<'t> {
        let mut dims = parts[0].shape().to_vec();
        dims[axis] = parts.iter().map(|p| p.shape()[axis]).sum();
        let whole = Shape::new(&dims);
        let mut start = vec![0; whole.rank()];
        let mut sum: Option<Var<'t>> = None;
        for part in parts {
            let placed = part.pad_into(&start, whole);
            start[axis] += part.shape()[axis];
            sum = Some(sum.map_or(placed, |s| s + placed));
        }
        sum.expect("concat of at least one tensor")
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:expr) => {
        impl<'t> $trait for Var<'t> {
            type Output = Var<'t>;
            #[track_caller]
            fn $method(self, other: Self) -> Self {
                self.binary(other, $op)
            }
        }
    };
}

operator!(Add, add, Binary::Add);
operator!(Sub, sub, Binary::Sub);
operator!(Mul, mul, Binary::Mul);
operator!(Div, div, Binary::Div);

impl Neg for Var<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Neg)
    }
}
