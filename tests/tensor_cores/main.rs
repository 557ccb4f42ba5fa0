//! Products in tf32 and bf16 against double precision: within the bound that rounding both factors
//! allows, whatever the order of threads. On the processor, or with INVNET_TEST_DEVICE=cuda on a GPU.

#![cfg(feature = "simt")]
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod oracle;
mod warpgroups;

use std::collections::BTreeSet;

use common::host::changed_library;
use common::{multiprocessors, settled, watched, whole};
use invnet::device::gpu::watch::Watch;
use oracle::{
    Finish, PRECISIONS, Product, convolutions, few_channels, images, legs, matmuls, periodic_legs, prepares,
};

use invnet::device::gpu::launch::FAMILIES;
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::{Gpu, Precision};
use invnet::device::{Cpu, Device, Kind};
use invnet::gradcheck::numbers;
use invnet::op::{AdamSettings, Leg};
use invnet::plan::Plan;
use invnet::store::Store;
use invnet::tape::Tape;

#[test]
fn few_channels_err_by_no_more_than_rounding() {
    let mut worst = 0.0f64;
    for (product, precision) in
        few_channels().into_iter().flat_map(|p| PRECISIONS.map(|precision| (p, precision)))
    {
        for finish in [Finish::Bare, Finish::Bias, Finish::Leaky, Finish::Gate] {
            let (error, mut kernels) = product.checked(precision, finish);
            kernels.retain(|&kernel| !prepares(kernel));
            assert_eq!(kernels, [format!("conv_x_{}_few", precision.name())], "{product:?}");
            worst = worst.max(error);
        }
    }
    assert!(worst > 0.02, "{worst} of the bound");
}

#[test]
fn images_err_by_no_more_than_rounding() {
    let mut worst = 0.0f64;
    for product in images() {
        let leg_y = matches!(product, Product::Conv { leg: Leg::Y, .. });
        let finishes = [Finish::Bare, Finish::Bias, Finish::Leaky, Finish::Gate];
        for &finish in if leg_y { &finishes[..] } else { &finishes[..1] } {
            let (error, kernels) = product.checked(Precision::Bf16, finish);
            assert_eq!(
                kernels[0],
                if leg_y { "conv_y_bf16_image" } else { "conv_w_bf16_image" },
                "{product:?}"
            );
            assert!(kernels[1..].iter().all(|kernel| kernel.starts_with("sum_")), "{product:?}: {kernels:?}");
            worst = worst.max(error);
        }
    }
    assert!(worst > 0.02, "{worst} of the bound");
}

/// At stride 1 few channels of y are as good as few of x.
#[test]
fn few_channels_of_y_are_those_of_x_in_a_mirror() {
    let one = [1, 1];
    let products = [
        legs(2, [64, 3], [12, 9], [3, 3], one, one),
        legs(1, [24, 4], [9, 70], [2, 3], one, [1, 0]),
        legs(3, [16, 1], [33, 10], [1, 1], one, [0, 0]),
        periodic_legs(1, [40, 2], [8, 12], [4, 3], one, [2, 2]),
    ];
    let expected = ["conv_x_bf16_few", "conv_y_bf16_image", "conv_w_bf16_image"];
    for (product, expected) in products.into_iter().flat_map(|legs| legs.into_iter().zip(expected)) {
        let leg_w = matches!(product, Product::Conv { leg: Leg::W, .. });
        let finishes = [Finish::Bare, Finish::Leaky, Finish::Gate];
        for &finish in if leg_w { &finishes[..1] } else { &finishes } {
            let (_, mut kernels) = product.checked(Precision::Bf16, finish);
            kernels.retain(|&kernel| !prepares(kernel) && !kernel.starts_with("sum_"));
            assert_eq!(kernels, [expected], "{product:?}");
        }
        let operands: Vec<Vec<f64>> =
            product.operands().iter().map(|v| v.iter().map(|&v| whole(v)).collect()).collect();
        let exact = settled(product.run(Box::new(Cpu::<f64>::new()), &operands, Finish::Bare));
        let device = watched(Schedule::Forward, Precision::Bf16).0;
        assert!(product.run(device, &operands, Finish::Bare) == exact, "{product:?}");
    }
    // Padding beyond the taps, a stride, few pixels and channels that are no eights have no mirror.
    for (product, kernel) in [
        (legs(1, [16, 3], [9, 9], [2, 2], one, [2, 2])[0], "conv_y_few_4"),
        (legs(1, [16, 3], [9, 9], [3, 3], [2, 2], one)[2], "conv_w_64"),
        (legs(1, [16, 3], [7, 7], [3, 3], one, one)[0], "conv_y_few"),
        (legs(1, [12, 3], [9, 9], [3, 3], one, one)[1], "conv_x_64"),
    ] {
        assert_eq!(product.run_kernels(Precision::Bf16, Schedule::Forward).1, kernel, "{product:?}");
    }
}

