//! Every objective: derivatives of its losses, resuming, what its generator is told, and the kernels
//! against double precision.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "simt")]
mod common;

use invnet::gradcheck::{Input, Values, check, numbers};
use invnet::invariance::{Ask, Images, Property, measure_all};
use invnet::nn::{Family, Init, Net, Weights};
use invnet::op::Border;
use invnet::shape::Shape;
use invnet::tape::{Tape, Var};
use invnet::train::objective::{Choice, KINDS, Shapes, Side, Step};
use invnet::train::{Config, LogRow, Trainer};

/// Every objective, with the options that change what it computes.
const VARIANTS: [(&str, &[&str]); 10] = [
    ("invnet", &[]),
    ("wgan-gp", &["z_scale=1"]),
    ("cgan", &[]),
    ("cgan", &["projection=true"]),
    ("acgan", &["label_pull=2"]),
    ("stinis", &[]),
    ("stinis", &["penalise=image", "data_noise=0.1"]),
    ("joint", &["mu=10"]),
    ("relativistic", &["lambda_gp=2"]),
    ("hinge", &["lambda_gp=2"]),
];

fn tiny(net: &str, objective: &str, options: &[&str]) -> Config {
    let mut config = Config::preset("circles-quick").unwrap();
    let general = "size=16 width=4 batch=4 images=60 latent=4 log_every=5 iterations=40 targets=mix";
    let n_i = if ["invnet", "relativistic", "hinge"].contains(&objective) { "n_i=1" } else { "n_i=0" };
    let chosen = [format!("net={net}"), format!("objective={objective}")];
    let settings = general.split_whitespace().chain([n_i]).chain(chosen.iter().map(String::as_str));
    config.set_all(settings.chain(options.iter().copied()), "test").unwrap();
    config
}

fn constant(shape: Shape, values: Vec<f64>) -> Input {
    Input { shape, values: Values::Constant(values) }
}

/// All weights of the critic move along a direction with the first of two numbers, the logits of the
/// generated images with the second: by these a loss is differentiated, so that few evaluations come
/// near a kink of the networks.
#[test]
fn losses_hold_to_second_order_on_both_pairs_of_networks() {
    let images = Images { size: [16; 2], classes: 3, border: Border::Open };
    let properties: Vec<Property> = ["radius", "centroid"]
        .map(|kind| Ask::new(kind).unwrap().of(&images).map_err(|(_, problem)| problem).unwrap())
        .into();
    let shape = Shape::from([2, 16, 16, 3]);
    for family in [Family::Dcgan, Family::Resnet] {
        let net = Net::new(family, [16; 2], 2, 3);
        for (name, options) in VARIANTS {
            let config = tiny("dcgan", name, options);
            let objective = config.objective.make();
            let parameters = objective.critic_parameters(&Shapes { net: &net, numbers: 6, properties: 2 });
            let mut inputs = vec![Input { shape: Shape::from([2]), values: Values::Real(vec![0.2, -0.3]) }];
            for (i, p) in parameters.iter().enumerate() {
                let (seed, count) = (2 * i as u64, p.shape.numel());
                let by = match p.init {
                    Init::Constant(_) => 0.4,
                    Init::Normal(deviation) => 2.0 * deviation,
                };
                let centre = if p.name.ends_with("gamma") { 1.0 } else { 0.0 };
                let base = numbers(100 + seed, count).iter().map(|v| centre + by * v).collect();
                inputs.push(constant(p.shape, base));
                inputs.push(constant(p.shape, numbers(101 + seed, count).iter().map(|v| by * v).collect()));
            }
            let class = |i: usize| f64::from(u8::from(i % 3 == (i / 3) * 7 / 5 % 3));
            inputs.push(constant(shape, (0..shape.numel()).map(class).collect()));
            for seed in [7, 8, 9] {
                inputs.push(constant(shape, numbers(seed, shape.numel())));
            }
            let at = 1 + 2 * parameters.len();
            for critic in [true, false] {
                let what =
                    format!("{family:?} {name} {options:?}, {}", if critic { "critic" } else { "generator" });
                let outcomes = check(&what, &inputs, |tape: &Tape, x: &[Var<'_>]| {
                    let moved = |i: usize| {
                        let by = x[0].slice(&[0], [1]).reshape([]);
                        x[1 + 2 * i] + x[2 + 2 * i] * by
                    };
                    let weights =
                        Weights::new(parameters.iter().enumerate().map(|(i, p)| (p.name.clone(), moved(i))));
                    let by = x[0].slice(&[1], [1]).reshape([]);
                    let generated = (x[at + 1] + x[at + 2] * by).softmax();
                    let asked = measure_all(&properties, (x[at + 1] * x[at + 2]).softmax());
                    let real = measure_all(&properties, x[at]);
                    let step = Step {
                        net: &net,
                        critic: &weights,
                        properties: &properties,
                        real: Side { images: x[at], numbers: real, r: real.scale(3.0) },
                        fake: Side { images: generated, numbers: asked, r: asked.scale(3.0) },
                        between: tape.fill(0.3, [2]),
                        noise: x[at + 3],
                        lambda_gp: 10.0,
                    };
                    let losses =
                        if critic { objective.critic_loss(&step) } else { objective.generator_loss(&step) };
                    assert_eq!(losses.logged[0].0, if critic { "critic_loss" } else { "generator_loss" });
                    losses.total
                });
                for o in outcomes.unwrap() {
                    let (order, error, tolerance) = (o.order, o.error, o.tolerance);
                    assert!(o.holds(), "{what} order {order}: error {error:.1e}, tolerance {tolerance:.0e}");
                }
            }
        }
    }
}

