//! Tiny InvNets learn, and a resumed run equals one that was never interrupted.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "simt")]
mod common;

use invnet::data::ClassMaps;
use invnet::data::export::write_npz;
use invnet::error::Error;
use invnet::eval::report::{Figures, Report};
use invnet::train::{Config, LogRow, Trainer};

fn tiny(net: &str) -> Config {
    let mut config = Config::preset("circles-quick").unwrap();
    for setting in ["size=16", "width=4", "batch=8", "images=200", "latent=8", "log_every=5", "iterations=40"]
    {
        config.set(setting, "test").unwrap();
    }
    config.set(&format!("net={net}"), "test").unwrap();
    config
}

fn run(trainer: &mut Trainer, to: u64) -> Vec<LogRow> {
    let mut rows = Vec::new();
    while trainer.iteration() < to {
        rows.extend(trainer.advance(5.min(to - trainer.iteration()), &|| false).unwrap());
    }
    rows
}

#[test]
fn resume_equals_uninterrupted_bit_for_bit() {
    for (net, extra) in [
        ("dcgan", "targets=mix"),
        ("resize", "ema=0.9"),
        ("resize", "crisp=both"),
        ("resize", "augment=flips+rotations"),
        ("resnet", "n_d=2"),
        ("dcgan", "precision=bf16"),
    ] {
        let mut config = tiny(net);
        config.set(extra, "test").unwrap();
        let mut whole = Trainer::new(&config).unwrap();
        let rows = run(&mut whole, 14);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let mut first = Trainer::new(&config).unwrap();
        let mut pieces = run(&mut first, 7);
        first.save(&path).unwrap();
        drop(first);
        let mut second = Trainer::new(&config).unwrap();
        second.load(&path).unwrap();
        assert_eq!(second.iteration(), 7);
        pieces.extend(run(&mut second, 14));

        assert_eq!(rows, pieces, "{net} {extra}");
        assert_eq!(whole.checkpoint().unwrap(), second.checkpoint().unwrap(), "{net} {extra}");
    }
}

/// Bands that lie as they lay whichever way they are flipped: not a bit of a training changes, but if they are moved.
#[test]
fn training_sees_images_moved_as_asked_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bands.npz");
    let (count, side) = (24, 16);
    let band = |i: usize| u8::from((i % side).min(side - 1 - i % side) <= i / (side * side) % 6);
    let bands = ClassMaps {
        count,
        height: side,
        width: side,
        classes: 2,
        maps: (0..count * side * side).map(band).collect(),
        names: Vec::new(),
        properties: Vec::new(),
        labels: Vec::new(),
        held_out: Vec::new(),
    };
    write_npz(&path, &bands).unwrap();
    let of = |augment: &str| {
        let mut config = Config::preset("two-phase-p1-quick").unwrap();
        let data = format!("data={}", path.display());
        let augment = format!("augment={augment}");
        let settings =
            [&data, &augment, "net.border=zero", "data.border=periodic", "width=4", "batch=8", "latent=8"];
        config.set_all(settings, "test").unwrap();
        run(&mut Trainer::new(&config).unwrap(), 3)
    };
    let still = of("none");
    assert_eq!(still, of("flips"));
    // Nothing is known of a file.
    assert_eq!(still, of("auto"));
    for moved in ["shifts", "rotations", "shifts+flips+rotations"] {
        let rows = of(moved);
        assert_ne!(still, rows, "{moved}");
        // Fractions stay what they are, however images lie: the first targets are the same.
        assert_eq!(still[0].get("fraction"), rows[0].get("fraction"), "{moved}");
    }
}

/// Large enough for every loop that splits: activations of 32 pieces of 16,384 numbers, Winograd tiles of
/// several tasks in all three legs, matrix products of several blocks of rows, sums of many pieces.
#[test]
fn an_iteration_is_the_same_on_any_number_of_threads() {
    for (net, width, precision) in [("dcgan", 16, "fp32"), ("dcgan", 32, "bf16"), ("resnet", 8, "fp32")] {
        same_on_any_number_of_threads(net, width, precision);
    }
}

fn same_on_any_number_of_threads(net: &str, width: usize, precision: &str) {
    let mut config = tiny(net);
    let [width, precision] = [format!("width={width}"), format!("precision={precision}")];
    let settings = ["size=64", &width, "batch=8", "images=64", "ema=0.9", &precision];
    config.set_all(settings, "test").unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(&config).unwrap();
            let rows = run(&mut trainer, 2);
            (rows, trainer.checkpoint().unwrap())
        })
    };
    let one = with(1);
    for threads in [2, 4, 5, 8, 16] {
        assert!(one == with(threads), "{net} {precision}: {threads} threads");
    }
}