/// In every precision taps are rows of leg w rather than few channels its columns, but where there is one tap, or the image
/// is far larger than the result.
#[test]
fn few_columns_of_leg_w_become_rows() {
    let one = [1, 1];
    for (product, mirrored) in [
        (legs(2, [64, 3], [12, 9], [3, 3], one, one), true),
        (legs(1, [24, 4], [9, 70], [2, 3], one, [1, 0]), true),
        (periodic_legs(1, [40, 2], [8, 12], [4, 3], one, [2, 2]), true),
        (legs(3, [16, 1], [33, 10], [1, 1], one, [0, 0]), false),
        (legs(1, [16, 3], [8, 8], [5, 5], one, [0, 0]), false),
    ] {
        let product = product[2];
        let operands: Vec<Vec<f64>> =
            product.operands().iter().map(|v| v.iter().map(|&v| whole(v)).collect()).collect();
        let exact = settled(product.run(Box::new(Cpu::<f64>::new()), &operands, Finish::Bare));
        for (precision, expected) in [(Precision::Tf32, "conv_w_tf32_64"), (Precision::Fp32, "conv_w_64")] {
            let (device, launched) = watched(Schedule::Forward, precision);
            assert!(product.run(device, &operands, Finish::Bare) == exact, "{product:?}, {precision:?}");
            let launched = launched.lock().unwrap();
            assert_eq!(launched.contains(&"turn"), mirrored, "{product:?}: {launched:?}");
            assert!(!mirrored || launched.contains(&expected), "{product:?}: {launched:?}");
        }
    }
}