fn run(trainer: &mut Trainer, to: u64) -> Vec<LogRow> {
    let mut rows = Vec::new();
    while trainer.iteration() < to {
        rows.extend(trainer.advance(5.min(to - trainer.iteration()), &|| false).unwrap());
    }
    rows
}

#[test]
fn every_objective_resumes_bit_for_bit() {
    for kind in KINDS {
        assert!(VARIANTS.iter().any(|(name, _)| *name == kind.name), "{} has no row", kind.name);
    }
    for (name, options) in VARIANTS {
        let config = tiny("dcgan", name, options);
        let mut whole = Trainer::new(&config).unwrap();
        let rows = run(&mut whole, 6);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let mut first = Trainer::new(&config).unwrap();
        let mut pieces = run(&mut first, 3);
        first.save(&path).unwrap();
        let mut second = Trainer::new(&config).unwrap();
        second.load(&path).unwrap();
        pieces.extend(run(&mut second, 6));
        assert_eq!(rows, pieces, "{name} {options:?}");
        assert_eq!(whole.checkpoint().unwrap(), second.checkpoint().unwrap(), "{name} {options:?}");
    }
}

#[test]
fn only_a_generator_that_is_told_what_is_asked_answers() {
    for (name, options) in VARIANTS {
        let mut trainer = Trainer::new(&tiny("dcgan", name, options)).unwrap();
        run(&mut trainer, 2);
        let mut sampler = trainer.sampler().unwrap();
        let asked = sampler.task().sample_targets(2, 1);
        let mut soft = asked.chunks_exact(6).map(|row| sampler.sample(row, 3).unwrap().probabilities);
        assert_eq!(soft.next() == soft.next(), name == "wgan-gp", "{name} {options:?}");
    }
}

/// An AC-GAN's head learns to read the numbers of real images, which nothing else tells it.
#[test]
fn the_head_of_an_acgan_learns() {
    let mut config = tiny("dcgan", "acgan", &[]);
    config.set_all(["iterations=300", "n_g=0", "batch=16", "images=500", "targets=data"], "test").unwrap();
    let rows = run(&mut Trainer::new(&config).unwrap(), 300);
    let mean =
        |rows: &[LogRow]| rows.iter().map(|r| r.get("label_loss").unwrap()).sum::<f64>() / rows.len() as f64;
    let (early, late) = (mean(&rows[..10]), mean(&rows[280..]));
    assert!(late < 0.3 * early, "{early} to {late}");
}

