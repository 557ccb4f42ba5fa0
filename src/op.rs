//! Every operation of the engine, as plain data.
//!
//! An [`Op`] says what is computed, never how: the devices own the loops, `vjp.rs` owns the
//! derivatives. The shape of the result stands beside the op in its node, so an op carries only
//! what the shapes of its inputs and output do not already say.

use crate::shape::{MAX_RANK, Shape};
pub use crate::symmetry::{Move, Symmetry};
pub use crate::window::{Border, Window};

/// What one element of a tensor is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// The device's floating-point number: `f32`, or `f64` on the CPU device used as oracle.
    Real,
    /// A class label.
    U8,
    /// A row number, or a word of random-generator state.
    U32,
    /// The upper half of an `f32`, rounded: how a plan stores a real result that is only multiplied so. Never
    /// recorded.
    Bf16,
}

/// Names a tensor that outlives a step: a parameter, optimiser state, the data set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LeafId(pub usize);

/// Functions of one number, applied to every element.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Unary {
    /// -x
    Neg,
    /// e^x
    Exp,
    /// Natural logarithm.
    Ln,
    /// Square root.
    Sqrt,
    /// 1 / x
    Recip,
    /// x^2
    Square,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// x where x > 0, slope * x elsewhere; slope 0 is the ReLU. The slope is never negative.
    LeakyRelu(f64),
    /// 1 where x > 0, slope elsewhere; piecewise constant, so it has no derivative.
    LeakyMask(f64),
    /// x times a constant.
    Scale(f64),
    /// x plus a constant.
    Shift(f64),
    /// x to a constant power.
    Pow(f64),
}

/// Functions of two numbers, applied elementwise with broadcasting.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// b where a > 0, slope * b elsewhere: the mask of a LeakyReLU applied to a cotangent in one
    /// pass. Linear in b, piecewise constant in a.
    Gate(f64),
}

/// Which of the three tensors of the trilinear form T(x, w, g) = <g, x * w> is computed from the
/// other two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Leg {
    /// Convolution: inputs x, w; result like g.
    Y,
    /// Transposed convolution: inputs g, w; result like x.
    X,
    /// Weight gradient: inputs x, g; result like w.
    W,
}

/// Which of the tensors of the trilinear form T(x, y, g) = sum_r g_r <x, A_r y> is computed from the
/// other two. A_r averages the neighbours in bin r and is symmetric, so x and y are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CorrelationLeg {
    /// <x, A_r y> for every r: inputs x, y; result like g.
    Curve,
    /// sum_r g_r A_r y: inputs y, g; result like x.
    Field,
}

/// Which lattice vectors a two-point correlation averages over. Bin r holds a vector and its negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Every vector whose length rounds to r pixels.
    Every,
    /// Along rows: r columns.
    Row,
    /// Along columns: r rows.
    Column,
    /// Along diagonals that fall to the right: r rows and r columns, a length of sqrt(2) r.
    Falling,
    /// Along diagonals that rise to the right: -r rows and r columns, a length of sqrt(2) r.
    Rising,
}

/// The Cahn-Hilliard equation u_t = laplacian(u^3 - u - kappa laplacian u) on a periodic grid of
/// spacing 1, and how it is stepped: semi-implicit and spectral, with a stabilising term (Eyre 1998;
/// Vollmayr-Lee and Rutenberg 2003; Zhu et al. 1999). In Fourier space, with k^2 = |k|^2,
///
///   u' (1 + dt k^2 (s + kappa k^2)) = u - dt k^2 F[u^3 - (1 + s) u],
///
/// which never raises the free energy, whatever the step, as long as s >= 1 bounds (3 u^2 - 1) / 2.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CahnHilliard {
    /// How many steps.
    pub steps: u32,
    /// Length of a step, in units of time.
    pub dt: f64,
    /// Gradient energy: an interface is sqrt(2 kappa) pixels wide.
    pub kappa: f64,
    /// The stabilising factor s.
    pub stabiliser: f64,
}

/// The elements that share a mean and a variance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Over {
    /// One group per channel (the last axis), over all other axes: batch normalisation.
    Batch,
    /// One group per sample (the first axis), over all other axes: layer normalisation.
    Layer,
}

