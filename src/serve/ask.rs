//! What a request asks for, read from its JSON and checked before it waits for anything.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::answer::Refusal;
use super::catalog::{Catalog, View};
use super::files::FileFormat;
use super::image::Image;
use crate::close::Tolerances;

/// Pixels of all samples of a request, of an image that is sent, and samples.
pub(super) const MOST_PIXELS: usize = 1 << 20;
pub(super) const MOST_SAMPLES: usize = 1024;
/// Seconds that closing the samples of a request may take: what is nearest then is the answer.
pub(super) const MOST_SECONDS: f64 = 20.0;
/// Bytes of an image file that is sent.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// Work for the worker.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// Samples, as JSON or as a file.
    Sample { sample: Sample, file: Option<FileFormat> },
    /// The numbers of images.
    Measure { run: usize, image: Image },
    /// Samples with the numbers of an image.
    Match { sample: Sample, image: Image },
    /// Numbers that real images have together.
    Table { run: usize },
    /// The log of a run, or the picture of its samples at an iteration.
    Training { run: usize, iteration: Option<u64> },
}

/// Samples to make.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// Which run, counted from 0.
    pub(super) run: usize,
    /// What is asked for, `[P]`; none is left open.
    pub(super) wanted: Vec<Option<f32>>,
    pub(super) count: usize,
    pub(super) seed: u64,
    /// Rows and columns, if not as in training.
    pub(super) size: Option<[usize; 2]>,
    /// Whether samples are closed on their targets.
    pub(super) closed: bool,
    /// How near they must come.
    pub(super) tolerances: Tolerances,
    /// How long that may take.
    pub(super) seconds: f64,
}

impl Sample {
    /// Pixels of all samples, of a run that `view` is of.
    pub(super) fn pixels(&self, view: &View) -> usize {
        self.count * self.size.map_or(view.task.images().pixels(), |[h, w]| h * w)
    }
}

/// The body of a request for samples.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    run: Option<String>,
    #[serde(default)]
    target: BTreeMap<String, Value>,
    count: Option<u64>,
    #[serde(default)]
    seed: u64,
    size: Option<[usize; 2]>,
    #[serde(default)]
    within: Value,
    closed: Option<bool>,
    seconds: Option<f64>,
    /// Names the slider that the request is from.
    page: Option<String>,
    /// An image file in base64, and where class 1 begins.
    image: Option<String>,
    threshold: Option<f64>,
    /// Class maps in base64, of `size`.
    maps: Option<String>,
}

/// Which request it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Sample,
    File(FileFormat),
    Measure,
    Match,
}

impl Verb {
    /// Whether an image comes with it, which may take a while to read.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Measure | Self::Match)
    }
}

/// Reads a body, the image in it too; also the slider that it names.
pub(super) fn parse(verb: Verb, body: &[u8], catalog: &Catalog) -> Result<(Ask, Option<String>), Refusal> {
    let body: Body = serde_json::from_slice(body).map_err(|e| Refusal::wrong(format!("the body: {e}")))?;
    if body.page.as_ref().is_some_and(|page| page.len() > 64) {
        return Err(Refusal::wrong("page: must be a word of at most 64 letters"));
    }
    let run = catalog.named(body.run.as_deref())?;
    let view = catalog.view(run);
    let ask = match verb {
        Verb::Measure => Ask::Measure { run, image: image(&body, &view)? },
        Verb::Match => Ask::Match { sample: sample(&body, run, &view)?, image: image(&body, &view)? },
        Verb::Sample => Ask::Sample { sample: sample(&body, run, &view)?, file: None },
        Verb::File(format) => Ask::Sample { sample: sample(&body, run, &view)?, file: Some(format) },
    };
    Ok((ask, body.page))
}

