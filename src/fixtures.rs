//! Reference values made by other programs, and how the engine compares.
//!
//! The format and every operation's inputs and attributes are in `fixtures/README.md`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::gradcheck::{Bench, Input, Outcome, Values};
use crate::invariance;
use crate::nn::{self, Family, Net, Weights};
use crate::op::{Border, Over, Window};
use crate::plan::Plan;
use crate::shape::{MAX_RANK, Shape};
use crate::tape::{Tape, Var};
use crate::train::objective;

/// A tensor of a fixture.
#[derive(Clone, Debug)]
struct Tensor {
    shape: Shape,
    values: Vec<f64>,
}

/// The contents of one fixture file.
#[derive(Clone, Debug)]
pub struct Fixture {
    path: PathBuf,
    op: String,
    attrs: Value,
    tensors: BTreeMap<String, Tensor>,
}

/// What a stored value may differ by, relative to max(1, largest stored value): the differences
/// they were made from are good to 1e-9 and 1e-7 at worst.
fn tolerance(order: u8) -> f64 {
    match order {
        0 => 1e-11,
        1 => 1e-8,
        _ => 1e-7,
    }
}

/// Reads a fixture.
///
/// # Errors
/// If the file cannot be read, is damaged, or lacks what the format asks for.
pub fn load(path: &Path) -> Result<Fixture> {
    let wrong = |problem: String| Error::file(path, problem);
    let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let damaged = |e| wrong(format!("not a whole safetensors file ({e})"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let key = |name: &str| {
        metadata
            .get(name)
            .cloned()
            .ok_or_else(|| wrong(format!("no {name:?} in its metadata: see fixtures/README.md")))
    };
    let op = key("op")?;
    let attrs: Value =
        serde_json::from_str(&key("attrs")?).map_err(|e| wrong(format!("attrs is not JSON: {e}")))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes).map_err(damaged)?.iter() {
        if view.dtype() != Dtype::F64 {
            return Err(wrong(format!("tensor {name} is {:?}: all tensors must be F64", view.dtype())));
        }
        if view.shape().len() > MAX_RANK {
            return Err(wrong(format!("tensor {name} has more than {MAX_RANK} axes")));
        }
        let values =
            view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()));
        tensors.insert(name.to_owned(), Tensor { shape: Shape::new(view.shape()), values: values.collect() });
    }
    let fixture = Fixture { path: path.to_path_buf(), op, attrs, tensors };
    for needed in ["out", "cotangent"] {
        if !fixture.tensors.contains_key(needed) {
            return Err(wrong(format!("no tensor {needed}")));
        }
    }
    for name in fixture.tensors.keys() {
        let input = ["grad.", "tangent.", "gradgrad."].iter().find_map(|p| name.strip_prefix(p));
        let stored = input.map(|i| fixture.tensors.get(&format!("in.{i}")).map(|t| t.shape));
        if stored.is_some_and(|shape| shape != Some(fixture.tensors[name].shape)) {
            return Err(wrong(format!("tensor {name} has no input of its name and shape")));
        }
    }
    Ok(fixture)
}

/// Compares the value, the first and (where stored) the second derivatives.
///
/// # Errors
/// If the operation is unknown, or its attributes or shapes do not make sense.
pub fn check(fixture: &Fixture) -> Result<Vec<Outcome>> {
    // The engine panics on shapes that do not fit, which in a program is a bug and here is a
    // mistake in a file. The hook is the process's, hence the lock.
    static HOOK: Mutex<()> = Mutex::new(());
    let guard = HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(|| compare(fixture)));
    set_hook(hook);
    drop(guard);
    outcome.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(Error::file(&fixture.path, message.unwrap_or_else(|| "its shapes do not fit together".into())))
    })
}