impl Over {
    /// How many groups a tensor of this shape has.
    #[must_use]
    pub fn groups(self, shape: &Shape) -> usize {
        match self {
            Self::Batch => shape.channels(),
            Self::Layer => shape[0],
        }
    }

    /// A shape that broadcasts one number per group against `shape`.
    #[must_use]
    pub fn group_shape(self, shape: &Shape) -> Shape {
        let mut dims = [1; MAX_RANK];
        match self {
            Self::Batch => dims[shape.rank() - 1] = shape.channels(),
            Self::Layer => dims[0] = shape[0],
        }
        Shape::new(&dims[..shape.rank()])
    }
}

/// What is computed of a cotangent h of D, the derivative of a normalised layer by x ([`Op::NormReluGrad`]), with u
/// the cotangent g behind the mask, y the normalised x and r = 1 / sqrt(var + eps).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Second {
    /// Three rows of sums, of h, h y and h u, with <h, D> derived by gamma before them; inputs x, `Stats(x)`, gamma,
    /// beta, g, the sums of the first derivative, h.
    Sums,
    /// <h, D> derived by g: gamma r (h - mean h - y mean(h y)) behind the mask; inputs x, `Stats(x)`, gamma, beta, h
    /// and these sums.
    ByG,
    /// <h, D> derived by x; inputs x, `Stats(x)`, gamma, beta, g, the sums of the first derivative, h and these
    /// sums. What else is given is added, pixels of a smaller image repeated.
    ByX,
}

/// Settings of the Adam optimiser (Kingma and Ba 2015, Algorithm 1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AdamSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

impl AdamSettings {
    /// Tensors that one update takes: parameter, gradient, first moment and second moment. Where the first moment
    /// has no memory it is the gradient, and there is none.
    #[must_use]
    pub fn tensors(&self) -> usize {
        if self.beta1 == 0.0 { 3 } else { 4 }
    }
}

/// How far below the largest of a pixel's numbers a softmax still counts one: 48 ln 2, where it is 2^-48 of the largest
/// probability. Single precision cannot add less to anything near 1, and products of it with gradients would be
/// subnormal numbers, which many processors are slow with.
pub const SOFTMAX_REACH: f64 = 48.0 * std::f64::consts::LN_2;