/// The quality of 200 samples.
fn figures(trainer: &mut Trainer) -> Figures {
    let report = Report::measure(&mut trainer.sampler().unwrap(), trainer.real(), 200).unwrap();
    report.figures.unwrap()
}

#[test]
fn a_tiny_invnet_learns_to_draw_where_it_is_told() {
    let mut config = tiny("dcgan");
    for setting in ["size=32", "width=8", "batch=16", "images=2000", "iterations=600"] {
        config.set(setting, "test").unwrap();
    }
    let mut trainer = Trainer::new(&config).unwrap();
    let untrained = figures(&mut trainer);
    let rows = run(&mut trainer, 600);
    let mean = |rows: &[LogRow], name: &str| {
        rows.iter().map(|r| r.get(name).unwrap()).sum::<f64>() / rows.len() as f64
    };
    for name in ["radius", "centroid"] {
        let (early, late) = (mean(&rows[..5], name), mean(&rows[580..], name));
        assert!(late < 0.2 * early, "{name}: {early} to {late}");
    }
    let trained = figures(&mut trainer);
    assert!(trained.iou > 0.5 && untrained.iou < 0.2, "{} to {}", untrained.iou, trained.iou);
    assert!(trained.mean_centroid_error < 1.6, "{} px", trained.mean_centroid_error);
}

