//! One declaration per operation: inputs on which it is checked and measured.
//!
//! The gradient check, the parity tests and the benches all walk this list, so an operation that
//! is declared here is covered everywhere.

use crate::gradcheck::{Input, Values, numbers};
use crate::op::{Border, Direction, Over, Window};
use crate::shape::Shape;
use crate::tape::{Tape, Var};

/// How a sample records its operation.
pub type Build = for<'t> fn(&'t Tape, &[Var<'t>]) -> Var<'t>;

/// Inputs and a formula that uses one operation.
pub struct Sample {
    /// The operation, with a case after a slash where there are several.
    pub name: &'static str,
    /// The inputs, away from kinks and poles.
    pub inputs: Vec<Input>,
    /// Records the operation.
    pub build: Build,
}

/// Numbers with magnitude between 0.25 and 1.25: no kink at zero within reach.
fn real<const R: usize>(seed: u64, shape: [usize; R]) -> Input {
    let shape = Shape::from(shape);
    let values = numbers(100 + seed, shape.numel()).into_iter().map(|v| v + 0.25f64.copysign(v)).collect();
    Input { shape, values: Values::Real(values) }
}

/// Numbers between 0.25 and 1.25.
fn positive<const R: usize>(seed: u64, shape: [usize; R]) -> Input {
    let mut input = real(seed, shape);
    if let Values::Real(values) = &mut input.values {
        values.iter_mut().for_each(|v| *v = v.abs());
    }
    input
}

fn words(values: &[u32]) -> Input {
    Input { shape: Shape::from([values.len()]), values: Values::Words(values.to_vec()) }
}

fn sample(name: &'static str, inputs: Vec<Input>, build: Build) -> Sample {
    Sample { name, inputs, build }
}

/// Every operation with a real result and a real input.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let mut all = elementwise();
    all.extend(structural());
    all.extend(spatial());
    all.extend(statistical());
    all.extend(correlations());
    all.extend(boundaries());
    all.extend(penalties());
    all
}

fn elementwise() -> Vec<Sample> {
    let x = || vec![real(0, [2, 3, 5])];
    let up = || vec![positive(0, [2, 3, 5])];
    let pair = || vec![real(1, [3, 5]), real(2, [3, 5])];
    vec![
        sample("neg", x(), |_, x| -x[0]),
        sample("exp", x(), |_, x| x[0].exp()),
        sample("ln", up(), |_, x| x[0].ln()),
        sample("sqrt", up(), |_, x| x[0].sqrt()),
        sample("recip", x(), |_, x| x[0].recip()),
        sample("square", x(), |_, x| x[0].square()),
        sample("tanh", x(), |_, x| x[0].tanh()),
        sample("sigmoid", x(), |_, x| x[0].sigmoid()),
        sample("leaky_relu/relu", x(), |_, x| x[0].square().shift(-0.5).relu()),
        sample("leaky_relu", x(), |_, x| x[0].leaky_relu(0.2)),
        sample("leaky_mask", x(), |_, x| x[0].leaky_mask(0.2) * x[0].square()),
        sample("scale", x(), |_, x| x[0].scale(-1.5)),
        sample("shift", x(), |_, x| x[0].shift(0.75)),
        sample("pow", up(), |_, x| x[0].pow(2.5)),
        sample("add", pair(), |_, x| x[0] + x[1]),
        sample("sub", pair(), |_, x| x[0] - x[1]),
        sample("mul", pair(), |_, x| x[0] * x[1]),
        sample("div", pair(), |_, x| x[0] / x[1]),
        sample("gate", pair(), |_, x| x[1].square().gate(x[0], 0.2)),
        sample("add/channels", vec![real(3, [2, 3, 1, 5]), real(4, [5])], |_, x| x[0] + x[1]),
        sample("sub/samples", vec![real(5, [3, 1, 1]), real(6, [3, 4, 2])], |_, x| x[0] - x[1]),
        sample("mul/both", vec![real(7, [3, 1, 5]), real(8, [1, 4, 1])], |_, x| x[0] * x[1]),
        sample("div/scalar", vec![real(9, [3, 5]), real(10, [])], |_, x| x[0] / x[1]),
    ]
}