/// One operation. Inputs are listed in order; "like x" means of the shape of x.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Op {
    /// A tensor that lives outside the step; no inputs.
    Leaf(LeafId),
    /// A constant in every element; no inputs.
    Fill(f64),
    /// Elementwise function of x.
    Unary(Unary),
    /// Elementwise function of a and b, broadcast against each other.
    Binary(Binary),
    /// Sum of x over the axes that the result has with extent 1; adjoint of [`Op::Broadcast`].
    SumTo,
    /// x repeated along its axes of extent 1; adjoint of [`Op::SumTo`].
    Broadcast,
    /// The same elements in another shape; moves nothing.
    Reshape,
    /// The same elements, held constant: moves nothing and has no derivative.
    Detach,
    /// Axis i of the result is axis `axes[i]` of x.
    Permute([usize; MAX_RANK]),
    /// The block of x that begins at the given index and has the result's shape; adjoint of
    /// [`Op::Pad`].
    Slice([usize; MAX_RANK]),
    /// x placed at the given index in zeros; adjoint of [`Op::Slice`].
    Pad([usize; MAX_RANK]),
    /// Two tensors joined along an axis. Never recorded: a plan makes it of paddings that are added.
    Concat(usize),
    /// As many elements of x as the result has, from this one on, where they lie: moves nothing. Never
    /// recorded.
    Part(usize),
    /// a b with either transposed first; a `[M, K]`, b `[K, N]`, result `[M, N]`.
    MatMul {
        /// a is stored `[K, M]`.
        transpose_a: bool,
        /// b is stored `[N, K]`.
        transpose_b: bool,
    },
    /// One leg of a convolution; see [`Leg`] for the inputs.
    Conv(Leg, Window),
    /// Leg y or x of a convolution with a bias `[C]` (third input) added to the result, then
    /// through a LeakyReLU of the given slope if there is one. Never recorded: a plan makes it of
    /// the operations it stands for.
    ConvBias(Leg, Window, Option<f64>),
    /// Leg y or x of a convolution, of the given slope where the third input, like the result, is not
    /// positive: [`Binary::Gate`] of it. Never recorded.
    ConvGate(Leg, Window, f64),
    /// A filter `[K, L, A, B]` with each tap at 2 x 2 places, those that fall together added: its full convolution with
    /// 2 x 2 ones, `[K + 1, L + 1, A, B]`. If turned, with taps from last to first and channels in each other's
    /// place: `[K + 1, L + 1, B, A]`.
    SpreadTaps {
        /// Whether the result is turned.
        turned: bool,
    },
    /// The adjoint of [`Op::SpreadTaps`]: each tap the sum of 2 x 2.
    GatherTaps {
        /// Whether the result is turned.
        turned: bool,
    },
    /// Mean over k x k blocks: `[N, H, W, C]` to `[N, H/k, W/k, C]`; k^-2 times the adjoint of
    /// [`Op::Upsample`].
    MeanPool(usize),
    /// Every pixel repeated k x k times (nearest neighbour), and a second input, which a plan alone gives, added.
    Upsample(usize),
    /// Softmax over the last axis; 0 for what is [`SOFTMAX_REACH`] below the largest.
    Softmax,
    /// y (g - sum(y g)) over the last axis, of y = softmax(x) and a cotangent g.
    SoftmaxGrad,
    /// Mean and biased variance of each group of x, as `[2, groups]`.
    Stats(Over),
    /// (x - mean) / sqrt(var + eps); inputs x and `Stats(x)`. A function of x alone: the second
    /// input is a by-product passed along so that nobody computes it twice.
    Normalise(Over, f64),
    /// r (g - mean(g) - y mean(g y)) with y the normalised x and r = 1 / sqrt(var + eps), means
    /// over each group; inputs x, `Stats(x)`, g. Self-adjoint in g.
    NormaliseGrad(Over, f64),
    /// LeakyReLU of the given slope of y gamma + beta, with y as of [`Op::Normalise`]; inputs x, `Stats(x)`,
    /// gamma and beta `[C]`. Never recorded.
    NormRelu(Over, f64, f64),
    /// Of the cotangent g of [`Op::NormRelu`], behind the mask of the LeakyReLU, the sums g and g y of every channel:
    /// the derivatives by beta and gamma; inputs x, `Stats(x)`, gamma, beta, g. Two rows, over a batch as long as
    /// alignment asks; of a layer the sums and means of each sample follow, see [`crate::device::LayerSums`].
    /// Never recorded.
    NormReluSums(Over, f64, f64),
    /// The derivative of the same by x; inputs as of [`Op::NormReluSums`], and its result. What else is given is
    /// added, pixels of a smaller image repeated. Never recorded.
    NormReluGrad(Over, f64, f64),
    /// Of a cotangent h of [`Op::NormReluGrad`] over a layer, what [`Second`] says, which lists inputs. Never
    /// recorded.
    NormReluSecond(Second, f64, f64),
    /// x `[N, H, W, C]` to `[N, C, 6]`: the sums of x, u x, v x, u^2 x, u v x and v^2 x, with u and v
    /// the column and the row counted from the middle of the image, (W - 1) / 2 and (H - 1) / 2, where
    /// single precision loses least (paper Eq. 5). Adjoint of [`Op::QuadraticField`].
    Moments,
    /// m `[N, C, 6]` to the field m0 + u m1 + v m2 + u^2 m3 + u v m4 + v^2 m5 `[N, H, W, C]`; adjoint
    /// of [`Op::Moments`].
    QuadraticField,
    /// x `[N, H, W, K]` to the length of boundary per area of every channel, `[N, K]`, in 1/px: the sum
    /// over the steps between neighbouring pixels a and b, along rows, columns and diagonals, of
    /// w (sqrt((a - b)^2 + soft^2) - soft). The weights w make it that of Crofton's formula where x is 0 or 1; see
    /// [`crate::steps`].
    Boundary(Border, f64),
    /// The gradient of <g, Boundary(x)> by x; inputs x `[N, H, W, K]` and g `[N, K]`.
    BoundaryGrad(Border, f64),
    /// One leg of the two-point correlation of fields `[N, H, W]` with curves `[N, R]`; see
    /// [`CorrelationLeg`] for the inputs and [`crate::device::radial`] for the bins.
    Correlation(CorrelationLeg, Direction, Border),
    /// u `[N, H, W]` after some steps of the Cahn-Hilliard equation. Has no derivative.
    CahnHilliard(CahnHilliard),
    /// b + u (a - b) of a and b `[N, ...]` and one number u `[N]` per sample.
    Interpolate,
    /// sqrt(sum g^2 + eps) of each sample: g `[N, ...]` to `[N]`.
    RowNorm(f64),
    /// Class maps u8 `[M, H, W]` and rows u32 `[N]` to one-hot images `[N, H, W, C]`.
    OneHot,
    /// Class maps u8 `[M, H, W]`, rows u32 `[N]` and random words u32 `[3 N]` to those rows, each moved by what its
    /// words choose of a [`Symmetry`], u8 `[N, H, W]`.
    Augment(Symmetry),
    /// table `[M, P]` and rows u32 `[N]` to `[N, P]`; adjoint of [`Op::ScatterAdd`].
    Gather,
    /// values `[N, P]` and rows u32 `[N]` summed into zeros `[M, P]`; adjoint of [`Op::Gather`].
    ScatterAdd,
    /// Index of the largest entry of the last axis, the first of equals; u8.
    ArgMax,
    /// Uniform on [0, 1) from stream `.0` of the generator state (see [`crate::rng`]).
    Uniform(u32),
    /// Standard normal from stream `.0`.
    Normal(u32),
    /// Uniform row numbers below `below`.
    RandomIndex {
        /// Stream of the generator.
        stream: u32,
        /// Exclusive bound.
        below: u32,
    },
    /// In place: inputs step, learning rate, then (parameter, gradient, m, v) for each parameter, without m where
    /// beta1 is 0 ([`AdamSettings::tensors`]).
    /// `step` counts from 0 and is advanced by [`Op::Tick`].
    Adam(AdamSettings),
    /// In place: inputs weight, then (target, source) pairs; target += weight (source - target).
    Lerp,
    /// In place: adds one to the last element of its input.
    Tick,
    /// In place: inputs ring `[R, K]`, step, then K scalars; writes them to row step mod R.
    Record,
}

