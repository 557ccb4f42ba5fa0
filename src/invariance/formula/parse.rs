//! The grammar of formulas.
//!
//! ```text
//! formula  = { "let" name "=" sum ";" } sum
//! sum      = product { ("+" | "-") product }
//! product  = signed { ("*" | "/") signed }
//! signed   = "-" signed | power
//! power    = atom [ "^" signed ]
//! atom     = ( number | value | "x" "[" sum "]" | function "(" sum { "," sum } ")" | "(" sum ")" )
//!            { "[" sum "]" }
//! ```
//!
//! So `-a^2` is `-(a^2)`, `2^-a` is `2^(-a)`, and `a^b^c` is `a^(b^c)`.

use std::ops::Range;

use winnow::Parser;
use winnow::combinator::{opt, preceded};
use winnow::error::ParserError;
use winnow::stream::{LocatingSlice, Location, Stateful};
use winnow::token::{any, one_of, take_while};

use super::tree::{CALLS, Id, Node, Operator, Part, VALUES};
use crate::options::nearest;
use crate::words::counted;

/// Longest formula, in bytes.
pub(super) const MAX_LENGTH: usize = 4000;
/// Parentheses, brackets, signs and exponents within each other.
pub(super) const MAX_DEPTH: usize = 64;
/// The word that begins a binding.
const LET: &str = "let";
/// The name of the image.
const IMAGE: &str = "x";

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) problem: String,
    pub(super) at: Range<usize>,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>, at: Range<usize>) -> Self {
        Self { problem: problem.into(), at }
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    names: Vec<(String, Id)>,
    depth: usize,
}

type Input<'a> = Stateful<LocatingSlice<&'a str>, State>;
type Parsed<T> = Result<T, Fault>;

impl ParserError<Input<'_>> for Fault {
    type Inner = Self;

    fn from_input(input: &Input<'_>) -> Self {
        let at = input.current_token_start();
        Self::new("cannot be read from here on", at..at + 1)
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

/// The parts of a formula; the last one is the result.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(text: &str) -> Parsed<Vec<Node>> {
    if text.len() > MAX_LENGTH {
        let problem = format!("is {} bytes long: at most {MAX_LENGTH}", text.len());
        return Err(Fault::new(problem, MAX_LENGTH..MAX_LENGTH + 1));
    }
    let mut input = Input { input: LocatingSlice::new(text), state: State::default() };
    let i = &mut input;
    while word(i, LET) {
        binding(i)?;
    }
    let result = sum(i)?;
    let rest = token(i);
    match next(i) {
        None => {}
        Some(')' | ']') => return Err(Fault::new("closes what was never opened", rest)),
        Some(';') => return Err(Fault::new("`;` ends a `let`, and nothing else", rest)),
        Some('=') => return Err(Fault::new("a name is bound by `let name = ...;`", rest)),
        Some(_) => return Err(Fault::new("expected an operator before this", rest)),
    }
    debug_assert_eq!(result + 1, input.state.nodes.len());
    Ok(input.state.nodes)
}

fn binding(i: &mut Input<'_>) -> Parsed<()> {
    let at = token(i);
    let name = identifier(i).ok_or_else(|| Fault::new("expected a name after `let`", at.clone()))?;
    if CALLS.iter().map(|c| c.name).chain(VALUES.iter().map(|v| v.0)).chain([IMAGE, LET]).any(|n| n == name) {
        return Err(Fault::new(format!("`{name}` has a meaning already: bind another name"), at));
    }
    if i.state.names.iter().any(|(n, _)| *n == name) {
        return Err(Fault::new(format!("`{name}` is bound twice"), at));
    }
    expect(i, '=', "`=` after the name")?;
    let value = sum(i)?;
    expect(i, ';', "an operator, or `;` after what is bound")?;
    i.state.names.push((name, value));
    Ok(())
}

fn sum(i: &mut Input<'_>) -> Parsed<Id> {
    chain(i, product, &[('+', Operator::Add), ('-', Operator::Sub)])
}

fn product(i: &mut Input<'_>) -> Parsed<Id> {
    chain(i, signed, &[('*', Operator::Mul), ('/', Operator::Div)])
}