fn structural() -> Vec<Sample> {
    let cube = || vec![real(11, [3, 4, 5])];
    vec![
        sample("sum_to/all", cube(), |_, x| x[0].square().sum()),
        sample("sum_to/leading", cube(), |_, x| x[0].square().sum_to([5])),
        sample("sum_to/trailing", cube(), |_, x| x[0].square().sum_to([3, 1, 1])),
        sample("sum_to/middle", cube(), |_, x| x[0].square().sum_to([3, 1, 5])),
        sample("sum_to/ends", cube(), |_, x| x[0].square().sum_to([1, 4, 1])),
        sample("broadcast", vec![real(12, [3, 1, 5])], |_, x| x[0].square().broadcast([2, 3, 4, 5])),
        sample("reshape", cube(), |_, x| x[0].square().reshape([10, 6])),
        sample("permute", cube(), |_, x| x[0].square().permute(&[2, 0, 1])),
        sample("slice", cube(), |_, x| x[0].square().slice(&[1, 0, 2], [2, 3, 2])),
        sample("pad", cube(), |_, x| x[0].square().pad_into(&[0, 2, 1], [4, 6, 7])),
        sample("concat", vec![real(13, [2, 3]), real(14, [2, 4])], |t, x| {
            t.concat(&[x[0].square(), x[1]], 1)
        }),
        sample("matmul", vec![real(15, [3, 4]), real(16, [4, 5])], |_, x| x[0].matmul(x[1])),
        sample("matmul/ta", vec![real(17, [4, 3]), real(18, [4, 5])], |_, x| {
            x[0].matmul_t(x[1], true, false)
        }),
        sample("matmul/tb", vec![real(19, [3, 4]), real(20, [5, 4])], |_, x| {
            x[0].matmul_t(x[1], false, true)
        }),
        sample("matmul/tt", vec![real(21, [4, 3]), real(22, [5, 4])], |_, x| x[0].matmul_t(x[1], true, true)),
        sample("gather", vec![real(23, [5, 3]), words(&[4, 0, 4, 2])], |_, x| x[0].square().gather(x[1])),
        sample("scatter_add", vec![real(24, [4, 3]), words(&[4, 0, 4, 2])], |_, x| {
            x[0].square().scatter_add(x[1], [5, 3])
        }),
    ]
}

/// The second convolution geometry: rectangular image and kernel, different strides and paddings.
const ODD: Window =
    Window { image: [7, 5], kernel: [3, 2], stride: [2, 1], pad: [1, 0], out: [4, 4], border: Border::Open };
/// The DCGAN geometry on the smallest image whose tiles meet.
const HALF: Window =
    Window { image: [8, 8], kernel: [4, 4], stride: [2, 2], pad: [1, 1], out: [4, 4], border: Border::Open };
/// A torus whose filter, longer than the step, reaches far over one edge and not over the other.
const TORUS: Window = Window {
    image: [6, 4],
    kernel: [5, 2],
    stride: [3, 1],
    pad: [4, 0],
    out: [2, 4],
    border: Border::Periodic,
};

