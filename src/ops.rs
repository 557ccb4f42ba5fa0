//! Var methods and operators: the vocabulary formulas are written in.
//!
//! Each method checks shapes and records one operation or a short composition. A shape mistake is
//! a bug in the caller and panics there, naming the operation and the shapes.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::device::radial;
use crate::op::{
    AdamSettings, Binary, Border, CahnHilliard, CorrelationLeg, DType, Leg, Op, Over, Unary, Window,
};
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

    /// Convolution of x `[N, H, W, CI]` with w `[KH, KW, CI, CO]`.
    ///
    /// # Panics
    /// If the channels differ or the filter is larger than the padded image.
    #[track_caller]
    pub fn conv(self, w: Self, stride: [usize; 2], pad: [usize; 2]) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x.rank() == 4 && f.rank() == 4 && x[3] == f[2], "conv: {x:?} by {f:?}");
        let (image, kernel) = ([x[1], x[2]], [f[0], f[1]]);
        let out = [0, 1].map(|i| {
            let span = image[i] + 2 * pad[i];
            assert!(
                span >= kernel[i] && stride[i] > 0,
                "conv: {x:?} by {f:?}, stride {stride:?}, pad {pad:?}"
            );
            (span - kernel[i]) / stride[i] + 1
        });
        self.conv_leg_y(w, Window { image, kernel, stride, pad, out })
    }

    /// Transposed convolution of x `[N, H, W, CI]` with w `[KH, KW, CO, CI]`: the adjoint of the
    /// convolution that maps CO channels to CI. The result is `(H - 1) stride - 2 pad + KH + extra`
    /// pixels high, likewise wide.
    ///
    /// # Panics
    /// If the channels differ or the result would be empty.
    #[track_caller]
    pub fn conv_transpose(self, w: Self, stride: [usize; 2], pad: [usize; 2], extra: [usize; 2]) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x.rank() == 4 && f.rank() == 4 && x[3] == f[3], "conv_transpose: {x:?} by {f:?}");
        let (out, kernel) = ([x[1], x[2]], [f[0], f[1]]);
        let image = [0, 1].map(|i| {
            let full = (out[i] - 1) * stride[i] + kernel[i] + extra[i];
            assert!(full > 2 * pad[i], "conv_transpose: {x:?} by {f:?}, stride {stride:?}, pad {pad:?}");
            full - 2 * pad[i]
        });
        self.conv_leg_x(w, Window { image, kernel, stride, pad, out })
    }

    /// The leg y = x * w.
    #[track_caller]
    pub fn conv_leg_y(self, w: Self, window: Window) -> Self {
        let (x, f) = (self.shape(), w.shape());
        assert!(x[1..3] == window.image && f[..2] == window.kernel && x[3] == f[2], "conv: {x:?} by {f:?}");
        let shape = Shape::from([x[0], window.out[0], window.out[1], f[3]]);
        self.tape().push(Op::Conv(Leg::Y, window), &[self, w], shape, DType::Real)
    }

    /// The leg x of cotangent g (this) and filter w.
    #[track_caller]
    pub fn conv_leg_x(self, w: Self, window: Window) -> Self {
        let (g, f) = (self.shape(), w.shape());
        assert!(g[1..3] == window.out && f[..2] == window.kernel && g[3] == f[3], "conv x: {g:?} by {f:?}");
        let shape = Shape::from([g[0], window.image[0], window.image[1], f[2]]);
        self.tape().push(Op::Conv(Leg::X, window), &[self, w], shape, DType::Real)
    }

    /// The leg w of image x (this) and cotangent g.
    #[track_caller]
    pub fn conv_leg_w(self, g: Self, window: Window) -> Self {
        let (x, c) = (self.shape(), g.shape());
        assert!(x[1..3] == window.image && c[1..3] == window.out && x[0] == c[0], "conv w: {x:?} by {c:?}");
        let shape = Shape::from([window.kernel[0], window.kernel[1], x[3], c[3]]);
        self.tape().push(Op::Conv(Leg::W, window), &[self, g], shape, DType::Real)
    }

    /// Mean over k x k blocks of `[N, H, W, C]`.
    ///
    /// # Panics
    /// Unless k divides H and W.
    #[track_caller]
    pub fn mean_pool(self, k: usize) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4 && s[1].is_multiple_of(k) && s[2].is_multiple_of(k), "mean_pool: {s:?} by {k}");
        self.tape().push(Op::MeanPool(k), &[self], Shape::from([s[0], s[1] / k, s[2] / k, s[3]]), DType::Real)
    }

    /// Every pixel of `[N, H, W, C]` repeated k x k times.
    #[track_caller]
    pub fn upsample(self, k: usize) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4, "upsample: {s:?}");
        self.tape().push(Op::Upsample(k), &[self], Shape::from([s[0], s[1] * k, s[2] * k, s[3]]), DType::Real)
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

    /// Softmax over the last axis.
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

    /// m00, m10, m01 of every sample and channel: `[N, H, W, C]` to `[N, C, 3]` (paper Eq. 5).
    #[track_caller]
    pub fn moments(self) -> Self {
        let s = self.shape();
        assert!(s.rank() == 4, "moments: {s:?}");
        self.tape().push(Op::Moments, &[self], Shape::from([s[0], s[3], 3]), DType::Real)
    }

    /// The affine field of coefficients `[N, C, 3]` on images of the given shape.
    #[track_caller]
    pub fn affine_field(self, shape: impl Into<Shape>) -> Self {
        let (m, s) = (self.shape(), shape.into());
        assert!(s.rank() == 4 && *m == [s[0], s[3], 3], "affine_field: {m:?} to {s:?}");
        self.tape().push(Op::AffineField, &[self], s, DType::Real)
    }

    /// The radial two-point correlation of fields `[N, H, W]` with themselves, `[N, bins]`: entry r is
    /// the mean of x(p) x(p + v) over the pixels p and the lattice vectors v of rounded length r.
    ///
    /// # Panics
    /// If there are more bins than [`radial::most_bins`].
    #[track_caller]
    pub fn correlation(self, bins: usize, border: Border) -> Self {
        self.correlation_with(self, bins, border)
    }

    /// The same of two fields.
    #[track_caller]
    pub fn correlation_with(self, other: Self, bins: usize, border: Border) -> Self {
        let s = self.shape();
        assert!(s == other.shape() && s.rank() == 3, "correlation: {s:?} with {:?}", other.shape());
        let most = radial::most_bins([s[1], s[2]], border);
        assert!((1..=most).contains(&bins), "correlation: {bins} bins of {s:?}, which has up to {most}");
        let op = Op::Correlation(CorrelationLeg::Curve, border);
        self.tape().push(op, &[self, other], Shape::from([s[0], bins]), DType::Real)
    }

    /// sum_r g_r A_r y of fields y `[N, H, W]` (this) and curves g `[N, R]`.
    #[track_caller]
    pub fn correlation_field(self, g: Self, border: Border) -> Self {
        let (s, c) = (self.shape(), g.shape());
        let fits = s.rank() == 3 && c.rank() == 2 && s[0] == c[0];
        assert!(fits && c[1] <= radial::most_bins([s[1], s[2]], border), "correlation_field: {s:?} by {c:?}");
        self.tape().push(Op::Correlation(CorrelationLeg::Field, border), &[self, g], s, DType::Real)
    }

    /// Fields u `[N, H, W]` after some steps of the Cahn-Hilliard equation.
    #[track_caller]
    pub fn cahn_hilliard(self, stepping: CahnHilliard) -> Self {
        let s = self.shape();
        assert!(s.rank() == 3, "cahn_hilliard: {s:?}");
        self.tape().push(Op::CahnHilliard(stepping), &[self], s, DType::Real)
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

    /// Uniform numbers on [0, 1) of one stream of the generator.
    pub fn uniform<'t>(&'t self, state: Var<'t>, stream: u32, shape: impl Into<Shape>) -> Var<'t> {
        self.push(Op::Uniform(stream), &[state], shape.into(), DType::Real)
    }

    /// Standard normal numbers of one stream of the generator.
    pub fn normal<'t>(&'t self, state: Var<'t>, stream: u32, shape: impl Into<Shape>) -> Var<'t> {
        self.push(Op::Normal(stream), &[state], shape.into(), DType::Real)
    }

    /// `count` row numbers below `below`.
    pub fn random_index<'t>(&'t self, state: Var<'t>, stream: u32, count: usize, below: u32) -> Var<'t> {
        self.push(Op::RandomIndex { stream, below }, &[state], Shape::from([count]), DType::U32)
    }

    fn in_place(&self, op: Op, inputs: &[Var<'_>]) {
        self.push(op, inputs, Shape::from([0]), DType::Real);
    }

    /// One Adam update of every (parameter, gradient, first moment, second moment).
    pub fn adam<'t>(
        &'t self,
        settings: AdamSettings,
        step: Var<'t>,
        rate: Var<'t>,
        updates: &[[Var<'t>; 4]],
    ) {
        let inputs: Vec<Var<'t>> =
            [step, rate].into_iter().chain(updates.iter().flatten().copied()).collect();
        self.in_place(Op::Adam(settings), &inputs);
    }

    /// Moves every target towards its source by the fraction `weight`.
    pub fn lerp<'t>(&'t self, weight: Var<'t>, pairs: &[[Var<'t>; 2]]) {
        let inputs: Vec<Var<'t>> = [weight].into_iter().chain(pairs.iter().flatten().copied()).collect();
        self.in_place(Op::Lerp, &inputs);
    }

    /// Adds one to the last element of a counter.
    pub fn tick(&self, counter: Var<'_>) {
        self.in_place(Op::Tick, &[counter]);
    }

    /// Writes scalars to row `step` mod R of a ring `[R, K]`.
    ///
    /// # Panics
    /// Unless there are K scalars.
    #[track_caller]
    pub fn record<'t>(&'t self, ring: Var<'t>, step: Var<'t>, scalars: &[Var<'t>]) {
        assert!(ring.shape()[1] == scalars.len(), "record: {:?} and {} scalars", ring.shape(), scalars.len());
        let inputs: Vec<Var<'t>> = [ring, step].into_iter().chain(scalars.iter().copied()).collect();
        self.in_place(Op::Record, &inputs);
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
