//! Legs of convolutions by the warpgroups of compute capability 9.0.

use std::collections::BTreeSet;

use invnet::device::gpu::cuda::Cuda;
use invnet::device::gpu::dry::Limits;
use invnet::device::gpu::launch::FAMILIES;
use invnet::device::gpu::simt::{Schedule, Simt};
use invnet::device::gpu::watch::Watch;
use invnet::device::gpu::{Gpu, Launcher, Precision};
use invnet::device::{Cpu, Kind};
use invnet::first_use::products;
use invnet::op::{Border, Leg, Window};

use super::common::{self, host::changed_library};
use super::oracle::{Finish, PRECISIONS, legs};

/// Products in tf32 and of what plans store in bf16, as a card of compute capability 9.0 computes them.
#[test]
fn warpgroups_err_by_no_more_than_rounding() {
    let mut reached = BTreeSet::new();
    for schedule in [Schedule::Forward, Schedule::Shuffled(3)] {
        for product in products::list() {
            let exact = product.reference().unwrap();
            for (multiprocessors, precision) in
                [4, 132].into_iter().flat_map(|size| PRECISIONS.map(|p| (size, p)))
            {
                let launcher: Box<dyn Launcher> = match common::kind() {
                    Kind::Cuda(ordinal) => Box::new(Cuda::new(ordinal).unwrap()),
                    _ => Box::new(common::simt(schedule)),
                };
                if common::kind() != Kind::Simt && !launcher.warpgroups() {
                    return;
                }
                let limits = Limits { multiprocessors, shared: launcher.shared_limit(), arch: 90 };
                let kernels = product.kernels(limits, precision).unwrap();
                if !kernels.iter().any(|kernel| kernel.contains("_wide_")) {
                    continue;
                }
                let (launcher, launched) = Watch::new(launcher, Some(multiprocessors));
                let device = Box::new(Gpu::new(launcher.of_arch(90), precision));
                let share = product.share(&exact, device, precision).unwrap();
                assert!(share <= 1.0, "{product:?}: {share} of what rounding allows");
                reached.extend(launched.lock().unwrap().iter().copied());
            }
        }
    }
    let kernels = FAMILIES.iter().filter(|family| family.has_warpgroups()).flat_map(|family| family.kernels);
    let missed: Vec<_> = kernels.map(|kernel| kernel.name).filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "no product reaches {missed:?}");
}

/// Operands in single precision are rounded in a pass before legs with work enough for each number, and by the product
/// elsewhere.
#[test]
fn operands_are_rounded_first_where_that_pays() {
    let of = |leg, kernel, channels| {
        let pad = [(kernel - 1) / 2; 2];
        let window = Window::over([6, 7], [kernel; 2], [1, 1], pad, Border::Open).unwrap();
        products::Product::Conv { leg, n: 2, ci: channels, co: channels, window, stored: false }
    };
    // 1,152 operations for a number that is rounded, and 128; of leg w, which has two to round, 1,152 and 576.
    for (leg, kernel, channels, pays) in [
        (Leg::Y, 3, 64, true),
        (Leg::Y, 1, 64, false),
        (Leg::X, 3, 64, true),
        (Leg::X, 1, 64, false),
        (Leg::W, 3, 128, true),
        (Leg::W, 3, 64, false),
    ] {
        let product = of(leg, kernel, channels);
        let (launcher, launched) = Watch::new(Box::new(common::simt(Schedule::Forward)), None);
        let device = Box::new(Gpu::new(launcher.of_arch(90), Precision::Bf16));
        let share = product.share(&product.reference().unwrap(), device, Precision::Bf16).unwrap();
        assert!(share <= 1.0, "{product:?}: {share} of what rounding allows");
        let launched = launched.lock().unwrap();
        let wide = launched.iter().any(|kernel| kernel.contains("_wide_"));
        assert_eq!(wide, pays, "{product:?}: {launched:?}");
    }
}