#[test]
fn every_world_learns_its_numbers_and_resumes_bit_for_bit() {
    for (preset, more) in [
        ("circle-square-quick", ""),
        ("two-phase-p1-quick", ""),
        ("two-phase-p2-quick", "bins=8"),
        ("two-phase-quick", "bins=8"),
        ("polycrystal-quick", "grains=6 concentration=1"),
    ] {
        let mut config = Config::preset(preset).unwrap();
        let settings = "size=16 width=4 batch=8 images=200 latent=8 z_scale=0.1 n_d=1 n_i=3 targets=data \
                        iterations=200 exact_shares=false relax=0 modulate=false crisp=none";
        config.set_all(settings.split_whitespace().chain(more.split_whitespace()), "test").unwrap();
        let mut trainer = Trainer::new(&config).unwrap();
        let error = |trainer: &mut Trainer| {
            Report::measure(&mut trainer.sampler().unwrap(), trainer.real(), 60).unwrap().mean_abs_error
        };
        let untrained = error(&mut trainer);
        let rows = run(&mut trainer, 200);
        let trained = error(&mut trainer);
        assert!(trained < 0.7 * untrained, "{preset}: {untrained} to {trained}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let mut first = Trainer::new(&config).unwrap();
        run(&mut first, 4);
        first.save(&path).unwrap();
        let mut second = Trainer::new(&config).unwrap();
        second.load(&path).unwrap();
        assert_eq!(run(&mut second, 9), rows[4..9], "{preset}");
    }
}

/// A small run on images of 16 x 16.
fn small(preset: &str, more: &str) -> Trainer {
    let mut config = Config::preset(preset).unwrap();
    let settings = "size=16 width=4 batch=8 images=100 latent=8 latent_map=false n_d=1 log_every=5";
    config.set_all(settings.split_whitespace().chain(more.split_whitespace()), "test").unwrap();
    Trainer::new(&config).unwrap()
}

#[test]
fn classes_fill_the_shares_asked_for_however_little_was_learned() {
    // Of five classes that are still hardly told apart edges are soft, and class maps less near.
    for (preset, numbers, most) in [
        ("two-phase-p1-quick", "p1", 0.2),
        ("two-phase-p2-quick", "s0", 0.2),
        ("polycrystal-quick", "f1 f2 f3 f4 f5", 0.4),
    ] {
        let error = |exact: bool| {
            let more = match numbers {
                "s0" => "bins=8",
                "f1 f2 f3 f4 f5" => "grains=6 concentration=1",
                _ => "",
            };
            let mut trainer = small(preset, &format!("iterations=20 exact_shares={exact} {more}"));
            run(&mut trainer, 20);
            let report = Report::measure(&mut trainer.sampler().unwrap(), trainer.real(), 60).unwrap();
            let asked = report.properties.iter().filter(|p| numbers.contains(&p.name));
            asked.map(|p| p.argmax.mean_abs_error).fold(0.0, f64::max)
        };
        let [exact, learned] = [true, false].map(error);
        assert!(exact < most * learned, "{preset}: {exact}, learned {learned}");
    }
}

#[test]
fn samples_relax_and_training_knows_nothing_of_it() {
    let run = |[relax, width]: [usize; 2]| {
        let keys = format!("iterations=20 grains=6 relax={relax} relax_width={width}");
        let mut trainer = small("polycrystal-quick", &keys);
        let rows = run(&mut trainer, 20);
        let report = Report::measure(&mut trainer.sampler().unwrap(), trainer.real(), 60).unwrap();
        let grains = report.descriptors.iter().find(|d| d.name.starts_with("grains of an image")).unwrap();
        (grains.generated.mean, rows)
    };
    let [(drawn, rows), (relaxed, same), (wider, _)] = [[0, 5], [3, 5], [3, 8]].map(run);
    assert!(relaxed < 0.7 * drawn, "{drawn} to {relaxed}");
    assert!(wider < relaxed, "{relaxed} to {wider}");
    assert_eq!(rows, same);
}

#[test]
fn modulated_features_follow_the_numbers() {
    let error = |modulate: bool| {
        let settings = "n_g=0 n_d=0 n_i=4 iterations=60 exact_shares=false relax=0 z_scale=0.3";
        let mut trainer = small("two-phase-p1-quick", &format!("{settings} modulate={modulate}"));
        let rows = run(&mut trainer, 60);
        let weights = trainer.checkpoint().unwrap().values("generator.modulate1.w");
        let late = rows[50..].iter().map(|row| row.get("fraction").unwrap()).sum::<f64>();
        (late, weights)
    };
    let [(plain, none), (followed, weights)] = [false, true].map(error);
    assert!(none.is_none() && weights.unwrap().iter().any(|w| w.abs() > 1e-3));
    assert!(followed < 1.5 * plain && followed != plain, "{followed}, without {plain}");
}

#[test]
fn crisp_steps_see_class_maps_and_learn_from_them() {
    let mut trainer = small(
        "two-phase-p1-quick",
        "net=dcgan modulate=false crisp=projection n_g=0 n_d=0 n_i=4 z_scale=0.1 iterations=100",
    );
    let rows = run(&mut trainer, 100);
    // Shares of class maps are whole pixels: so are, in their squares, the losses of all 8 samples.
    let losses: Vec<f64> = rows.iter().map(|row| row.get("fraction").unwrap()).collect();
    for loss in &losses {
        let pixels = loss * 8.0 * 256.0 * 256.0;
        assert!((pixels - pixels.round()).abs() < 0.001 * pixels.sqrt().max(1.0), "{pixels}");
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[80..]) < 0.4 * mean(&losses[..10]), "{losses:?}");

    // Against a critic of class maps: generators learn, and otherwise than against one of probabilities.
    let weights = |more: &str| {
        let mut trainer = small("two-phase-p1-quick", &format!("n_i=0 {more}"));
        let before = trainer.checkpoint().unwrap().values("generator.linear.w").unwrap();
        run(&mut trainer, 2);
        (before, trainer.checkpoint().unwrap().values("generator.linear.w").unwrap())
    };
    let ((before, crisp), (_, soft)) = (weights("crisp=critic"), weights("crisp=none"));
    assert!(before != crisp && crisp != soft);
}

#[test]
fn rates_that_fall_are_zero_at_the_end() {
    for (decay, moves) in [("none", true), ("linear", false), ("smooth", false)] {
        let mut trainer = small("circles-quick", &format!("iterations=3 lr_decay={decay}"));
        run(&mut trainer, 3);
        let weights = |t: &mut Trainer| t.checkpoint().unwrap().values("generator.linear.w").unwrap();
        let before = weights(&mut trainer);
        run(&mut trainer, 4);
        assert_eq!(weights(&mut trainer) != before, moves, "{decay}");
    }
}