/// Operators of one precedence, from left to right.
fn chain(
    i: &mut Input<'_>,
    operand: fn(&mut Input<'_>) -> Parsed<Id>,
    operators: &[(char, Operator)],
) -> Parsed<Id> {
    let start = token(i).start;
    let mut left = operand(i)?;
    while let Some(&(_, operator)) = operators.iter().find(|(symbol, _)| next(i) == Some(*symbol)) {
        let doubled = token(i);
        skip(i);
        if operator == Operator::Mul && next(i) == Some('*') {
            return Err(Fault::new("a power is written `^`", doubled.start..doubled.end + 1));
        }
        let right = operand(i)?;
        left = add(i, Part::Both(operator, left, right), start);
    }
    Ok(left)
}

fn signed(i: &mut Input<'_>) -> Parsed<Id> {
    if next(i) != Some('-') {
        return power(i);
    }
    let at = token(i);
    skip(i);
    let operand = nested(i, &at, signed)?;
    Ok(add(i, Part::Negative(operand), at.start))
}

fn power(i: &mut Input<'_>) -> Parsed<Id> {
    let start = token(i).start;
    let base = atom(i)?;
    if next(i) != Some('^') {
        return Ok(base);
    }
    let at = token(i);
    skip(i);
    let exponent = nested(i, &at, signed)?;
    Ok(add(i, Part::Both(Operator::Pow, base, exponent), start))
}

fn atom(i: &mut Input<'_>) -> Parsed<Id> {
    let at = token(i);
    let mut id = match next(i) {
        None => return Err(Fault::new("ends where a value should follow", at)),
        Some('(') => enclosed(i, ')', sum)?,
        Some(c) if c.is_ascii_digit() || c == '.' => number(i)?,
        Some(c) if starts_name(c) => named(i)?,
        Some(_) => return Err(Fault::new("expected a value here", at)),
    };
    while next(i) == Some('[') {
        let index = enclosed(i, ']', sum)?;
        id = add(i, Part::Point(id, index), at.start);
    }
    Ok(id)
}

fn number(i: &mut Input<'_>) -> Parsed<Id> {
    let start = token(i).start;
    let digits = || take_while(0.., '0'..='9');
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), take_while(1.., '0'..='9'));
    let text: &str = preceded(space, (digits(), opt(('.', digits())), opt(exponent)).take()).parse_next(i)?;
    let at = start..start + text.len();
    let value: f64 = text.parse().map_err(|_| Fault::new("is no number", at.clone()))?;
    if value.is_infinite() {
        return Err(Fault::new("is too large a number", at));
    }
    Ok(add(i, Part::Number(value), start))
}

/// A value, a channel, a bound name or a call.
fn named(i: &mut Input<'_>) -> Parsed<Id> {
    let at = token(i);
    let name = identifier(i).unwrap_or_default();
    let called = next(i) == Some('(');
    if let Some(call) = CALLS.iter().find(|call| call.name == name) {
        if !called {
            return Err(Fault::new(format!("`{name}` is a function: write {}", call.signature()), at));
        }
        let arguments = enclosed(i, ')', arguments)?;
        if arguments.len() != call.arguments.len() {
            let (wanted, given) = (call.arguments.len(), arguments.len());
            let arguments = counted(wanted, "argument");
            let problem = format!("`{name}` takes {arguments}, not {given}: {}", call.signature());
            return Err(Fault::new(problem, at.start..i.current_token_start()));
        }
        return Ok(add(i, (call.make)(&arguments), at.start));
    }
    let value = VALUES.iter().find(|(n, _)| *n == name).map(|(_, part)| *part);
    let bound = i.state.names.iter().find(|(n, _)| *n == name).map(|(_, id)| Part::Name(*id));
    let known = value.or(bound);
    if called && (known.is_some() || name == IMAGE) {
        return Err(Fault::new(format!("`{name}` is no function"), at));
    }
    if let Some(part) = known {
        return Ok(add(i, part, at.start));
    }
    if name == IMAGE {
        if next(i) != Some('[') {
            return Err(Fault::new("`x` is the whole image: name a class of it, as x[1]", at));
        }
        let class = enclosed(i, ']', sum)?;
        return Ok(add(i, Part::Channel(class), at.start));
    }
    Err(Fault::new(unknown(&name, called, &i.state.names), at))
}

