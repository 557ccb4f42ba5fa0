//! Formulas on the tape: every part is written with operations that there are, so that it runs on
//! every device and has every derivative.

use super::tree::{Function, Id, Node, Operator, Part, Total};
use super::types::{Type, Typed};
use crate::invariance::Images;
use crate::op::Border;
use crate::tape::{Tape, Var};

/// Largest whole exponent that is written as products: they hold for negative numbers, and their
/// derivatives at 0.
const MOST_FACTORS: f64 = 16.0;
/// Copies of an image on each side whose Gaussians still reach it: with a standard deviation of a
/// quarter of the side, those left out count less than e^-32.
const COPIES: i32 = 2;

/// The value of a part. What does not depend on the image has an extent of 1 for the batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'t> {
    Constant(f64),
    /// `[N, 1]`
    Scalar(Var<'t>),
    /// `[N, H, W]`
    Field(Var<'t>),
    /// `[N, D]`
    Curve(Var<'t>),
}

impl<'t> Value<'t> {
    /// What is recorded of it.
    pub(super) fn var(self) -> Option<Var<'t>> {
        match self {
            Self::Constant(_) => None,
            Self::Scalar(v) | Self::Field(v) | Self::Curve(v) => Some(v),
        }
    }

    /// The same type of value after an operation that changes no shape.
    fn map(self, f: impl Fn(Var<'t>) -> Var<'t>) -> Self {
        match self {
            Self::Constant(_) => self,
            Self::Scalar(v) => Self::Scalar(f(v)),
            Self::Field(v) => Self::Field(f(v)),
            Self::Curve(v) => Self::Curve(f(v)),
        }
    }
}

/// Records a formula on images `[N, H, W, C]`.
pub(super) struct Recorder<'a, 't> {
    typed: &'a Typed,
    images: &'a Images,
    x: Var<'t>,
    values: Vec<Value<'t>>,
    /// Each class that was named, row and column: recorded once.
    channels: Vec<Option<Var<'t>>>,
    coordinates: [Option<Var<'t>>; 2],
}

/// The value of every part.
pub(super) fn record<'t>(nodes: &[Node], typed: &Typed, images: &Images, x: Var<'t>) -> Vec<Value<'t>> {
    let mut recorder = Recorder {
        typed,
        images,
        x,
        values: Vec::with_capacity(nodes.len()),
        channels: vec![None; images.classes],
        coordinates: [None; 2],
    };
    for (id, node) in nodes.iter().enumerate() {
        let value = match typed.types[id] {
            Type::Constant(value) => Value::Constant(value),
            _ => recorder.part(node.part),
        };
        recorder.values.push(value);
    }
    recorder.values
}

impl<'t> Recorder<'_, 't> {
    fn tape(&self) -> &'t Tape {
        self.x.tape()
    }

    fn part(&mut self, part: Part) -> Value<'t> {
        match part {
            Part::Number(_) | Part::Size(_) => unreachable!("constants are no operations"),
            Part::Row => Value::Field(self.coordinate(0)),
            Part::Column => Value::Field(self.coordinate(1)),
            Part::Channel(class) => Value::Field(self.channel(self.typed.number(class) as usize)),
            Part::Name(a) => self.values[a],
            Part::Negative(a) => self.values[a].map(|v| -v),
            Part::Of(function, a) => self.values[a].map(|v| of(function, v)),
            Part::Both(operator, a, b) => both(operator, self.values[a], self.values[b]),
            Part::Total(total, a) => Value::Scalar(match self.values[a] {
                Value::Field(v) => {
                    let n = v.shape()[0];
                    over(total, v.sum_to([n, 1, 1]).reshape([n, 1]), self.images.pixels())
                }
                Value::Curve(v) => over(total, v.sum_last(), v.shape()[1]),
                other => unreachable!("{other:?} was refused"),
            }),
            Part::Shift(field, by) => {
                let by = by.map(|id| self.typed.number(id) as isize);
                let mut field = self.field(field);
                for axis in [0, 1] {
                    field = shift(field, axis + 1, by[axis], self.images.border);
                }
                Value::Field(field)
            }
            Part::Blur(field, sigma) => {
                Value::Field(blur(self.field(field), self.typed.number(sigma), self.images.border))
            }
            Part::Correlation(a, b, bins) => {
                let [a, b] = [self.field(a), self.field(b)];
                // Both of one batch, and of one node where they are the same.
                let n = a.shape()[0].max(b.shape()[0]);
                let [_, h, w] = [0, 1, 2].map(|axis| a.shape()[axis]);
                let [a, b] = [a, b].map(|field| field.broadcast([n, h, w]));
                Value::Curve(a.correlation_with(b, self.typed.number(bins) as usize, self.images.border))
            }
            Part::Point(curve, index) => match self.values[curve] {
                Value::Curve(v) => {
                    let index = self.typed.number(index) as usize;
                    Value::Scalar(v.slice(&[0, index], [v.shape()[0], 1]))
                }
                other => unreachable!("{other:?} was refused"),
            },
        }
    }

    fn channel(&mut self, class: usize) -> Var<'t> {
        let s = self.x.shape();
        *self.channels[class].get_or_insert_with(|| {
            self.x.slice(&[0, 0, 0, class], [s[0], s[1], s[2], 1]).reshape([s[0], s[1], s[2]])
        })
    }

    /// The row or the column of each pixel, `[1, H, W]`.
    fn coordinate(&mut self, axis: usize) -> Var<'t> {
        let (tape, size) = (self.tape(), self.images.size);
        *self.coordinates[axis].get_or_insert_with(|| {
            let along = if axis == 0 { [0.0, 0.0, 1.0] } else { [0.0, 1.0, 0.0] };
            affine(tape, along, size)
        })
    }

    /// A field; a number is one everywhere.
    fn field(&self, id: Id) -> Var<'t> {
        let [h, w] = self.images.size;
        match self.values[id] {
            Value::Field(v) => v,
            Value::Constant(value) => self.tape().fill(value, [1, h, w]),
            Value::Scalar(v) => v.reshape([v.shape()[0], 1, 1]).broadcast([v.shape()[0], h, w]),
            other => unreachable!("{other:?} was refused"),
        }
    }
}