fn spatial() -> Vec<Sample> {
    vec![
        sample("conv", vec![real(25, [2, 5, 4, 3]), real(26, [3, 3, 3, 2])], |_, x| {
            x[0].conv(x[1], [1, 1], [1, 1], Border::Open)
        }),
        sample("conv/odd", vec![real(27, [2, 7, 5, 2]), real(28, [3, 2, 2, 3])], |_, x| {
            x[0].conv_leg_y(x[1], ODD)
        }),
        sample("conv_transpose", vec![real(29, [2, 3, 4, 2]), real(30, [4, 4, 3, 2])], |_, x| {
            x[0].conv_transpose(x[1], [2, 2], [1, 1], [0, 0], Border::Open)
        }),
        sample("conv_transpose/odd", vec![real(31, [2, 4, 4, 3]), real(32, [3, 2, 2, 3])], |_, x| {
            x[0].conv_leg_x(x[1], ODD)
        }),
        sample("conv_transpose/stride1", vec![real(33, [1, 4, 3, 2]), real(34, [3, 3, 3, 2])], |_, x| {
            x[0].conv_transpose(x[1], [1, 1], [1, 1], [0, 0], Border::Open)
        }),
        sample("conv_weight", vec![real(35, [2, 7, 5, 2]), real(36, [2, 4, 4, 3])], |_, x| {
            x[0].conv_leg_w(x[1], ODD)
        }),
        sample("conv/winograd", vec![real(37, [1, 8, 8, 8]), real(38, [4, 4, 8, 9])], |_, x| {
            x[0].conv_leg_y(x[1], HALF)
        }),
        sample("conv/periodic", vec![real(62, [2, 6, 4, 2]), real(63, [5, 2, 2, 3])], |_, x| {
            x[0].conv_leg_y(x[1], TORUS)
        }),
        sample("conv_transpose/periodic", vec![real(64, [2, 2, 4, 3]), real(65, [5, 2, 2, 3])], |_, x| {
            x[0].conv_leg_x(x[1], TORUS)
        }),
        sample("conv_transpose/torus", vec![real(66, [1, 3, 5, 2]), real(67, [3, 3, 2, 2])], |_, x| {
            x[0].conv_transpose(x[1], [1, 1], [1, 1], [0, 0], Border::Periodic)
        }),
        sample("conv_weight/periodic", vec![real(68, [2, 6, 4, 2]), real(69, [2, 2, 4, 3])], |_, x| {
            x[0].conv_leg_w(x[1], TORUS)
        }),
        sample("conv/winograd_periodic", vec![real(70, [1, 8, 8, 8]), real(71, [4, 4, 8, 9])], |_, x| {
            x[0].conv(x[1], [2, 2], [1, 1], Border::Periodic)
        }),
        sample("spread_taps", vec![real(38, [3, 2, 3, 2])], |_, x| x[0].square().spread_taps(false)),
        sample("spread_taps/turned", vec![real(38, [2, 3, 3, 2])], |_, x| x[0].square().spread_taps(true)),
        sample("gather_taps", vec![real(38, [3, 2, 3, 2])], |_, x| x[0].square().gather_taps(false)),
        sample("gather_taps/turned", vec![real(38, [2, 3, 3, 2])], |_, x| x[0].square().gather_taps(true)),
        sample("mean_pool", vec![real(39, [2, 4, 6, 3])], |_, x| x[0].square().mean_pool(2)),
        sample("mean_pool/3", vec![real(39, [2, 3, 6, 2])], |_, x| x[0].square().mean_pool(3)),
        sample("upsample", vec![real(40, [2, 2, 3, 3])], |_, x| x[0].square().upsample(3)),
        sample("moments", vec![real(41, [2, 3, 5, 2])], |_, x| x[0].square().moments()),
        sample("quadratic_field", vec![real(42, [2, 3, 6])], |_, x| {
            x[0].square().quadratic_field([2, 4, 5, 3])
        }),
    ]
}