#[test]
fn a_wrong_leg_of_an_image_is_caught() {
    let [y, w, torus] = [2, 3, 14].map(|i| images()[i]);
    for (product, finish, wrong, change) in [
        (y, Finish::Bare, true, ["column / 2 * 16 + 2 * j", "column / 2 * 16 + j"]),
        (y, Finish::Bare, true, ["v[c] = at[half] < p.w && c < p.ci", "v[c] = at[half] <= p.w && c < p.ci"]),
        (
            y,
            Finish::Bare,
            true,
            ["a[2 + half] = bf16_pair(v[2], v[3])", "a[2 + half] = bf16_pair(v[3], v[2])"],
        ),
        (y, Finish::Leaky, true, ["masked ? at : channel", "masked ? at : channel % 64"]),
        (
            y,
            Finish::Gate,
            true,
            ["(masked ? needs[k] : v[k]) > 0.0f", "(masked ? needs[k ^ 1] : v[k]) > 0.0f"],
        ),
        (
            torus,
            Finish::Bare,
            true,
            [
                "wrapped((first + 8 * half) * p.sw - p.pw + tap, p.w, p)",
                "(first + 8 * half) * p.sw - p.pw + tap",
            ],
        ),
        (w, Finish::Bare, true, ["line += 4;\n    }", "line += 3;\n    }"]),
        (w, Finish::Bare, true, ["j % 2 ? upper_halves", "j % 2 == 0 ? upper_halves"]),
        (w, Finish::Bare, true, ["share != turn", "share != turn && turn > 0"]),
        (w, Finish::Bare, true, ["pixel + 4 * i < p->ow &&", ""]),
        (w, Finish::Bare, false, ["j % 2 ? upper_halves", "j % 2 /* as it was */ ? upper_halves"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = changed_library(folder.path(), "conv_image_mma", change);
        let simt = Simt::from_library(&library, Schedule::Forward).unwrap();
        let error = product.error(Box::new(Gpu::new(simt, Precision::Bf16)), Precision::Bf16, finish);
        assert_eq!(error.is_nan() || error > 1.0, wrong, "{change:?}: {error} of what rounding allows");
    }
}

#[test]
fn a_wrong_sum_of_few_channels_is_caught() {
    let [torus, open] = [9, 0].map(|i| few_channels()[i]);
    for (product, finish, wrong, change) in [
        (torus, Finish::Bare, true, ["a[0].z, a[1].z", "a[1].z, a[0].z"]),
        (torus, Finish::Bare, true, ["wrapped(column, p.ow, p)", "column"]),
        (torus, Finish::Bare, true, ["if (k + 4 > groups)", "if (k > groups)"]),
        (
            torus,
            Finish::Bare,
            true,
            ["strip.columns ? from[at + j * strides]", "strip.columns - 1 ? from[at + j * strides]"],
        ),
        (
            open,
            Finish::Bare,
            true,
            ["strip.columns ? from[at + j * strides]", "65535 ? from[at + j * strides]"],
        ),
        (torus, Finish::Leaky, true, ["extra[channel]", "extra[0]"]),
        (torus, Finish::Gate, true, ["masked ? extra[to]", "masked ? extra[i]"]),
        (torus, Finish::Gate, false, ["masked ? extra[to]", "masked ? extra[to] /* as it was */"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = changed_library(folder.path(), "conv_few_mma", change);
        let simt = Simt::from_library(&library, Schedule::Forward).unwrap();
        let error = product.error(Box::new(Gpu::new(simt, Precision::Bf16)), Precision::Bf16, finish);
        assert_eq!(error.is_nan() || error > 1.0, wrong, "{change:?}: {error} of what rounding allows");
    }
}

/// Whether tiles are chosen for the few multiprocessors of the host and for its architecture: then these products reach
/// them all. A card with warpgroups multiplies by those.
fn all_tiles() -> bool {
    common::kind() == Kind::Simt && multiprocessors().unwrap_or(4) == 4
}

/// Checks products that together reach every kernel of a family.
fn check(products: &[Product], family: &str) {
    let mut reached = BTreeSet::new();
    for precision in PRECISIONS {
        let mut worst = 0.0f64;
        for product in products {
            let (error, kernels) = product.checked(precision, Finish::Bare);
            worst = worst.max(error);
            reached.extend(kernels);
        }
        // An error far below the bound would mean that nothing was rounded.
        assert!(worst > 0.02, "{precision:?}: {worst} of the bound");
    }
    let family = FAMILIES.iter().find(|f| f.name == family).unwrap();
    if !all_tiles() {
        return;
    }
    let missed: Vec<&str> =
        family.kernels.iter().map(|kernel| kernel.name).filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "no product reaches {missed:?}");
}

#[test]
fn matrix_products_err_by_no_more_than_rounding() {
    check(&matmuls(), "matmul_mma");
}

#[test]
fn convolutions_err_by_no_more_than_rounding() {
    check(&convolutions(), "conv_mma");
}

/// Tiles and pieces as a large card gets them.
#[test]
fn a_large_card_errs_by_no_more_than_rounding() {
    for product in convolutions().into_iter().chain(matmuls()).step_by(3) {
        for precision in PRECISIONS {
            let (launcher, launched) = Watch::new(Box::new(common::simt(Schedule::Forward)), Some(132));
            let device: Box<dyn Device> = Box::new(Gpu::new(launcher, precision));
            product.checked_on((device, launched), precision, Finish::Bare);
        }
    }
}

/// The kernels that add a bias: both legs, both precisions, both tiles.
fn with_bias() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (leg, precision) in ["y", "x"].into_iter().flat_map(|leg| ["tf32", "bf16"].map(|p| (leg, p))) {
        all.extend(["64", "128x64", "128"].map(|tile| format!("conv_{leg}_{precision}_{tile}")));
    }
    all
}

#[test]
fn biases_reach_their_channels_and_slopes_their_numbers() {
    let mut reached = BTreeSet::new();
    for product in convolutions() {
        // The weight's leg has no bias.
        if matches!(product, Product::Conv { leg: Leg::W, .. }) {
            continue;
        }
        for (precision, finish) in
            PRECISIONS.into_iter().flat_map(|p| [Finish::Bias, Finish::Leaky, Finish::Gate].map(|f| (p, f)))
        {
            let (_, mut kernels) = product.checked(precision, finish);
            kernels.retain(|&kernel| !prepares(kernel));
            assert_eq!(kernels.len(), 1, "{product:?}: the plan folded nothing: {kernels:?}");
            reached.insert(kernels[0].to_owned());
        }
    }
    if !all_tiles() {
        return;
    }
    let missed: Vec<String> = with_bias().difference(&reached).cloned().collect();
    assert!(missed.is_empty(), "no bias was added by {missed:?}, only by {reached:?}");
}

#[test]
fn a_wrong_finish_is_caught() {
    let product = legs(5, [132, 132], [6, 5], [1, 1], [1, 1], [0, 0])[0];
    let (leaky, gate) = (Finish::Leaky, Finish::Gate);
    for (finish, wrong, change) in [
        (leaky, true, ["float*>(extra), n, columns)", "float*>(extra), n ^ 4, columns)"]),
        (leaky, true, ["p->activate >= 2 ? p->slope", "p->activate >= 2 ? 1.0f"]),
        (leaky, false, ["float*>(extra), n, columns)", "float*>(extra), n /* as it was */, columns)"]),
        (leaky, true, ["make_float4(x, y, second[0], second[1])", "make_float4(second[0], second[1], x, y)"]),
        (gate, true, ["is_gated() ? gates : v", "is_gated() ? v : v"]),
        (gate, true, ["float*>(extra) + start, n, columns)", "float*>(extra) + start, n ^ 4, columns)"]),
        (gate, false, ["is_gated() ? gates : v", "is_gated() ? gates /* as it was */ : v"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let library = changed_library(folder.path(), "conv_mma", change);
        for precision in PRECISIONS {
            let simt = Simt::from_library(&library, Schedule::Forward).unwrap();
            let error = product.error(Box::new(Gpu::new(simt, precision)), precision, finish);
            assert_eq!(error > 1.0, wrong, "{precision:?} {change:?}: {error} of what rounding allows");
        }
    }
}

/// Small whole numbers lose nothing to either precision, nor do their sums: every term counts once.
#[test]
fn products_of_whole_numbers_are_exact() {
    for product in matmuls().into_iter().chain(convolutions()).chain(few_channels()).chain(images()) {
        let operands: Vec<Vec<f64>> =
            product.operands().iter().map(|v| v.iter().map(|&v| whole(v)).collect()).collect();
        let exact = settled(product.run(Box::new(Cpu::<f64>::new()), &operands, Finish::Bare));
        for precision in PRECISIONS {
            let found = product.run(watched(Schedule::Forward, precision).0, &operands, Finish::Bare);
            assert!(found == exact, "{precision:?} {product:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_schedule() {
    let mut products = matmuls();
    products.truncate(20);
    products.extend(legs(5, [20, 64], [8, 6], [4, 4], [2, 2], [1, 1]));
    products.extend(legs(1, [12, 132], [33, 17], [3, 3], [1, 1], [1, 1]));
    products.extend(legs(2, [132, 132], [5, 5], [4, 4], [2, 2], [1, 1]));
    products.extend(periodic_legs(5, [20, 64], [10, 6], [4, 4], [2, 2], [1, 1]));
    products.extend(few_channels().into_iter().chain(images()));
    for (product, precision) in products.iter().flat_map(|p| PRECISIONS.map(|precision| (p, precision))) {
        let (forward, _) = product.run_kernels(precision, Schedule::Forward);
        for schedule in [Schedule::Backward, Schedule::Shuffled(1), Schedule::Shuffled(2)] {
            let (other, _) = product.run_kernels(precision, schedule);
            let same = forward.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{precision:?} {schedule:?} {product:?}");
        }
    }
}

#[test]
fn precision_and_channels_choose_the_kernel() {
    let kernel = |product: Product, precision| product.run_kernels(precision, Schedule::Forward).1;
    let (tf32, bf16) = (Precision::Tf32, Precision::Bf16);
    let one = [1, 1];
    let conv = |channels| legs(1, channels, [5, 4], [3, 3], one, one);
    let matmul = |m, n, k, ta, tb| Product::MatMul { m, n, k, ta, tb };
    for (product, precision, expected) in [
        (conv([12, 16])[0], Precision::Fp32, "conv_y_64"),
        (conv([12, 16])[0], tf32, "conv_y_tf32_64"),
        (conv([12, 16])[1], bf16, "conv_x_bf16_64"),
        (conv([12, 16])[2], tf32, "conv_w_tf32_64"),
        (conv([132, 132])[2], bf16, "conv_w_bf16_128"),
        // Groups of four must be whole where the leg reads along them; those of x are made so.
        (conv([3, 16])[0], tf32, "conv_y_tf32_64"),
        (conv([3, 12])[2], bf16, "conv_w_bf16_64"),
        // Images have kernels of their own, of eights of channels of y and up to four taps.
        (conv([3, 16])[0], bf16, "conv_y_bf16_image"),
        (conv([4, 16])[2], bf16, "conv_w_bf16_image"),
        (conv([4, 12])[0], bf16, "conv_y_bf16_64"),
        (legs(1, [3, 16], [5, 9], [3, 5], one, one)[0], bf16, "conv_y_bf16_64"),
        (conv([3, 10])[0], tf32, "conv_y_64"),
        (conv([3, 10])[2], tf32, "conv_w_64"),
        (conv([10, 16])[1], tf32, "conv_x_tf32_64"),
        (conv([12, 10])[1], tf32, "conv_x_64"),
        // Few channels of the result, whatever the precision.
        (conv([12, 4])[0], tf32, "conv_y_few"),
        (conv([4, 16])[1], tf32, "conv_x_tf32_few"),
        (conv([4, 12])[1], tf32, "conv_x_tf32_few"),
        (conv([4, 10])[1], tf32, "conv_x_few_4"),
        // Eights of channels for those that tensor cores sum.
        (conv([4, 16])[1], bf16, "conv_x_bf16_few"),
        (conv([4, 12])[1], bf16, "conv_x_few_4"),
        (matmul(5, 8, 4, false, false), tf32, "matmul_nn_tf32_64"),
        (matmul(5, 8, 4, true, false), tf32, "matmul_tn_64"),
        (matmul(8, 5, 4, true, true), bf16, "matmul_tt_bf16_64"),
        (matmul(8, 8, 5, true, false), bf16, "matmul_tn_bf16_64"),
        (matmul(132, 132, 5, false, true), bf16, "matmul_nt_128"),
        (matmul(132, 132, 4, false, true), bf16, "matmul_nt_bf16_128"),
    ] {
        assert_eq!(kernel(product, precision), expected, "{precision:?} {product:?}");
    }
}

/// A filter is rounded once while it does not change, and again when it has: by an operation, from the host, or by
/// a graph.
#[test]
fn rounded_filters_follow_theirs() {
    let product = legs(2, [12, 16], [6, 5], [3, 3], [1, 1], [1, 1])[0];
    let [image, filter] = product.shapes();
    let fresh = |x: &[f64], w: &[f64]| {
        let operands =
            [x.to_vec(), w.to_vec(), vec![0.0; product.channels()], vec![0.0; product.result().numel()]];
        product.run(watched(Schedule::Forward, Precision::Bf16).0, &operands, Finish::Bare)
    };
    let (device, launched) = watched(Schedule::Forward, Precision::Bf16);
    let mut store = Store::on(device);
    let operands = product.operands();
    let x = store.add_real("x", image, &operands[0]).unwrap();
    let w = store.add_real("w", filter, &operands[1]).unwrap();
    let target = store.add_real("target", filter, &numbers(9, filter.numel())).unwrap();
    let tape = Tape::new();
    let [x_var, w_var, target] = [x, w, target].map(|leaf| store.var(&tape, leaf));
    let before = product.product(x_var, w_var);
    let again = product.product(x_var.scale(2.0), w_var);
    tape.lerp(tape.fill(0.5, []), &[[w_var, target]]);
    let after = product.product(x_var, w_var);
    let plan = Plan::new(&tape, &[before, again, after], &store);
    let x = store.read(x).unwrap();
    let check = |store: &mut Store, run: &dyn Fn(&mut Store)| {
        let earlier = store.read(w).unwrap();
        run(store);
        let later = store.read(w).unwrap();
        assert_ne!(earlier, later);
        assert!(plan.read(store, 0).unwrap() == fresh(&x, &earlier), "before the change");
        assert!(plan.read(store, 2).unwrap() == fresh(&x, &later), "after the change");
    };
    let planned = |store: &mut Store| plan.run(store).unwrap();
    check(&mut store, &planned);
    // Twice for three products: before and after the change.
    assert_eq!(launched.lock().unwrap().iter().filter(|&&kernel| kernel == "narrow").count(), 2);
    check(&mut store, &planned);
    store.write(w, &numbers(11, filter.numel())).unwrap();
    check(&mut store, &planned);
    assert!(store.device().begin_capture().unwrap());
    plan.run(&mut store).unwrap();
    let graph = store.device().end_capture().unwrap();
    let replayed = |store: &mut Store| store.device().replay(graph).unwrap();
    check(&mut store, &planned);
    check(&mut store, &replayed);
    check(&mut store, &replayed);
    store.write(w, &numbers(12, filter.numel())).unwrap();
    check(&mut store, &replayed);
    check(&mut store, &planned);
}

/// Adam writes the copy of a filter that products read, with the bits of rounding the filter anew.
#[test]
fn adam_rounds_the_filters_that_it_changes() {
    let product = legs(2, [12, 16], [6, 5], [3, 3], [1, 1], [1, 1])[0];
    let [image, filter] = product.shapes();
    let numel = filter.numel();
    for beta1 in [0.0, 0.5] {
        let settings = AdamSettings { beta1, beta2: 0.9, eps: 1e-8 };
        let (device, launched) = watched(Schedule::Forward, Precision::Bf16);
        let mut store = Store::on(device);
        let operands = product.operands();
        let x = store.add_real("x", image, &operands[0]).unwrap();
        let w = store.add_real("w", filter, &operands[1]).unwrap();
        let other = store.add_real("other", filter, &operands[1]).unwrap();
        let [gradient, moment] = [("g", 5), ("m", 6)]
            .map(|(name, seed)| store.add_real(name, filter, &numbers(seed, numel)).unwrap());
        let zeros = ["v", "other v"].map(|name| store.add_zeros(name, filter).unwrap());
        let step = store.add_zeros("step", []).unwrap();
        let tape = Tape::new();
        let var = |leaf| store.var(&tape, leaf);
        let before = product.product(var(x), var(w));
        // A tensor without a copy stands beside it.
        let updates = [(w, zeros[0]), (other, zeros[1])].map(|(tensor, v)| {
            let all = [tensor, gradient, moment, v];
            all.into_iter().filter(|&leaf| leaf != moment || beta1 > 0.0).map(var).collect::<Vec<_>>()
        });
        tape.adam(settings, var(step), tape.fill(0.01, []), &updates);
        let after = product.product(var(x), var(w));
        let plan = Plan::new(&tape, &[before, after], &store);
        let mut last = None;
        for _ in 0..3 {
            plan.run(&mut store).unwrap();
            let operands = [
                operands[0].clone(),
                store.read(w).unwrap(),
                vec![0.0; product.channels()],
                vec![0.0; product.result().numel()],
            ];
            let fresh = product.run(watched(Schedule::Forward, Precision::Bf16).0, &operands, Finish::Bare);
            assert!(last.replace(fresh.clone()).is_none_or(|last| plan.read(&mut store, 0).unwrap() == last));
            assert!(plan.read(&mut store, 1).unwrap() == fresh, "beta1 {beta1}");
        }
        // Nobody rounds it again.
        assert_eq!(launched.lock().unwrap().iter().filter(|&&kernel| kernel == "narrow").count(), 1);
    }
}