/// Says that there is no such name, and the nearest of those there are.
fn unknown(name: &str, called: bool, bound: &[(String, Id)]) -> String {
    if name == LET {
        return "`let` stands at the beginning, before the value".into();
    }
    let calls = CALLS.iter().map(|c| c.name);
    let values = VALUES.iter().map(|v| v.0).chain([IMAGE]).chain(bound.iter().map(|(n, _)| n.as_str()));
    let known: Vec<&str> = if called { calls.collect() } else { values.chain(calls).collect() };
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown name \"{name}\": did you mean {near}?"),
        _ if called => format!("unknown function \"{name}\": there are {}", known.join(", ")),
        _ => format!("unknown name \"{name}\": `let {name} = ...;` would bind it"),
    }
}

fn arguments(i: &mut Input<'_>) -> Parsed<Vec<Id>> {
    let mut all = Vec::new();
    if next(i) == Some(')') {
        return Ok(all);
    }
    loop {
        all.push(sum(i)?);
        if next(i) != Some(',') {
            return Ok(all);
        }
        skip(i);
    }
}

/// What stands between the bracket that comes next and the one that closes it.
fn enclosed<T>(i: &mut Input<'_>, close: char, content: fn(&mut Input<'_>) -> Parsed<T>) -> Parsed<T> {
    let open = token(i);
    skip(i);
    let content = nested(i, &open, content)?;
    match next(i) {
        Some(c) if c == close => skip(i),
        None => return Err(Fault::new(format!("is never closed by `{close}`"), open)),
        Some(_) => {
            return Err(Fault::new(format!("expected an operator or `{close}` before this"), token(i)));
        }
    }
    Ok(content)
}

/// One level deeper.
fn nested<T>(i: &mut Input<'_>, at: &Range<usize>, content: fn(&mut Input<'_>) -> Parsed<T>) -> Parsed<T> {
    if i.state.depth == MAX_DEPTH {
        return Err(Fault::new(format!("nests deeper than {MAX_DEPTH} levels"), at.clone()));
    }
    i.state.depth += 1;
    let content = content(i)?;
    i.state.depth -= 1;
    Ok(content)
}

/// Adds a part that began at `start` and ends here.
fn add(i: &mut Input<'_>, part: Part, start: usize) -> Id {
    let end = i.previous_token_end();
    i.state.nodes.push(Node { part, at: start..end });
    i.state.nodes.len() - 1
}

fn expect(i: &mut Input<'_>, symbol: char, what: &str) -> Parsed<()> {
    if next(i) != Some(symbol) {
        return Err(Fault::new(format!("expected {what}"), token(i)));
    }
    skip(i);
    Ok(())
}

/// Takes the next character, and white space before it.
fn skip(i: &mut Input<'_>) {
    let _ = (space, opt(any)).void().parse_next(i);
}

fn space<'a>(i: &mut Input<'a>) -> Parsed<&'a str> {
    take_while(0.., char::is_whitespace).parse_next(i)
}

/// Takes the name that comes next, if one does.
fn identifier(i: &mut Input<'_>) -> Option<String> {
    if !next(i).is_some_and(starts_name) {
        return None;
    }
    let name = preceded(space, take_while(1.., |c: char| c.is_alphanumeric() || c == '_'));
    let name: Parsed<&str> = { name }.parse_next(i);
    name.ok().map(str::to_owned)
}

/// Takes the next word if it is that one.
fn word(i: &mut Input<'_>, wanted: &str) -> bool {
    let at = token(i);
    let length = at.end - i.current_token_start();
    let found = i.get(..length).is_some_and(|text| text.trim_start() == wanted);
    if found {
        let _ = identifier(i);
    }
    found
}

fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// The character that comes next, past white space.
fn next(i: &Input<'_>) -> Option<char> {
    i.trim_start().chars().next()
}

/// Where the next name, number or symbol stands; empty at the end.
fn token(i: &Input<'_>) -> Range<usize> {
    let rest = i.trim_start();
    let start = i.current_token_start() + (i.len() - rest.len());
    let length = match rest.chars().next() {
        Some(c) if starts_name(c) || c.is_ascii_digit() => {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        }
        Some(c) => c.len_utf8(),
        None => 0,
    };
    start..start + length
}