fn compare(fixture: &Fixture) -> Result<Vec<Outcome>> {
    let with = |prefix: &str| -> Vec<(&str, &Tensor)> {
        fixture.tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?, t))).collect()
    };
    let inputs = with("in.");
    let wrt: Vec<&str> = with("grad.").into_iter().map(|(name, _)| name).collect();
    let held: Vec<Input> = inputs
        .iter()
        .map(|(_, t)| Input { shape: t.shape, values: Values::Constant(t.values.clone()) })
        .collect();
    let mut bench = Bench::new(&held)?;
    let tape = Tape::new();
    let vars: BTreeMap<&str, Var<'_>> = inputs.iter().map(|(name, _)| *name).zip(bench.vars(&tape)).collect();
    let y = Recorder { fixture, tape: &tape, inputs: &vars }.record()?;
    let (out, cotangent) = (&fixture.tensors["out"], &fixture.tensors["cotangent"]);
    if y.shape() != out.shape || cotangent.shape != out.shape {
        let problem = format!("out is {:?}, {} of these inputs is {:?}", out.shape, fixture.op, y.shape());
        return Err(Error::file(&fixture.path, problem));
    }
    let g = bench.leaf("cotangent", cotangent.shape, &cotangent.values)?;
    let real: Vec<Var<'_>> = wrt.iter().map(|name| vars[name]).collect();
    let first = tape.pullback(y, bench.store.var(&tape, g), &real);
    let mut psi = tape.fill(0.0, []);
    for (name, tangent) in with("tangent.") {
        let Some(at) = wrt.iter().position(|n| *n == name) else {
            return Err(Error::file(&fixture.path, format!("tangent.{name} without grad.{name}")));
        };
        let leaf = bench.leaf(&format!("tangent.{name}"), tangent.shape, &tangent.values)?;
        psi = psi + (first[at] * bench.store.var(&tape, leaf)).sum();
    }
    let second_names: Vec<&str> = with("gradgrad.").into_iter().map(|(name, _)| name).collect();
    let second_wrt: Vec<Var<'_>> = second_names.iter().map(|name| vars[name]).collect();
    let second = tape.grad(psi, &second_wrt);

    let all: Vec<Var<'_>> = [y].into_iter().chain(first).chain(second).collect();
    let plan = Plan::new(&tape, &all, &bench.store);
    let found = bench.evaluate(&plan, all.len())?;
    let stem = fixture.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let worst = |order: u8, pairs: &[(&Tensor, &Vec<f64>)]| {
        let errors = pairs.iter().map(|(stored, found)| error(&stored.values, found));
        let error = errors.fold(0.0f64, |m, e| if e > m || e.is_nan() { e } else { m });
        Outcome { name: stem.clone(), order, error, tolerance: tolerance(order) }
    };
    let stored = |prefix: &str, names: &[&str], from: usize| -> Vec<(&Tensor, &Vec<f64>)> {
        names
            .iter()
            .enumerate()
            .map(|(i, n)| (&fixture.tensors[&format!("{prefix}{n}")], &found[from + i]))
            .collect()
    };
    let mut outcomes = vec![worst(0, &[(out, &found[0])])];
    if !wrt.is_empty() {
        outcomes.push(worst(1, &stored("grad.", &wrt, 1)));
    }
    if !second_names.is_empty() {
        outcomes.push(worst(2, &stored("gradgrad.", &second_names, 1 + wrt.len())));
    }
    Ok(outcomes)
}

/// Largest difference, relative to max(1, largest stored value).
fn error(stored: &[f64], found: &[f64]) -> f64 {
    let scale = stored.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    let differences = stored.iter().zip(found).map(|(s, f)| (s - f).abs());
    differences.fold(0.0, |m, e| if e > m || e.is_nan() { e } else { m }) / scale
}

/// Records the operation of a fixture.
struct Recorder<'f, 't> {
    fixture: &'f Fixture,
    tape: &'t Tape,
    inputs: &'f BTreeMap<&'f str, Var<'t>>,
}