impl Op {
    /// Which inputs the op changes in place. Such an op has no result.
    #[must_use]
    pub fn mutates(&self, input: usize) -> bool {
        match self {
            Self::Adam(settings) => input >= 2 && (input - 2) % settings.tensors() != 1,
            Self::Lerp => !input.is_multiple_of(2),
            Self::Tick | Self::Record => input == 0,
            _ => false,
        }
    }

    /// True for the ops that change their inputs instead of returning a result.
    #[must_use]
    pub fn in_place(&self) -> bool {
        matches!(self, Self::Adam(_) | Self::Lerp | Self::Tick | Self::Record)
    }

    /// True for the ops whose result lies where it did before.
    #[must_use]
    pub fn moves_nothing(&self) -> bool {
        matches!(self, Self::Leaf(_) | Self::Reshape | Self::Detach | Self::Part(_))
    }

    /// The name used in tables, messages and documentation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Leaf(_) => "leaf",
            Self::Fill(_) => "fill",
            Self::Unary(f) => match f {
                Unary::Neg => "neg",
                Unary::Exp => "exp",
                Unary::Ln => "ln",
                Unary::Sqrt => "sqrt",
                Unary::Recip => "recip",
                Unary::Square => "square",
                Unary::Tanh => "tanh",
                Unary::Sigmoid => "sigmoid",
                Unary::LeakyRelu(_) => "leaky_relu",
                Unary::LeakyMask(_) => "leaky_mask",
                Unary::Scale(_) => "scale",
                Unary::Shift(_) => "shift",
                Unary::Pow(_) => "pow",
            },
            Self::Binary(f) => match f {
                Binary::Add => "add",
                Binary::Sub => "sub",
                Binary::Mul => "mul",
                Binary::Div => "div",
                Binary::Gate(_) => "gate",
            },
            Self::SumTo => "sum_to",
            Self::Broadcast => "broadcast",
            Self::Reshape => "reshape",
            Self::Detach => "detach",
            Self::Permute(_) => "permute",
            Self::Slice(_) => "slice",
            Self::Pad(_) => "pad",
            Self::Concat(_) => "concat",
            Self::Part(_) => "part",
            Self::MatMul { .. } => "matmul",
            Self::Conv(Leg::Y, _) => "conv",
            Self::Conv(Leg::X, _) => "conv_transpose",
            Self::Conv(Leg::W, _) => "conv_weight",
            Self::ConvBias(Leg::X, ..) => "conv_transpose_bias",
            Self::ConvBias(..) => "conv_bias",
            Self::ConvGate(Leg::X, ..) => "conv_transpose_gate",
            Self::ConvGate(..) => "conv_gate",
            Self::SpreadTaps { .. } => "spread_taps",
            Self::GatherTaps { .. } => "gather_taps",
            Self::MeanPool(_) => "mean_pool",
            Self::Upsample(_) => "upsample",
            Self::Softmax => "softmax",
            Self::SoftmaxGrad => "softmax_grad",
            Self::Stats(_) => "stats",
            Self::Normalise(..) => "normalise",
            Self::NormaliseGrad(..) => "normalise_grad",
            Self::NormRelu(..) => "norm_relu",
            Self::NormReluSums(..) => "norm_relu_sums",
            Self::NormReluGrad(..) => "norm_relu_grad",
            Self::NormReluSecond(Second::Sums, ..) => "norm_relu_second_sums",
            Self::NormReluSecond(Second::ByG, ..) => "norm_relu_second_by_g",
            Self::NormReluSecond(Second::ByX, ..) => "norm_relu_second_by_x",
            Self::Moments => "moments",
            Self::QuadraticField => "quadratic_field",
            Self::Boundary(..) => "boundary",
            Self::BoundaryGrad(..) => "boundary_grad",
            Self::Correlation(CorrelationLeg::Curve, ..) => "correlation",
            Self::Correlation(CorrelationLeg::Field, ..) => "correlation_field",
            Self::CahnHilliard(_) => "cahn_hilliard",
            Self::Interpolate => "interpolate",
            Self::RowNorm(_) => "row_norm",
            Self::OneHot => "one_hot",
            Self::Augment(_) => "augment",
            Self::Gather => "gather",
            Self::ScatterAdd => "scatter_add",
            Self::ArgMax => "argmax",
            Self::Uniform(_) => "uniform",
            Self::Normal(_) => "normal",
            Self::RandomIndex { .. } => "random_index",
            Self::Adam(_) => "adam",
            Self::Lerp => "lerp",
            Self::Tick => "tick",
            Self::Record => "record",
        }
    }

    /// Floating-point operations by the usual count: two per multiply-add of the direct
    /// algorithm for matmul and convolution (whatever algorithm the device uses), zero elsewhere.
    #[must_use]
    pub fn flops(&self, inputs: &[Shape], out: &Shape) -> u64 {
        let count = match self {
            Self::MatMul { transpose_a, .. } => 2 * out.numel() * inputs[0][usize::from(!transpose_a)],
            Self::Conv(leg, window) | Self::ConvBias(leg, window, _) | Self::ConvGate(leg, window, _) => {
                let (channels_in, channels_out, batch) = match leg {
                    Leg::Y => (inputs[0][3], out[3], out[0]),
                    Leg::X => (out[3], inputs[0][3], out[0]),
                    Leg::W => (out[2], out[3], inputs[0][0]),
                };
                let [oh, ow] = window.out;
                2 * batch * oh * ow * window.kernel[0] * window.kernel[1] * channels_in * channels_out
            }
            _ => 0,
        };
        count as u64
    }
}