fn over(total: Total, sum: Var<'_>, count: usize) -> Var<'_> {
    match total {
        Total::Sum => sum,
        Total::Mean => sum.scale(1.0 / count as f64),
    }
}

fn of(function: Function, v: Var<'_>) -> Var<'_> {
    match function {
        Function::Abs => abs(v),
        Function::Sqrt => v.sqrt(),
        Function::Exp => v.exp(),
        Function::Ln => v.ln(),
        Function::Tanh => v.tanh(),
        Function::Sigmoid => v.sigmoid(),
    }
}

/// |v|, with a derivative of 0 at 0.
fn abs(v: Var<'_>) -> Var<'_> {
    v.relu() + (-v).relu()
}

fn both<'t>(operator: Operator, a: Value<'t>, b: Value<'t>) -> Value<'t> {
    match (a, b) {
        (Value::Constant(_), Value::Constant(_)) => unreachable!("constants are no operations"),
        (Value::Constant(c), b) => b.map(|v| constant_left(operator, c, v)),
        (a, Value::Constant(c)) => a.map(|v| constant_right(operator, v, c)),
        (Value::Scalar(a), Value::Field(b)) => Value::Field(joined(operator, over_pixels(a), b)),
        (Value::Field(a), Value::Scalar(b)) => Value::Field(joined(operator, a, over_pixels(b))),
        (Value::Field(a), Value::Field(b)) => Value::Field(joined(operator, a, b)),
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(joined(operator, a, b)),
        (Value::Scalar(a) | Value::Curve(a), Value::Scalar(b) | Value::Curve(b)) => {
            Value::Curve(joined(operator, a, b))
        }
        (a, b) => unreachable!("{a:?} and {b:?} were refused"),
    }
}

/// `[N, 1]` to `[N, 1, 1]`.
fn over_pixels(v: Var<'_>) -> Var<'_> {
    v.reshape([v.shape()[0], 1, 1])
}

fn joined<'t>(operator: Operator, a: Var<'t>, b: Var<'t>) -> Var<'t> {
    match operator {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mul => a * b,
        Operator::Div => a / b,
        Operator::Pow => (b * a.ln()).exp(),
        // Of equals, the first one counts.
        Operator::Min => a - (a - b).relu(),
        Operator::Max => a + (b - a).relu(),
    }
}

fn constant_left(operator: Operator, c: f64, v: Var<'_>) -> Var<'_> {
    match operator {
        Operator::Add => v.shift(c),
        Operator::Sub => (-v).shift(c),
        Operator::Mul => v.scale(c),
        Operator::Div => v.recip().scale(c),
        Operator::Pow => v.scale(c.ln()).exp(),
        Operator::Min => (-(-v).shift(c).relu()).shift(c),
        Operator::Max => v.shift(-c).relu().shift(c),
    }
}

fn constant_right(operator: Operator, v: Var<'_>, c: f64) -> Var<'_> {
    match operator {
        Operator::Add => v.shift(c),
        Operator::Sub => v.shift(-c),
        Operator::Mul => v.scale(c),
        Operator::Div => v.scale(1.0 / c),
        Operator::Pow => power(v, c),
        Operator::Min => v - v.shift(-c).relu(),
        Operator::Max => v + (-v).shift(c).relu(),
    }
}

/// v to a constant power.
fn power(v: Var<'_>, exponent: f64) -> Var<'_> {
    if exponent == 0.5 {
        return v.sqrt();
    }
    let factors = exponent.abs();
    if factors.fract() != 0.0 || factors > MOST_FACTORS {
        return v.pow(exponent);
    }
    let mut product: Option<Var<'_>> = None;
    let mut square = v;
    let mut left = factors as usize;
    while left > 0 {
        if left % 2 == 1 {
            product = Some(product.map_or(square, |p| p * square));
        }
        left /= 2;
        if left > 0 {
            square = square.square();
        }
    }
    match product {
        None => v.scale(0.0).shift(1.0),
        Some(product) if exponent < 0.0 => product.recip(),
        Some(product) => product,
    }
}

/// m0 + column m1 + row m2, `[1, H, W]`.
fn affine(tape: &Tape, [m0, m1, m2]: [f64; 3], [h, w]: [usize; 2]) -> Var<'_> {
    // The field's coordinates are about the middle of the image.
    let middle = m0 + m1 * (w as f64 - 1.0) / 2.0 + m2 * (h as f64 - 1.0) / 2.0;
    let m = [middle, m1, m2, 0.0, 0.0, 0.0].map(|c| tape.fill(c, [1, 1, 1]));
    tape.concat(&m, 2).quadratic_field([1, h, w, 1]).reshape([1, h, w])
}

/// A field whose value at i is that at i - `by` along an axis; beyond an open border it is 0.
fn shift(field: Var<'_>, axis: usize, by: isize, border: Border) -> Var<'_> {
    let shape = field.shape();
    let (side, steps) = (shape[axis], by.unsigned_abs());
    if steps == 0 {
        return field;
    }
    // The part that stays within the image, and the part that leaves it.
    let (stays, leaves) = (side - steps, steps);
    let piece = |from: usize, length: usize, to: usize| {
        let (mut start, mut dims, mut place) = ([0; 3], [shape[0], shape[1], shape[2]], [0; 3]);
        (start[axis], dims[axis], place[axis]) = (from, length, to);
        field.slice(&start, dims).pad_into(&place, shape)
    };
    let (kept, lost) =
        if by > 0 { (piece(0, stays, steps), (stays, 0)) } else { (piece(steps, stays, 0), (0, stays)) };
    match border {
        Border::Open => kept,
        Border::Periodic => kept + piece(lost.0, leaves, lost.1),
    }
}

/// A Gaussian mean of the neighbours: along the rows and along the columns by a matrix of weights
/// `[from, to]` that sum to 1 for each pixel. A periodic image lies beside copies of itself; in an
/// open one the pixels that there are share the weight.
fn blur(field: Var<'_>, sigma: f64, border: Border) -> Var<'_> {
    let mut field = field;
    for _ in 0..2 {
        let s = field.shape();
        let [n, h, w] = [s[0], s[1], s[2]];
        let weights = gaussian(field.tape(), w, sigma, border);
        // Rows and columns change places, and back.
        field = field.reshape([n * h, w]).matmul(weights).reshape([n, h, w]).permute(&[0, 2, 1]);
    }
    field
}

/// The weights of each pixel of a line for each, `[side, side]`.
fn gaussian(tape: &Tape, side: usize, sigma: f64, border: Border) -> Var<'_> {
    let copies = if border == Border::Periodic { COPIES } else { 0 };
    let bells = (-copies..=copies).map(|copy| {
        let distance = affine(tape, [f64::from(copy) * side as f64, 1.0, -1.0], [side, side]);
        distance.square().scale(-0.5 / (sigma * sigma)).exp().reshape([side, side])
    });
    let sum = bells.reduce(|sum, bell| sum + bell).expect("there is the image itself");
    sum / sum.sum_to([1, side])
}