impl<'t> Recorder<'_, 't> {
    fn wrong(&self, problem: String) -> Error {
        Error::file(&self.fixture.path, problem)
    }

    fn input(&self, name: &str) -> Result<Var<'t>> {
        let found = self.inputs.get(name).copied();
        found.ok_or_else(|| self.wrong(format!("{} needs a tensor in.{name}", self.fixture.op)))
    }

    fn attr<T>(&self, name: &str, kind: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let found = self.fixture.attrs.get(name).and_then(read);
        found.ok_or_else(|| self.wrong(format!("{} needs the attribute {name}, {kind}", self.fixture.op)))
    }

    fn number(&self, name: &str) -> Result<f64> {
        self.attr(name, "a number", Value::as_f64)
    }

    fn count(&self, name: &str) -> Result<usize> {
        // Large enough for any fixture, small enough that no product overflows.
        self.attr(name, "a whole number", |v| v.as_u64().filter(|&n| n <= 1 << 20).map(|n| n as usize))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        self.attr(name, "true or false", Value::as_bool)
    }

    fn counts(&self, name: &str) -> Result<Vec<usize>> {
        self.attr(name, "a list of whole numbers", |v| {
            let numbers = v.as_array()?.iter();
            numbers.map(|n| n.as_u64().filter(|&n| n <= 1 << 20).map(|n| n as usize)).collect()
        })
    }

    fn pair(&self, name: &str) -> Result<[usize; 2]> {
        let numbers = self.counts(name)?;
        numbers.try_into().map_err(|_| self.wrong(format!("{} needs {name} to be a pair", self.fixture.op)))
    }

    fn border(&self) -> Result<Border> {
        self.attr("border", "\"periodic\" or \"open\"", |v| match v.as_str()? {
            "periodic" => Some(Border::Periodic),
            "open" => Some(Border::Open),
            _ => None,
        })
    }

    /// What a convolution sees beyond the edges: zeros unless the fixture says otherwise.
    fn edges(&self) -> Result<Border> {
        if self.fixture.attrs.get("border").is_some() { self.border() } else { Ok(Border::Open) }
    }

    fn record(&self) -> Result<Var<'t>> {
        let x = || self.input("x");
        let (a, b) = (|| self.input("a"), || self.input("b"));
        let var = match self.fixture.op.as_str() {
            "neg" => -x()?,
            "exp" => x()?.exp(),
            "ln" => x()?.ln(),
            "sqrt" => x()?.sqrt(),
            "recip" => x()?.recip(),
            "square" => x()?.square(),
            "tanh" => x()?.tanh(),
            "sigmoid" => x()?.sigmoid(),
            "relu" => x()?.relu(),
            "leaky_relu" => x()?.leaky_relu(self.number("slope")?),
            "leaky_mask" => x()?.leaky_mask(self.number("slope")?),
            "scale" => x()?.scale(self.number("by")?),
            "shift" => x()?.shift(self.number("by")?),
            "pow" => x()?.pow(self.number("exponent")?),
            "add" => a()? + b()?,
            "sub" => a()? - b()?,
            "mul" => a()? * b()?,
            "div" => a()? / b()?,
            "sum_to" => x()?.sum_to(self.counts("shape")?.as_slice()),
            "broadcast" => x()?.broadcast(self.counts("shape")?.as_slice()),
            "reshape" => x()?.reshape(self.counts("shape")?.as_slice()),
            "permute" => x()?.permute(&self.counts("axes")?),
            "slice" => x()?.slice(&self.counts("starts")?, self.counts("sizes")?.as_slice()),
            "pad" => {
                let (x, before, after) = (x()?, self.counts("before")?, self.counts("after")?);
                let sides = before.iter().zip(&after).map(|(b, a)| b + a);
                let whole: Vec<usize> = x.shape().iter().zip(sides).map(|(n, s)| n + s).collect();
                x.pad_into(&before, whole.as_slice())
            }
            "concat" => {
                let parts: Vec<Var<'t>> =
                    (0..self.inputs.len()).map(|i| self.input(&format!("x{i}"))).collect::<Result<_>>()?;
                self.tape.concat(&parts, self.count("axis")?)
            }
            "matmul" => a()?.matmul_t(b()?, self.flag("transpose_a")?, self.flag("transpose_b")?),
            "conv" => {
                let (stride, pad) = (self.pair("stride")?, self.pair("padding")?);
                x()?.conv(self.input("w")?, stride, pad, self.edges()?)
            }
            "conv_transpose" => {
                let (stride, pad) = (self.pair("stride")?, self.pair("padding")?);
                let (extra, border) = (self.pair("output_padding")?, self.edges()?);
                x()?.conv_transpose(self.input("w")?, stride, pad, extra, border)
            }
            "conv_weight" => {
                let (x, g) = (x()?, self.input("g")?);
                let (kernel, stride, pad) =
                    (self.pair("kernel")?, self.pair("stride")?, self.pair("padding")?);
                let (image, out) = ([x.shape()[1], x.shape()[2]], [g.shape()[1], g.shape()[2]]);
                x.conv_leg_w(g, Window { image, kernel, stride, pad, out, border: self.edges()? })
            }
            "mean_pool" => x()?.mean_pool(self.count("size")?),
            "upsample" => x()?.upsample(self.count("size")?),
            "softmax" => x()?.softmax(),
            "batch_norm" => self.scaled(x()?.normalise(Over::Batch, self.number("eps")?))?,
            "layer_norm" => self.scaled(x()?.normalise(Over::Layer, self.number("eps")?))?,
            "batch_norm_inference" => {
                let deviation = self.input("var")?.shift(self.number("eps")?).sqrt();
                self.scaled((x()? - self.input("mean")?) / deviation)?
            }
            "moments" => x()?.moments(),
            "affine_field" => {
                let m = self.input("m")?;
                m.affine_field([m.shape()[0], self.count("height")?, self.count("width")?, m.shape()[1]])
            }
            "area" => invariance::area(x()?),
            "centroid" => invariance::centroid(x()?),
            "fractions" => invariance::fractions(x()?),
            "volume_fraction" => invariance::fraction(x()?, self.count("phase")?),
            "correlation" => {
                let (x, bins, border) = (x()?, self.count("bins")?, self.border()?);
                self.inputs
                    .get("y")
                    .map_or_else(|| x.correlation(bins, border), |&y| x.correlation_with(y, bins, border))
            }
            "correlation_field" => self.input("y")?.correlation_field(self.input("g")?, self.border()?),
            "gradient_penalty" => self.gradient_penalty()?,
            other => return Err(self.wrong(format!("unknown operation {other:?}: see fixtures/README.md"))),
        };
        Ok(var)
    }

    fn scaled(&self, normalised: Var<'t>) -> Result<Var<'t>> {
        Ok(normalised * self.input("gamma")? + self.input("beta")?)
    }

    fn gradient_penalty(&self) -> Result<Var<'t>> {
        let family = self.attr("net", "\"dcgan\" or \"resnet\"", |v| match v.as_str()? {
            "dcgan" => Some(Family::Dcgan),
            "resnet" => Some(Family::Resnet),
            _ => None,
        })?;
        let (size, width, classes) = (self.count("size")?, self.count("width")?, self.count("classes")?);
        if !size.is_power_of_two() || size < 16 {
            return Err(self.wrong(format!("size = {size}: must be a power of two, at least 16")));
        }
        let net = Net::new(family, [size; 2], width, classes);
        let mut weights = Vec::new();
        for p in nn::critic_parameters(&net) {
            let var = self.input(&p.name)?;
            if var.shape() != p.shape {
                return Err(self.wrong(format!(
                    "in.{} is {:?}, the critic's is {:?}",
                    p.name,
                    var.shape(),
                    p.shape
                )));
            }
            weights.push((p.name, var));
        }
        let weights = Weights::new(weights);
        let (real, fake, u) = (self.input("real")?, self.input("fake")?, self.input("u")?);
        let lambda = self.number("lambda")?;
        Ok(objective::gradient_penalty(|x| nn::critic(&net, &weights, x), real, fake, u, lambda))
    }
}
