//! Results on the device against the CPU in double precision.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Place;
use crate::device::gpu::Precision;
use crate::device::{Cpu, Device};
use crate::error::Result;
use crate::first_use::products;
use crate::gradcheck::{Values, largest, numbers, relative_error};
use crate::nn::Family;
use crate::plan::Plan;
use crate::samples::{Sample, samples};
use crate::store::Store;
use crate::tape::Tape;
use crate::train::{Config, LogRow, Trainer};

/// A case, and how far it is off.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// What was computed.
    pub case: String,
    /// What products multiplied.
    pub precision: Precision,
    /// The largest error, as a part of what is allowed.
    pub share: f64,
    /// The share is 1 at most.
    pub holds: bool,
    /// The kernels that ran, each once.
    pub kernels: Vec<&'static str>,
}

/// Losses of an iteration, and how far they are off.
#[derive(Clone, Debug, Serialize)]
pub struct Iteration {
    /// The pair of networks.
    pub net: &'static str,
    /// What products multiplied.
    pub precision: Precision,
    /// The largest error of a loss, relative to one more than itself.
    pub error: f64,
    /// The same as a part of what is allowed.
    pub share: f64,
    /// The share is 1 at most.
    pub holds: bool,
}

/// A relative error that an operation and its gradients may have in single precision: as for the same
/// comparison in the tests.
const SINGLE: f64 = 1e-4;

/// Every operation's value and gradients, kernel by kernel; and in chains, where there are any.
pub(super) fn operations(place: &Place, reached: &mut BTreeSet<&'static str>) -> Result<Vec<Agreement>> {
    let mut all = Vec::new();
    for sample in samples() {
        let exact = evaluate(Box::new(Cpu::<f64>::new()), &sample)?;
        for together in [false, true] {
            let (gpu, launched) = place.gpu(Precision::Fp32, None)?;
            let gpu = if together { gpu } else { gpu.one_by_one() };
            let found = evaluate(Box::new(gpu), &sample)?;
            let kernels = once(&launched.lock().expect("no thread panics while it holds this"));
            if together && !kernels.contains(&"chain") {
                continue;
            }
            let errors = found.iter().zip(&exact).map(|(f, e)| relative_error(f, e));
            let share = largest(errors) / SINGLE;
            reached.extend(&kernels);
            let case = format!("{}{}", sample.name, if together { ", in chains" } else { "" });
            all.push(Agreement { case, precision: Precision::Fp32, share, holds: share <= 1.0, kernels });
        }
    }
    Ok(all)
}

fn once(launched: &[&'static str]) -> Vec<&'static str> {
    launched.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A sample's value and its gradients.
fn evaluate(device: Box<dyn Device>, sample: &Sample) -> Result<Vec<Vec<f64>>> {
    let mut store = Store::on(device);
    let tape = Tape::new();
    let mut vars = Vec::new();
    let mut wrt = Vec::new();
    for (i, input) in sample.inputs.iter().enumerate() {
        let name = format!("in{i}");
        let leaf = match &input.values {
            Values::Real(v) | Values::Constant(v) => store.add_real(&name, input.shape, v),
            Values::Labels(v) => store.add_u8(&name, input.shape, v),
            Values::Words(v) => store.add_u32(&name, input.shape, v),
        }?;
        let var = store.var(&tape, leaf);
        vars.push(var);
        if matches!(input.values, Values::Real(_)) {
            wrt.push(var);
        }
    }
    let y = (sample.build)(&tape, &vars);
    let cotangent = store.add_real("cotangent", y.shape(), &numbers(1, y.shape().numel()))?;
    let mut outputs = vec![y];
    outputs.extend(tape.pullback(y, store.var(&tape, cotangent), &wrt));
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store)?;
    (0..outputs.len()).map(|i| plan.read(&mut store, i)).collect()
}

/// Products in every precision, with tiles as on a small card and as on this one.
pub(super) fn products(
    place: &Place,
    precisions: &[Precision],
    reached: &mut BTreeSet<&'static str>,
) -> Result<Vec<Agreement>> {
    let mut all = Vec::new();
    for product in products::list() {
        let reference = product.reference()?;
        for &precision in precisions {
            for multiprocessors in [Some(4), None] {
                let (device, launched) = place.device(precision, multiprocessors)?;
                let share = product.share(&reference, device, precision)?;
                let kernels = once(&launched.lock().expect("no thread panics while it holds this"));
                reached.extend(&kernels);
                let case = format!("{product:?}");
                all.push(Agreement { case, precision, share, holds: share <= 1.0, kernels });
            }
        }
    }
    Ok(all)
}

/// A run that takes a second: small images, layers that tensor cores take.
fn tiny(net: &str, precision: Precision) -> Result<Config> {
    let mut config = Config::preset("circles")?;
    let net = format!("net={net}");
    // Small rates: Adam's first steps are the sign of a gradient, which may be nothing but rounding.
    config.set_all(
        [
            "size=16",
            "width=12",
            "batch=3",
            "images=50",
            "latent=4",
            "log_every=5",
            "n_g=1",
            "n_d=2",
            "n_i=1",
            "lr_g=1e-5",
            "lr_d=1e-5",
            "lr_i=1e-5",
            &net,
        ],
        "prove",
    )?;
    config.net.precision = precision;
    Ok(config)
}

/// Whether iterations as graphs have the bits of those run op by op.
pub(super) fn graphs(place: &Place) -> Result<bool> {
    let config = tiny("dcgan", Precision::Fp32)?;
    let mut rows = Vec::new();
    for graphs in [true, false] {
        let (device, _) = place.device(Precision::Fp32, None)?;
        let mut trainer = Trainer::with_device(&config, device)?;
        if !graphs {
            trainer.without_graphs();
        }
        let mut losses: Vec<LogRow> = Vec::new();
        for _ in 0..3 {
            losses.extend(trainer.advance(1, &|| false)?);
        }
        rows.push(losses);
    }
    Ok(rows[0] == rows[1])
}

/// The first iteration of each pair in each precision against double precision.
pub(super) fn iterations(
    place: &Place,
    precisions: &[Precision],
    reached: &mut BTreeSet<&'static str>,
) -> Result<Vec<Iteration>> {
    let mut all = Vec::new();
    for net in Family::ALL.map(Family::name) {
        let config = tiny(net, Precision::Fp32)?;
        let exact = Trainer::with_device(&config, Box::new(Cpu::<f64>::new()))?.advance(1, &|| false)?;
        for &precision in precisions {
            let (device, launched) = place.device(precision, None)?;
            let rows = Trainer::with_device(&tiny(net, precision)?, device)?.advance(1, &|| false)?;
            reached.extend(&once(&launched.lock().expect("no thread panics while it holds this")));
            let pairs = rows[0].values.iter().zip(&exact[0].values);
            let error = largest(pairs.map(|((_, f), (_, e))| (f - e).abs() / (1.0 + e.abs())));
            // A hundred roundings in a row.
            let allowed = match precision {
                Precision::Fp32 => 2e-5,
                Precision::Tf32 => 2e-2,
                Precision::Bf16 => 1e-1,
            };
            let share = error / allowed;
            all.push(Iteration { net, precision, error, share, holds: share <= 1.0 });
        }
    }
    Ok(all)
}