/// Slices that lie otherwise than descriptors say, the wrong ones of a ring, and sums that are read too early.
#[test]
fn a_wrong_warpgroup_is_caught() {
    let window = Window::over([24, 26], [4, 4], [2, 2], [1, 1], Border::Open).unwrap();
    let legs = [Leg::Y, Leg::X, Leg::W];
    let products =
        legs.map(|leg| products::Product::Conv { leg, n: 2, ci: 24, co: 64, window, stored: true });
    let exact = products.map(|product| product.reference().unwrap());
    let [tf32, bf16] = PRECISIONS;
    for (precision, wrong, change) in [
        (bf16, true, ["(across / 8 ^ row % 8) * 16", "(across / 8 ^ row % 4) * 16"]),
        (bf16, true, ["part * 32, 0)", "part * 16, 0)"]),
        (bf16, true, ["part * (apart / PARTS), apart", "part * (apart / 8), apart"]),
        (bf16, true, ["        wgmma_wait<0>();\n", "\n"]),
        (bf16, true, ["            wgmma_publish();\n", "\n"]),
        (bf16, true, ["now = 0, next = stages - 2", "now = 1, next = stages - 2"]),
        (bf16, false, ["now = 0, next = stages - 2", "now = 0, next = stages - 2 /* as it was */"]),
        (tf32, true, ["(chunk ^ row % 8) * 16", "(chunk ^ row % 4) * 16"]),
        (tf32, true, ["tf32_four(turned[j])", "tf32_four(v[j])"]),
        (tf32, true, ["WideTf32::SLICE - 3", "WideTf32::SLICE - 4"]),
        (
            tf32,
            true,
            [
                "            carry_b.fetch();\n            wgmma_publish();\n",
                "            carry_b.fetch();\n",
            ],
        ),
        (tf32, true, ["now + 1 == TF32_STAGES", "now + 1 == 1"]),
        (tf32, false, ["now + 1 == TF32_STAGES", "now + 1 == TF32_STAGES /* as it was */"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let family = if precision == tf32 { "conv_tf32_wgmma" } else { "conv_wgmma" };
        let library = changed_library(folder.path(), family, change);
        let caught = products.iter().zip(&exact).any(|(product, exact)| {
            let simt = Simt::from_library(&library, Schedule::Forward).unwrap().of_arch(90);
            let device = Box::new(Gpu::new(simt, precision));
            // NaN is caught too.
            !product.share(exact, device, precision).is_ok_and(|share| share <= 1.0)
        });
        assert_eq!(caught, wrong, "{change:?}");
    }
}

/// Numbers just below those that an operand keeps become them, and are not cut off.
#[test]
fn warpgroups_round_to_the_nearest() {
    let below = |v: &f64| 1.0 + (v.abs() * 1000.0).floor() / 1024.0 - f64::powi(2.0, -20);
    let folder = tempfile::tempdir().unwrap();
    let change = ["more = bits + 0x1000", "more = bits"];
    let library = changed_library(folder.path(), "conv_tf32_wgmma", change);
    for product in legs(2, [24, 64], [24, 26], [4, 4], [2, 2], [1, 1]) {
        let operands: Vec<Vec<f64>> =
            product.operands().iter().map(|v| v.iter().map(below).collect()).collect();
        let exact = product.run(Box::new(Cpu::<f64>::new()), &operands, Finish::Bare);
        let cut = Simt::from_library(&library, Schedule::Forward).unwrap();
        for (simt, wrong) in [(Simt::new(Schedule::Forward), false), (cut, true)] {
            let device = Box::new(Gpu::new(simt.of_arch(90), Precision::Tf32));
            let found = product.run(device, &operands, Finish::Bare);
            let far = |(f, e): (&f64, &f64)| (f - e).abs() > f64::powi(2.0, -12) * e;
            assert_eq!(found.iter().zip(&exact).any(far), wrong, "{product:?}");
        }
    }
}