fn correlations() -> Vec<Sample> {
    vec![
        sample("correlation", vec![real(53, [2, 5, 7])], |_, x| x[0].correlation(3, Border::Periodic)),
        sample("correlation/even", vec![real(54, [2, 6, 4])], |_, x| x[0].correlation(2, Border::Periodic)),
        sample("correlation/open", vec![real(55, [2, 4, 5])], |_, x| x[0].correlation(4, Border::Open)),
        sample("correlation/two", vec![real(56, [2, 5, 4]), real(57, [2, 5, 4])], |_, x| {
            x[0].correlation_with(x[1], 3, Border::Periodic)
        }),
        sample("correlation_field", vec![real(58, [2, 5, 7]), real(59, [2, 3])], |_, x| {
            x[0].correlation_field(x[1], Direction::Every, Border::Periodic)
        }),
        sample("correlation_field/open", vec![real(60, [2, 3, 4]), real(61, [2, 3])], |_, x| {
            x[0].correlation_field(x[1], Direction::Every, Border::Open)
        }),
        sample("correlation/row", vec![real(62, [2, 3, 6])], |_, x| {
            x[0].correlation_along(x[0], Direction::Row, 4, Border::Periodic)
        }),
        sample("correlation/column", vec![real(63, [2, 5, 3])], |_, x| {
            x[0].correlation_along(x[0], Direction::Column, 5, Border::Open)
        }),
        sample("correlation/falling", vec![real(64, [1, 4, 4]), real(65, [1, 4, 4])], |_, x| {
            x[0].correlation_along(x[1], Direction::Falling, 3, Border::Periodic)
        }),
        sample("correlation_field/rising", vec![real(66, [1, 4, 6]), real(67, [1, 3])], |_, x| {
            x[0].correlation_field(x[1], Direction::Rising, Border::Periodic)
        }),
        sample("correlation_field/falling", vec![real(68, [1, 4, 5]), real(69, [1, 4])], |_, x| {
            x[0].correlation_field(x[1], Direction::Falling, Border::Open)
        }),
    ]
}

/// Rounded off widely, so that differences see no kink.
const SOFT: f64 = 0.7;

fn boundaries() -> Vec<Sample> {
    vec![
        sample("boundary", vec![real(70, [2, 3, 4, 2])], |_, x| x[0].boundary(Border::Periodic, SOFT)),
        sample("boundary/open", vec![real(71, [2, 3, 4, 2])], |_, x| x[0].boundary(Border::Open, SOFT)),
        sample("boundary_grad", vec![real(72, [1, 3, 4, 2]), real(73, [1, 2])], |_, x| {
            x[0].boundary_grad(x[1], Border::Periodic, SOFT)
        }),
        sample("boundary_grad/open", vec![real(74, [2, 2, 3, 1]), real(75, [2, 1])], |_, x| {
            x[0].boundary_grad(x[1], Border::Open, SOFT)
        }),
    ]
}

fn penalties() -> Vec<Sample> {
    vec![
        sample("interpolate", vec![real(49, [3, 2, 5]), real(50, [3, 2, 5]), real(51, [3])], |_, x| {
            x[0].interpolate(x[1], x[2])
        }),
        sample("row_norm", vec![real(52, [3, 2, 5])], |_, x| x[0].row_norm(1e-3)),
    ]
}

fn statistical() -> Vec<Sample> {
    let image = || vec![real(43, [3, 2, 3, 4])];
    let with_cotangent = || vec![real(44, [3, 2, 3, 4]), real(45, [3, 2, 3, 4])];
    vec![
        sample("softmax", vec![real(46, [2, 3, 5])], |_, x| x[0].softmax()),
        sample("softmax_grad", vec![real(47, [2, 3, 5]), real(48, [2, 3, 5])], |_, x| {
            x[0].softmax_grad(x[1])
        }),
        sample("stats/batch", image(), |_, x| x[0].stats(Over::Batch)),
        sample("stats/layer", image(), |_, x| x[0].stats(Over::Layer)),
        sample("normalise/batch", image(), |_, x| x[0].normalise(Over::Batch, 1e-3)),
        sample("normalise/layer", image(), |_, x| x[0].normalise(Over::Layer, 1e-3)),
        sample("normalise_grad/batch", with_cotangent(), |_, x| {
            x[0].normalise_grad(x[0].stats(Over::Batch), x[1], Over::Batch, 1e-3)
        }),
        sample("normalise_grad/layer", with_cotangent(), |_, x| {
            x[0].normalise_grad(x[0].stats(Over::Layer), x[1], Over::Layer, 1e-3)
        }),
    ]
}