#[test]
fn a_loss_that_is_not_finite_names_iteration_and_phase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let config = tiny("dcgan");
    let mut trainer = Trainer::new(&config).unwrap();
    run(&mut trainer, 3);
    trainer.save(&path).unwrap();
    // One weight of the critic becomes a NaN, as an overflow would make it.
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let at = 8 + header + json["critic.conv0.w"]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    trainer.load(&path).unwrap();
    match trainer.advance(5, &|| false) {
        Err(Error::Diverged { iteration, what, value }) => {
            assert_eq!((iteration, what.as_str()), (4, "the generator loss"));
            assert!(value.is_nan());
        }
        other => panic!("expected divergence, found {other:?}"),
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    Trainer::new(&tiny("dcgan")).unwrap().save(&path).unwrap();
    let mut wider = tiny("dcgan");
    wider.set("width=8", "test").unwrap();
    let message = Trainer::new(&wider).unwrap().load(&path).unwrap_err().to_string();
    assert!(message.contains("checkpoint.safetensors") && message.contains("config.toml"), "{message}");
    std::fs::write(&path, b"not a checkpoint").unwrap();
    let message = Trainer::new(&wider).unwrap().load(&path).unwrap_err().to_string();
    assert!(message.contains("is no checkpoint"), "{message}");
}

#[cfg(feature = "simt")]
mod kernels {
    use super::*;
    use common::{device, kind};
    use invnet::device::gpu::Precision;
    use invnet::device::gpu::simt::Schedule;
    use invnet::device::{Cpu, Device};

    /// Losses of the first iterations, one row each.
    fn losses(config: &Config, device: Box<dyn Device>, count: usize) -> Vec<LogRow> {
        let mut trainer = Trainer::with_device(config, device).unwrap();
        (0..count).flat_map(|_| trainer.advance(1, &|| false).unwrap()).collect()
    }

    #[test]
    fn five_iterations_follow_double_precision() {
        for (net, extra) in [("dcgan", "n_d=2"), ("resize", "n_d=2"), ("resnet", "targets=mix")] {
            let mut config = tiny(net);
            // At small rates, because Adam's first steps are the sign of a gradient: where that is
            // nothing but rounding, devices go different ways by the rate.
            let rates = ["lr_g=1e-5", "lr_d=1e-5", "lr_i=1e-5"];
            // Tensor cores take channels in fours, and layers of more than eight: all but the image's.
            for setting in ["batch=3", "width=12", "n_i=1", "ema=0.9", extra].iter().chain(&rates) {
                config.set(setting, "test").unwrap();
            }
            let exact = losses(&config, Box::new(Cpu::<f64>::new()), 5);
            // A hundred roundings in a row, and twice as far off with every iteration.
            for (precision, count, first) in
                [(Precision::Fp32, 5, 2e-5), (Precision::Tf32, 2, 2e-2), (Precision::Bf16, 2, 1e-1)]
            {
                let rows = losses(&config, device(Schedule::Shuffled(7), precision), count);
                let mut worst = 0.0f64;
                for (row, want) in rows.iter().zip(&exact) {
                    let bound = first * 2f64.powi(row.iteration as i32 - 1);
                    for (name, value) in &row.values {
                        let w = want.get(name).unwrap();
                        let error = (value - w).abs() / (1.0 + w.abs());
                        let at = (net, precision.name(), row.iteration);
                        assert!(error < bound, "{at:?}: {name} {value}, not {w}");
                        worst = worst.max(error);
                    }
                }
                // Operands were rounded where that was asked for.
                let rounded = worst > 1e-5;
                assert_eq!(rounded, precision != Precision::Fp32, "{net}, {}: {worst:e}", precision.name());
            }
        }
    }

    #[test]
    fn a_run_moves_between_devices() {
        let config = tiny("dcgan");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let mut whole = Trainer::on(&config, kind()).unwrap();
        let rows = run(&mut whole, 6);

        // Kernels to kernels: bit for bit, also though the graph is captured anew.
        let mut first = Trainer::on(&config, kind()).unwrap();
        let mut pieces = run(&mut first, 3);
        first.save(&path).unwrap();
        let mut second = Trainer::on(&config, kind()).unwrap();
        second.load(&path).unwrap();
        pieces.extend(run(&mut second, 6));
        assert_eq!(rows, pieces);
        assert_eq!(whole.checkpoint().unwrap(), second.checkpoint().unwrap());

        // Kernels to CPU: the same run up to rounding.
        let mut third = Trainer::new(&config).unwrap();
        third.load(&path).unwrap();
        for (row, want) in run(&mut third, 6).iter().zip(&rows[3..]) {
            for (name, value) in &row.values {
                let w = want.get(name).unwrap();
                assert!((value - w).abs() < 1e-3 * (1.0 + w.abs()), "{name}: {value}, not {w}");
            }
        }
    }
}
