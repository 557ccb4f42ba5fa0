//! The parts of a formula, in an order in which every part comes after those it is made of.
//!
//! Nothing that walks a formula calls itself: a list in order of evaluation has no depth.

use std::ops::Range;

/// The place of a part in the list.
pub(super) type Id = usize;

/// A part, and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) part: Part,
    /// Bytes of the text.
    pub(super) at: Range<usize>,
}

/// What a formula is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    Number(f64),
    Size(Size),
    /// Row of each pixel, 0..H-1.
    Row,
    /// Column of each pixel, 0..W-1.
    Column,
    /// The probability of a class, whose number this is.
    Channel(Id),
    /// What a `let` bound.
    Name(Id),
    Negative(Id),
    Of(Function, Id),
    Both(Operator, Id, Id),
    Total(Total, Id),
    /// A field moved by rows and by columns.
    Shift(Id, [Id; 2]),
    /// A field and the standard deviation of the Gaussian.
    Blur(Id, Id),
    /// Two fields and the number of points.
    Correlation(Id, Id, Id),
    /// A curve and the number of the point.
    Point(Id, Id),
}

/// Numbers that images of a size have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Height,
    Width,
    Pixels,
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Sqrt,
    Exp,
    Ln,
    Tanh,
    Sigmoid,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

/// One number of all pixels, or of all points of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Total {
    Mean,
    Sum,
}

/// A function as it is called.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [&'static str],
    /// The part, of as many arguments.
    pub(super) make: fn(&[Id]) -> Part,
}

impl Call {
    /// `shift(field, rows, columns)`.
    pub(super) fn signature(&self) -> String {
        format!("{}({})", self.name, self.arguments.join(", "))
    }
}

/// Every function.
pub(super) const CALLS: [Call; 13] = [
    Call { name: "abs", arguments: &["a"], make: |a| Part::Of(Function::Abs, a[0]) },
    Call { name: "sqrt", arguments: &["a"], make: |a| Part::Of(Function::Sqrt, a[0]) },
    Call { name: "exp", arguments: &["a"], make: |a| Part::Of(Function::Exp, a[0]) },
    Call { name: "ln", arguments: &["a"], make: |a| Part::Of(Function::Ln, a[0]) },
    Call { name: "tanh", arguments: &["a"], make: |a| Part::Of(Function::Tanh, a[0]) },
    Call { name: "sigmoid", arguments: &["a"], make: |a| Part::Of(Function::Sigmoid, a[0]) },
    Call { name: "min", arguments: &["a", "b"], make: |a| Part::Both(Operator::Min, a[0], a[1]) },
    Call { name: "max", arguments: &["a", "b"], make: |a| Part::Both(Operator::Max, a[0], a[1]) },
    Call { name: "mean", arguments: &["field"], make: |a| Part::Total(Total::Mean, a[0]) },
    Call { name: "sum", arguments: &["field"], make: |a| Part::Total(Total::Sum, a[0]) },
    Call {
        name: "shift",
        arguments: &["field", "rows", "columns"],
        make: |a| Part::Shift(a[0], [a[1], a[2]]),
    },
    Call { name: "blur", arguments: &["field", "sigma"], make: |a| Part::Blur(a[0], a[1]) },
    Call {
        name: "correlation",
        arguments: &["field", "field", "bins"],
        make: |a| Part::Correlation(a[0], a[1], a[2]),
    },
];

/// Every name that stands for something by itself.
pub(super) const VALUES: [(&str, Part); 6] = [
    ("pi", Part::Number(std::f64::consts::PI)),
    ("height", Part::Size(Size::Height)),
    ("width", Part::Size(Size::Width)),
    ("pixels", Part::Size(Size::Pixels)),
    ("row", Part::Row),
    ("col", Part::Column),
];

impl Part {
    /// The parts that it is made of.
    pub(super) fn operands(&self) -> Vec<Id> {
        match *self {
            Self::Number(_) | Self::Size(_) | Self::Row | Self::Column => vec![],
            Self::Channel(a) | Self::Name(a) | Self::Negative(a) | Self::Of(_, a) | Self::Total(_, a) => {
                vec![a]
            }
            Self::Both(_, a, b) | Self::Blur(a, b) | Self::Point(a, b) => vec![a, b],
            Self::Shift(a, [b, c]) | Self::Correlation(a, b, c) => vec![a, b, c],
        }
    }
}
