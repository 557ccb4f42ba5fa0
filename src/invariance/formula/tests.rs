//! The language: what is read, what is refused and where, and that no input brings it down.
#![allow(clippy::unwrap_used)]

use super::tree::{CALLS, Id, Operator, Part, VALUES};
use super::*;
use crate::gradcheck::numbers;
use crate::op::Border;

const IMAGES: Images = Images { size: [16, 24], classes: 3, border: Border::Open };

fn parts(formula: &Formula) -> Vec<Part> {
    formula.nodes.iter().map(|n| n.part).collect()
}

/// Numbers by chance.
struct Chance {
    numbers: Vec<f64>,
    next: usize,
}

impl Chance {
    fn new(seed: u64) -> Self {
        Self { numbers: numbers(seed, 1 << 14), next: 0 }
    }

    fn below(&mut self, n: usize) -> usize {
        let number = self.numbers[self.next % self.numbers.len()];
        self.next += 1;
        ((number + 1.0) / 2.0 * n as f64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// How tightly an expression holds together, as in the grammar.
const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const SIGNED: u8 = 3;
const POWER: u8 = 4;
const ATOM: u8 = 5;

/// A random expression, its parts and its text.
struct Writer {
    chance: Chance,
    parts: Vec<Part>,
    names: Vec<(String, Id)>,
}

impl Writer {
    fn push(&mut self, part: Part) -> Id {
        self.parts.push(part);
        self.parts.len() - 1
    }

    /// The text of an expression that may stand where `least` is wanted, in parentheses if it has to.
    fn text(&mut self, depth: usize, least: u8) -> (String, Id) {
        let (text, id, tight) = self.expression(depth);
        if tight < least || self.chance.below(10) == 0 {
            return (format!("({text})"), id);
        }
        (text, id)
    }

    fn expression(&mut self, depth: usize) -> (String, Id, u8) {
        let space = *self.chance.one(&["", " ", "\n\t "]);
        match if depth == 0 { self.chance.below(3) } else { 3 + self.chance.below(6) } {
            0 => {
                let number = self.chance.below(1000) as f64 / *self.chance.one(&[1.0, 8.0, 1e20]);
                let id = self.push(Part::Number(number));
                (format!("{space}{number:?}"), id, ATOM)
            }
            1 => {
                let names = self.names.clone();
                match names.get(self.chance.below(names.len() + 1)) {
                    Some((name, id)) => {
                        let id = self.push(Part::Name(*id));
                        (format!("{name}{space}"), id, ATOM)
                    }
                    None => {
                        let (name, part) = *self.chance.one(&VALUES);
                        (name.into(), self.push(part), ATOM)
                    }
                }
            }
            2 => {
                let class = self.chance.below(3);
                let index = self.push(Part::Number(class as f64));
                (format!("x{space}[{class}{space}]"), self.push(Part::Channel(index)), ATOM)
            }
            3 => {
                let (a, id) = self.text(depth - 1, SIGNED);
                (format!("-{space}{a}"), self.push(Part::Negative(id)), SIGNED)
            }
            4 => {
                let (symbol, operator) = *self.chance.one(&[('+', Operator::Add), ('-', Operator::Sub)]);
                self.both(depth, [SUM, PRODUCT], symbol, operator, SUM)
            }
            5 => {
                let (symbol, operator) = *self.chance.one(&[('*', Operator::Mul), ('/', Operator::Div)]);
                self.both(depth, [PRODUCT, SIGNED], symbol, operator, PRODUCT)
            }
            6 => self.both(depth, [ATOM, SIGNED], '^', Operator::Pow, POWER),
            7 => {
                let (curve, a) = self.text(depth - 1, ATOM);
                let (index, b) = self.text(depth - 1, SUM);
                (format!("{curve}{space}[{index}]"), self.push(Part::Point(a, b)), ATOM)
            }
            _ => {
                let call = self.chance.one(&CALLS);
                let arguments: Vec<(String, Id)> =
                    call.arguments.iter().map(|_| self.text(depth - 1, SUM)).collect();
                let (texts, ids): (Vec<String>, Vec<Id>) = arguments.into_iter().unzip();
                (format!("{}{space}({})", call.name, texts.join(",")), self.push((call.make)(&ids)), ATOM)
            }
        }
    }

    fn both(
        &mut self,
        depth: usize,
        least: [u8; 2],
        symbol: char,
        operator: Operator,
        tight: u8,
    ) -> (String, Id, u8) {
        let depths = [self.chance.below(depth), depth - 1];
        let (a, left) = self.text(depths[0], least[0]);
        let (b, right) = self.text(depths[1], least[1]);
        (format!("{a} {symbol}{b}"), self.push(Part::Both(operator, left, right)), tight)
    }
}

#[test]
fn what_is_written_is_read() {
    let mut deep = 0;
    for seed in 0..400 {
        let mut writer = Writer { chance: Chance::new(seed), parts: Vec::new(), names: Vec::new() };
        let mut text = String::new();
        for name in ["a", "letter", "_µ2"].into_iter().take(writer.chance.below(4)) {
            let (value, id) = writer.text(2, SUM);
            text += &format!("let {name}={value};");
            writer.names.push((name.into(), id));
        }
        text += &writer.text(seed as usize % 6, SUM).0;
        if text.len() > parse::MAX_LENGTH {
            continue;
        }
        let formula = Formula::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(parts(&formula), writer.parts, "{text}");
        deep += usize::from(writer.parts.len() > 30);
    }
    assert!(deep > 50, "only {deep} large ones");
}

#[test]
fn places_are_of_the_part_alone() {
    let text = " let a = x[1] ; mean( (a+1) * 2 )";
    let formula = Formula::parse(text).unwrap();
    let shown: Vec<&str> = formula.nodes.iter().map(|n| &text[n.at.clone()]).collect();
    assert_eq!(shown, ["1", "x[1]", "a", "1", "a+1", "2", "(a+1) * 2", "mean( (a+1) * 2 )"]);
}

/// Formula, what is said, and what the carets stand under.
const WRONG: [(&str, &str, &str); 53] = [
    ("", "ends where a value should follow", ""),
    ("  ", "ends where a value should follow", ""),
    ("mean(x[1]", "is never closed by `)`", "("),
    ("mean(x[1", "is never closed by `]`", "["),
    ("mean(x[1]))", "closes what was never opened", ")"),
    ("mean(x[1)", "expected an operator or `]`", ")"),
    ("mean(x[1],)", "expected a value", ")"),
    ("meen(x[1])", "unknown name \"meen\": did you mean mean?", "meen"),
    ("mean(hieght)", "did you mean height?", "hieght"),
    ("let side = 2; mean(x[1]) * sied", "did you mean side?", "sied"),
    ("variance(x[1])", "unknown function \"variance\": there are abs, ", "variance"),
    ("mean(phase)", "unknown name \"phase\": `let phase = ...;` would bind it", "phase"),
    ("mean(x)", "name a class of it, as x[1]", "x"),
    ("mean x[1]", "`mean` is a function: write mean(field)", "mean"),
    ("x(1)", "`x` is no function", "x"),
    ("row(1)", "`row` is no function", "row"),
    ("shift(x[1], 1)", "`shift` takes 3 arguments, not 2: shift(field, rows, columns)", "shift(x[1], 1)"),
    ("abs()", "`abs` takes 1 argument, not 0", "abs()"),
    ("2 x[1]", "expected an operator before this", "x"),
    ("1.2.3", "expected an operator before this", "."),
    (".", "is no number", "."),
    ("mean(x[1]) * 1e999", "is too large a number", "1e999"),
    ("2 ** 3", "a power is written `^`", "**"),
    ("1 + ", "ends where a value should follow", ""),
    ("* 2", "expected a value here", "*"),
    ("mean(x[1]) > 0", "expected an operator before this", ">"),
    ("mean(x[1]);", "`;` ends a `let`", ";"),
    ("a = 1; a", "unknown name", "a"),
    ("pi = 1", "bound by `let name = ...;`", "="),
    ("let = 1; 2", "expected a name after `let`", "="),
    ("let mean = 1; 2", "`mean` has a meaning already", "mean"),
    ("let x = 1; 2", "`x` has a meaning already", "x"),
    ("let a = 1; let a = 2; a", "`a` is bound twice", "a"),
    ("let a 1; a", "expected `=` after the name", "1"),
    ("let a = 1 a", "expected an operator, or `;`", "a"),
    ("1 + let a = 2; a", "`let` stands at the beginning", "let"),
    ("x[1]", "a number for every pixel: take mean(...)", "x[1]"),
    ("mean(x[3])", "no class of the images: they have classes 0 to 2", "3"),
    ("mean(x[-1])", "no class of the images", "-1"),
    ("mean(x[0.5])", "no class of the images", "0.5"),
    ("mean(x[x[1]])", "must not depend on the image", "x[1]"),
    ("correlation(x[1], x[1], 17)", "must be from 1 to 16 points for images of 16 x 24", "17"),
    (
        "correlation(x[1], correlation(x[1], x[1], 2), 2)",
        "is a curve, not a field",
        "correlation(x[1], x[1], 2)",
    ),
    ("correlation(x[1], x[1], 4)[4]", "no point of the curve: it has points 0 to 3", "4"),
    ("mean(x[1])[0]", "is a number: only a curve has points", "mean(x[1])"),
    ("correlation(x[1], x[1], 2) + x[1]", "joins a curve and a field", "correlation(x[1], x[1], 2) + x[1]"),
    (
        "correlation(x[1], x[1], 2) * correlation(x[1], x[1], 3)",
        "joins a curve of 2 points and one of 3",
        "correlation(x[1], x[1], 2) * correlation(x[1], x[1], 3)",
    ),
    ("mean(shift(x[1], 16, 0))", "less than the height, 16", "16"),
    ("mean(shift(x[1], 0, 1/2))", "must be a whole number of pixels", "1/2"),
    ("mean(blur(x[1], 5))", "to a quarter of the shorter side, 4 pixels", "5"),
    ("sum(mean(x[1]))", "is one number already", "mean(x[1])"),
    ("mean(x[1]) / (width - 23) ^ -1 + 1 / 0", "is inf, no finite number", "1 / 0"),
    ("height * mean(row)", "the same for every image", "height * mean(row)"),
];

#[test]
fn mistakes_are_named_and_placed() {
    let wrong = [("mean((0 - 2) ^ x[1])", "is -2: only a base above 0", "0 - 2")];
    for (text, says, place) in WRONG.into_iter().chain(wrong) {
        let error = Formula::parse(text).and_then(|f| f.on(&IMAGES).map(|_| ()));
        let Err(error) = error else { panic!("{text}: was accepted") };
        assert!(error.problem.contains(says), "{text}: {}", error.problem);
        assert!(!error.problem.contains('\n'), "{text}: {}", error.problem);
        assert_eq!(text.get(error.at.clone()), Some(place), "{text}: {error}");
    }
}

#[test]
fn the_depth_and_the_length_are_bounded() {
    for (open, close) in [("(", ")"), ("-", ""), ("2^", ""), ("abs(", ")"), ("x[", "]"), ("min(1,", ")")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(Formula::parse(&nested(parse::MAX_DEPTH)).is_ok(), "{open}");
        let error = Formula::parse(&nested(parse::MAX_DEPTH + 1)).unwrap_err();
        assert!(error.problem.contains("deeper than 64 levels"), "{open}: {error}");
        let many = parse::MAX_LENGTH / (open.len() + close.len()) - 1;
        assert!(Formula::parse(&nested(many)).unwrap_err().problem.contains("deeper"), "{open}");
    }
    // Side by side there may be many.
    let long = format!("mean(x[1]{})", "+1".repeat(1900));
    assert!(Formula::parse(&long).is_ok_and(|f| f.on(&IMAGES).is_ok()));
    let error = Formula::parse(&" ".repeat(5000)).unwrap_err();
    assert!(error.problem.contains("is 5000 bytes long: at most 4000"), "{error}");
    // A name used twice in the next one, and so on: as many parts as there are words.
    let doubling: String =
        (1..60).map(|i| format!("let a{i} = a{} + a{}; ", i - 1, i - 1)).collect::<String>();
    let formula = Formula::parse(&format!("let a0 = x[1]; {doubling} mean(a59)")).unwrap();
    assert!(formula.nodes.len() < 200 && formula.on(&IMAGES).is_ok());
}

/// Reads it, fits it to images, and shows what is wrong.
fn survive(text: &str) -> bool {
    match Formula::parse(text).and_then(|formula| formula.on(&IMAGES).map(|_| ())) {
        Ok(()) => true,
        Err(error) => {
            assert!(error.at.start <= error.at.end && !error.to_string().is_empty(), "{text:?}");
            assert_eq!(error.to_string().lines().count(), 3, "{text:?}: {error}");
            false
        }
    }
}

#[test]
fn no_input_brings_it_down() {
    let mut chance = Chance::new(77);
    for _ in 0..3000 {
        let length = chance.below(60);
        let bytes: Vec<u8> = (0..length).map(|_| chance.below(256) as u8).collect();
        survive(&String::from_utf8_lossy(&bytes));
    }
    let mut words = vec!["let ", "a", "b", "=", ";", "(", ")", "[", "]", ",", "+", "-", "*", "/", "^"];
    words.extend(["0", "1", "2.5", "1e3", "x[1]", "x", "µ", "\n", " ", "#", "\"", "1e", "\u{301}"]);
    words.extend(CALLS.iter().map(|c| c.name).chain(VALUES.iter().map(|v| v.0)));
    for _ in 0..20_000 {
        let length = chance.below(12);
        let text: String = (0..length).map(|_| *chance.one(&words)).collect();
        survive(&text);
    }
    // Right formulas with a few characters changed.
    let right =
        "let e = abs(x[1]-shift(x[1],0,1)); mean(blur(e,2)^2)/max(sum(e*row),1)+correlation(e,e,4)[3]";
    assert!(survive(right));
    for _ in 0..5000 {
        let mut text: Vec<char> = right.chars().collect();
        for _ in 0..1 + chance.below(3) {
            let (at, word) = (chance.below(text.len()), *chance.one(&words));
            text.splice(at..(at + chance.below(3)).min(text.len()), word.chars());
        }
        survive(&text.into_iter().collect::<String>());
    }
}