fn sample(body: &Body, run: usize, view: &View) -> Result<Sample, Refusal> {
    let size = body.size.filter(|&size| size != view.task.images().size && body.maps.is_none());
    let count = body.count.unwrap_or(1);
    let pixels = size.map_or(Some(view.task.images().pixels()), |[h, w]| h.checked_mul(w));
    let most = pixels.map_or(0, |p| (MOST_PIXELS / p.max(1)).min(MOST_SAMPLES));
    if most == 0 {
        return Err(Refusal::wrong(format!("size: at most {MOST_PIXELS} pixels")));
    }
    if !(1..=most as u64).contains(&count) {
        return Err(Refusal::wrong(format!("count = {count}: must be 1 to {most} at this size")));
    }
    let mut wanted = vec![None; view.task.columns().len()];
    for (name, value) in &body.target {
        wanted[place(name, view, "target")?] = Some(number(value, &format!("target: {name}"))?);
    }
    let (asked, tolerances) = within(&body.within, view)?;
    let closed = body.closed.unwrap_or(asked);
    let seconds = body.seconds.unwrap_or(MOST_SECONDS);
    if !(seconds > 0.0 && seconds <= MOST_SECONDS) {
        return Err(Refusal::wrong(format!("seconds = {seconds}: must be above 0, at most {MOST_SECONDS}")));
    }
    Ok(Sample { run, wanted, count: count as usize, seed: body.seed, size, closed, tolerances, seconds })
}

/// Absent, null or false: one shot. True: closed, with the usual tolerances. An object, or a text as `generate
/// --within` has it: closed, with tolerances of one's own.
fn within(value: &Value, view: &View) -> Result<(bool, Tolerances), Refusal> {
    let mut tolerances = Tolerances::usual(&view.task);
    match value {
        Value::Null | Value::Bool(false) => return Ok((false, tolerances)),
        Value::Bool(true) => {}
        Value::Object(values) => {
            for (name, value) in values {
                let number = number(value, &format!("within: {name}"))?;
                tolerances.set(&format!("{name}={number}"), &view.task, "within")?;
            }
        }
        Value::String(text) => tolerances.set(text, &view.task, "within")?,
        other => {
            let problem = format!("within = {other}: must be true, false, {{name: number}} or a text");
            return Err(Refusal::wrong(problem));
        }
    }
    Ok((true, tolerances))
}

fn place(name: &str, view: &View, origin: &str) -> Result<usize, Refusal> {
    view.task.columns().iter().position(|c| c.name == name).ok_or_else(|| {
        let names = view.task.names().join(", ");
        Refusal::wrong(format!("{origin}: unknown property {name}: use {names}"))
    })
}

fn number(value: &Value, origin: &str) -> Result<f32, Refusal> {
    let number = value.as_f64().map(|v| v as f32).filter(|v| v.is_finite());
    number.ok_or_else(|| Refusal::wrong(format!("{origin} = {value}: must be a number")))
}

fn image(body: &Body, view: &View) -> Result<Image, Refusal> {
    let decoded = |name: &str, text: &str| {
        let bytes = STANDARD.decode(text);
        bytes.map_err(|e| Refusal::wrong(format!("{name}: is no base64: {e}")))
    };
    match (&body.image, &body.maps) {
        (Some(text), None) => {
            if body.threshold.is_some_and(|t| !t.is_finite()) {
                return Err(Refusal::wrong("threshold: must be a number"));
            }
            if body
                .size
                .is_some_and(|[h, w]| h.checked_mul(w).is_none_or(|p| !(1..=MOST_PIXELS).contains(&p)))
            {
                return Err(Refusal::wrong(format!("size: at most {MOST_PIXELS} pixels")));
            }
            Image::read(&decoded("image", text)?, body.threshold, body.size, view)
        }
        (None, Some(text)) => {
            let size = body.size.unwrap_or(view.task.images().size);
            let maps = decoded("maps", text)?;
            let pixels = size[0].checked_mul(size[1]).filter(|p| (1..=MOST_PIXELS).contains(p));
            let Some(pixels) = pixels.filter(|p| !maps.is_empty() && maps.len().is_multiple_of(*p)) else {
                let [h, w] = size;
                let n = maps.len();
                return Err(Refusal::wrong(format!("maps: {n} bytes are no images of {h} x {w} pixels")));
            };
            let classes = view.task.images().classes;
            if maps.len() / pixels > MOST_SAMPLES || maps.len() > MOST_PIXELS {
                return Err(Refusal::wrong(format!("maps: at most {MOST_PIXELS} pixels")));
            }
            if let Some(class) = maps.iter().find(|&&c| usize::from(c) >= classes) {
                let last = classes - 1;
                return Err(Refusal::wrong(format!("maps: class {class}: the run has classes 0 to {last}")));
            }
            Ok(Image { size, maps, warnings: Vec::new() })
        }
        _ => Err(Refusal::wrong("give image, a file in base64, or maps, classes in base64 with their size")),
    }
}
