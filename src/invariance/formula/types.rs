//! What each part of a formula is on given images: a number, a field or a curve.

use super::parse::Fault;
use super::tree::{Function, Id, Node, Operator, Part, Size};
use crate::device::radial;
use crate::invariance::Images;
use crate::op::Border;
use crate::words::counted;

/// What a part is. A constant is known before there is an image; the others have a value for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Type {
    Constant(f64),
    Scalar,
    Field,
    /// So many points.
    Curve(usize),
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Constant(_) | Self::Scalar => "a number",
            Self::Field => "a field",
            Self::Curve(_) => "a curve",
        }
    }
}

/// Smallest standard deviation of a blur, in pixels: below it no neighbour counts.
const LEAST_SIGMA: f64 = 0.1;
/// Shorter sides of an image to the largest standard deviation of a blur.
pub(super) const SIDE_TO_SIGMA: f64 = 4.0;

/// What is known of the parts of a formula.
pub(super) struct Typed {
    pub(super) types: Vec<Type>,
    /// Whether it differs from image to image.
    pub(super) depends: Vec<bool>,
}

/// The type of every part, and of the result, which is a number or a curve that depends on the image.
///
/// # Errors
/// The first part that these images do not allow.
pub(super) fn types(nodes: &[Node], images: &Images) -> Result<Typed, Fault> {
    let mut typed = Typed { types: Vec::new(), depends: Vec::new() };
    for node in nodes {
        let found = typed.of(node, nodes, images)?;
        if let Type::Constant(value) = found
            && !value.is_finite()
        {
            return Err(Fault::new(format!("is {value}, no finite number"), node.at.clone()));
        }
        typed.types.push(found);
        let inner = node.part.operands().iter().any(|&id| typed.depends[id]);
        typed.depends.push(inner || matches!(node.part, Part::Channel(_)));
    }
    let (Some(result), Some(kind), Some(depends)) = (nodes.last(), typed.types.last(), typed.depends.last())
    else {
        return Err(Fault::new("is empty", 0..0));
    };
    if *kind == Type::Field {
        let problem = "is a number for every pixel: take mean(...) or sum(...) of it";
        return Err(Fault::new(problem, result.at.clone()));
    }
    if !depends {
        let problem = "is the same for every image: it names no class of x, as x[1] does";
        return Err(Fault::new(problem, result.at.clone()));
    }
    Ok(typed)
}

impl Typed {
    fn of(&self, node: &Node, nodes: &[Node], images: &Images) -> Result<Type, Fault> {
        let [height, width] = images.size;
        Ok(match node.part {
            Part::Number(value) => Type::Constant(value),
            Part::Size(Size::Height) => Type::Constant(height as f64),
            Part::Size(Size::Width) => Type::Constant(width as f64),
            Part::Size(Size::Pixels) => Type::Constant(images.pixels() as f64),
            Part::Row | Part::Column => Type::Field,
            Part::Channel(class) => {
                let last = images.classes as f64 - 1.0;
                let allowed = || format!("is no class of the images: they have classes 0 to {last}");
                self.whole(class, nodes, 0.0..=last, allowed)?;
                Type::Field
            }
            Part::Name(value) => self.types[value],
            Part::Negative(a) => match self.types[a] {
                Type::Constant(value) => Type::Constant(-value),
                other => other,
            },
            Part::Of(function, a) => match self.types[a] {
                Type::Constant(value) => Type::Constant(function.of(value)),
                other => other,
            },
            Part::Both(operator, a, b) => self.both(operator, [a, b], node, nodes)?,
            Part::Total(_, a) => {
                if !matches!(self.types[a], Type::Field | Type::Curve(_)) {
                    return Err(Fault::new(
                        "is one number already: nothing to take a mean or a sum of",
                        nodes[a].at.clone(),
                    ));
                }
                Type::Scalar
            }
            Part::Shift(field, [rows, columns]) => {
                self.spread(field, nodes)?;
                for (by, side, name) in [(rows, height, "height"), (columns, width, "width")] {
                    let most = side as f64 - 1.0;
                    let allowed = || format!("must be a whole number of pixels less than the {name}, {side}");
                    self.whole(by, nodes, -most..=most, allowed)?;
                }
                Type::Field
            }
            Part::Blur(field, sigma) => {
                self.spread(field, nodes)?;
                let most = height.min(width) as f64 / SIDE_TO_SIGMA;
                let allowed =
                    || format!("must be from {LEAST_SIGMA} to a quarter of the shorter side, {most} pixels");
                self.constant(sigma, nodes, LEAST_SIGMA..=most, allowed)?;
                Type::Field
            }
            Part::Correlation(a, b, bins) => {
                self.spread(a, nodes)?;
                self.spread(b, nodes)?;
                let most = radial::most_bins(images.size, images.border);
                let border = if images.border == Border::Periodic { "periodic " } else { "" };
                let allowed =
                    || format!("must be from 1 to {most} points for {border}images of {height} x {width}");
                Type::Curve(self.whole(bins, nodes, 1.0..=most as f64, allowed)?)
            }
            Part::Point(curve, index) => {
                let Type::Curve(points) = self.types[curve] else {
                    let problem = format!("is {}: only a curve has points", self.types[curve].name());
                    return Err(Fault::new(problem, nodes[curve].at.clone()));
                };
                let last = points as f64 - 1.0;
                let allowed = || format!("is no point of the curve: it has points 0 to {last}");
                self.whole(index, nodes, 0.0..=last, allowed)?;
                Type::Scalar
            }
        })
    }