#[test]
fn objectives_are_chosen_by_name_and_mistakes_are_told() {
    let config = |text: &str| Config::from_toml(text, "f.toml");
    let start = "data = \"circles\"\n[[ask]]\nproperty = \"radius\"\n[train]\nn_i = 0\n";
    let cgan = config(&format!("{start}projection = true\nobjective = \"cgan\"")).unwrap();
    assert!(cgan.objective.options().flag("projection"));
    assert_eq!(Config::from_toml(&cgan.to_toml(), "again").unwrap(), cgan);
    let above = config(&format!("objective = \"cgan\"\n{start}projection = true")).unwrap();
    assert_eq!(above, cgan);
    assert_eq!(config(start).unwrap().objective, Choice::new("invnet").unwrap());
    for (more, says) in [
        ("objective = \"gan\"", "f.toml: objective = \"gan\": must be \"invnet\" or \"wgan-gp\" or \"cgan\""),
        ("objective = 3", "f.toml: objective = 3: must be a name"),
        ("mu = 3", "f.toml: train.mu = 3: unknown key"),
        ("objective = \"joint\"\nmu = -1", "f.toml: train.mu = -1: must be a number from 0 to 1000000"),
    ] {
        let problem = config(&format!("{start}{more}")).unwrap_err().to_string();
        assert!(problem.starts_with(says), "{problem}");
    }
    let mut quick = Config::preset("circles-quick").unwrap();
    let problem = quick.clone().set("objective=acgan", "--set").unwrap_err().to_string();
    assert_eq!(problem, "--set: train.n_i = 2: the objective acgan has no projection: set n_i = 0");
    quick.set_all(["objective=acgan", "n_i=0"], "--set").unwrap();
    let problem = quick.set("projection=true", "--set").unwrap_err().to_string();
    assert!(problem.contains("is a key of the objective cgan, and this run's is acgan"), "{problem}");
}

#[cfg(feature = "simt")]
#[test]
fn five_iterations_on_the_kernels_follow_double_precision() {
    use common::device;
    use invnet::device::gpu::{Precision, simt::Schedule};
    use invnet::device::{Cpu, Device};
    // What no other of them computes; InvNet's five are in `learn.rs`.
    for (net, variants) in [("dcgan", &[3, 4, 6, 7][..]), ("resnet", &[2])] {
        for (name, options) in variants.iter().map(|&i| VARIANTS[i]) {
            let mut config = tiny(net, name, options);
            // Small rates: Adam's first steps are the sign of a gradient, rounding where there is none.
            config.set_all(["batch=3", "lr_g=1e-5", "lr_d=1e-5", "lr_i=1e-5"], "test").unwrap();
            let losses = |device: Box<dyn Device>| -> Vec<LogRow> {
                let mut trainer = Trainer::with_device(&config, device).unwrap();
                (0..5).flat_map(|_| trainer.advance(1, &|| false).unwrap()).collect()
            };
            let exact = losses(Box::new(Cpu::<f64>::new()));
            let rows = losses(device(Schedule::Shuffled(7), Precision::Fp32));
            for (row, want) in rows.iter().zip(&exact) {
                // A hundred roundings in a row, and twice as far off with every iteration.
                let bound = 2e-5 * 2f64.powi(row.iteration as i32 - 1);
                for (loss, value) in &row.values {
                    let w = want.get(loss).unwrap();
                    let error = (value - w).abs() / (1.0 + w.abs());
                    assert!(
                        error < bound,
                        "{net} {name} {options:?} {}: {loss} {value}, not {w}",
                        row.iteration
                    );
                }
            }
        }
    }
}
