//! What an iteration launches, moves and computes, of every preset: numbers that only a deliberate edit
//! changes. From a dry run for a card of 132 multiprocessors; no kernel runs.

#![allow(clippy::unwrap_used)]

use invnet::device::gpu::Precision;
use invnet::device::gpu::dry::Limits;
use invnet::device::gpu::launch::find;
use invnet::device::gpu::model::{Budget, Work, dry_run};
use invnet::train::Config;
use invnet::train::config::PRESETS;

const LARGE: Limits = Limits { multiprocessors: 132, shared: 227 << 10, arch: 90 };

fn budget(preset: &str, settings: &[&str]) -> Budget {
    let mut config = Config::preset(preset).unwrap();
    config.set_all(settings.iter().copied(), "test").unwrap();
    dry_run(&config, LARGE).unwrap()
}

/// Preset, launches, MB of tensors and GFLOP of products, of an iteration.
const BUDGETS: &[(&str, usize, u64, u64)] = &[
    ("circles-quick", 571, 612, 10),
    ("circle-square-quick", 702, 811, 15),
    ("two-phase-quick", 1070, 979, 17),
    ("two-phase-p1-quick", 1125, 980, 18),
    ("two-phase-p2-quick", 1019, 957, 17),
    ("polycrystal-quick", 541, 877, 17),
    ("polycrystal-size-quick", 832, 1104, 18),
    ("circles-wgan-gp-quick", 192, 314, 7),
    ("circles-cgan-quick", 204, 417, 8),
    ("circles-acgan-quick", 211, 319, 7),
    ("two-phase-stinis-quick", 216, 340, 7),
    ("circles-128", 782, 3140, 79),
    ("circle-square-128", 782, 3140, 79),
    ("two-phase-128", 1366, 4344, 105),
    ("two-phase-p1-128", 1181, 3726, 97),
    ("two-phase-p2-128", 1311, 4251, 105),
    ("polycrystal-128", 615, 3524, 90),
    ("circles", 1217, 25274, 2631),
    ("circle-square", 825, 13300, 1177),
    ("two-phase", 1462, 18914, 1601),
    ("two-phase-p1", 1277, 16865, 1491),
    ("two-phase-p2", 1407, 18821, 1601),
    ("polycrystal", 663, 14107, 1287),
    ("circles-wgan-gp", 702, 17264, 2102),
    ("circles-cgan", 745, 18908, 2170),
    ("circles-acgan", 765, 17418, 2102),
    ("two-phase-stinis", 416, 9052, 950),
];

/// The same of what `bench step` times: the pair and what it multiplies, of `circles` at 128 x 128, width 64, batch 64.
const PAIRS: &[(&str, usize, u64, u64)] = &[
    ("dcgan, fp32", 1222, 42607, 5263),
    ("dcgan, tf32", 1337, 45561, 5289),
    ("dcgan, bf16", 1238, 30208, 5263),
    ("resize, fp32", 1370, 43649, 5309),
    ("resize, tf32", 1485, 46563, 5343),
    ("resize, bf16", 1495, 33870, 5324),
    ("resnet, fp32", 4672, 609743, 50544),
    ("resnet, tf32", 4802, 608754, 50601),
    ("resnet, bf16", 5027, 487495, 50544),
];

#[test]
fn an_iteration_of_every_preset_keeps_to_its_budget() {
    let presets = PRESETS.iter().map(|&(preset, ..)| (preset, budget(preset, &[])));
    keeps_to(BUDGETS, presets);
}

#[test]
fn an_iteration_of_every_pair_keeps_to_its_budget() {
    keeps_to(
        PAIRS,
        PAIRS.iter().map(|&(pair, ..)| {
            let (family, precision) = pair.split_once(", ").unwrap();
            let settings =
                [format!("family={family}"), format!("precision={precision}"), "batch=64".to_owned()];
            (pair, budget("circles", &settings.each_ref().map(String::as_str)))
        }),
    );
}

#[track_caller]
fn keeps_to<'a>(budgets: &[(&'a str, usize, u64, u64)], found: impl Iterator<Item = (&'a str, Budget)>) {
    let rounded = |(name, budget): (&'a str, Budget)| {
        let (launches, bytes, flops) = budget.totals();
        (name, launches, bytes / 1_000_000, flops / 1_000_000_000)
    };
    let found: Vec<_> = found.map(rounded).collect();
    let listed: String = found.iter().map(|row| format!("    {row:?},\n")).collect();
    assert!(found == budgets, "a deliberate change? then the budgets are\n{listed}");
}

/// What grows with the batch does so by its size, and a run of half the width has less to do.
#[test]
fn budgets_follow_the_configuration() {
    let of = |settings: &[&str]| budget("circles-quick", settings).totals();
    let (launches, bytes, flops) = of(&["batch=32"]);
    let (twice_launches, twice_bytes, twice_flops) = of(&["batch=64"]);
    assert_eq!(twice_flops, 2 * flops);
    assert!(twice_bytes < 2 * bytes && twice_bytes > bytes * 3 / 2);
    assert!(twice_launches.abs_diff(launches) * 10 < launches);
}

#[test]
fn tensor_cores_get_what_is_theirs() {
    for (precision, part) in [("fp32", 0.0), ("tf32", 0.9), ("bf16", 0.9)] {
        let budget = budget("circles", &["width=64", "batch=64", &format!("precision={precision}")]);
        let flops = |tensor: bool| -> u64 {
            let on = |name: &str| launches_on_tensor_cores(name) == tensor;
            budget.launches.iter().filter(|seen| on(seen.kernel)).map(|seen| Work::of(seen).flops).sum()
        };
        let found = flops(true) as f64 / (flops(true) + flops(false)) as f64;
        assert!(found >= part && (part > 0.0 || found == 0.0), "{precision}: {found} of the operations");
        let expected = if precision == "fp32" { Precision::Fp32.name() } else { precision };
        let others = budget.launches.iter().filter(|seen| launches_on_tensor_cores(seen.kernel));
        assert!(others.clone().all(|seen| seen.kernel.contains(expected)), "{precision}");
    }
}

fn launches_on_tensor_cores(kernel: &str) -> bool {
    invnet::device::gpu::launch::FAMILIES[find(kernel).0].name.ends_with("mma")
}