    fn both(&self, operator: Operator, [a, b]: [Id; 2], node: &Node, nodes: &[Node]) -> Result<Type, Fault> {
        if operator == Operator::Pow
            && let (Type::Constant(base), Type::Scalar | Type::Field | Type::Curve(_)) =
                (self.types[a], self.types[b])
            && base <= 0.0
        {
            let problem = format!("is {base}: only a base above 0 has a power that varies");
            return Err(Fault::new(problem, nodes[a].at.clone()));
        }
        match (self.types[a], self.types[b]) {
            (Type::Constant(a), Type::Constant(b)) => Ok(Type::Constant(operator.of(a, b))),
            (Type::Constant(_), other) | (other, Type::Constant(_)) => Ok(other),
            (Type::Scalar, other) | (other, Type::Scalar) => Ok(other),
            (Type::Field, Type::Field) => Ok(Type::Field),
            (Type::Curve(a), Type::Curve(b)) if a == b => Ok(Type::Curve(a)),
            (Type::Curve(a), Type::Curve(b)) => Err(Fault::new(
                format!("joins a curve of {} and one of {b}", counted(a, "point")),
                node.at.clone(),
            )),
            (a, b) => {
                let problem = format!("joins {} and {}, which differ in extent", a.name(), b.name());
                Err(Fault::new(problem, node.at.clone()))
            }
        }
    }

    /// A field, or a number that stands for a field of it.
    fn spread(&self, field: Id, nodes: &[Node]) -> Result<(), Fault> {
        match self.types[field] {
            Type::Curve(_) => Err(Fault::new("is a curve, not a field", nodes[field].at.clone())),
            _ => Ok(()),
        }
    }

    /// A number that is known before there is an image.
    fn constant(
        &self,
        id: Id,
        nodes: &[Node],
        range: std::ops::RangeInclusive<f64>,
        allowed: impl Fn() -> String,
    ) -> Result<f64, Fault> {
        match self.types[id] {
            Type::Constant(value) if range.contains(&value) => Ok(value),
            Type::Constant(_) => Err(Fault::new(allowed(), nodes[id].at.clone())),
            _ => {
                let problem = "must not depend on the image: numbers and sizes only";
                Err(Fault::new(problem, nodes[id].at.clone()))
            }
        }
    }

    /// A whole one; its magnitude.
    fn whole(
        &self,
        id: Id,
        nodes: &[Node],
        range: std::ops::RangeInclusive<f64>,
        allowed: impl Fn() -> String,
    ) -> Result<usize, Fault> {
        let value = self.constant(id, nodes, range, &allowed)?;
        if value.fract() != 0.0 {
            return Err(Fault::new(allowed(), nodes[id].at.clone()));
        }
        Ok(value.abs() as usize)
    }

    /// The value of a constant.
    pub(super) fn number(&self, id: Id) -> f64 {
        match self.types[id] {
            Type::Constant(value) => value,
            other => unreachable!("{other:?} where a constant was checked for"),
        }
    }
}

impl Function {
    fn of(self, a: f64) -> f64 {
        match self {
            Self::Abs => a.abs(),
            Self::Sqrt => a.sqrt(),
            Self::Exp => a.exp(),
            Self::Ln => a.ln(),
            Self::Tanh => a.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-a).exp()),
        }
    }
}

impl Operator {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}
