//! What the launcher does: operations, graphs, memory, and what it says of itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use invnet::device::gpu::cuda::{Cuda, devices};
use invnet::device::gpu::launch::FAMILIES;
use invnet::device::gpu::simt::Simt;
use invnet::device::gpu::{Gpu, Launcher, Precision};
use invnet::device::{Cpu, Device};
use invnet::gradcheck::{Input, Values, numbers, relative_error};
use invnet::op::{AdamSettings, Border, CahnHilliard, Direction, LeafId};
use invnet::plan::Plan;
use invnet::rng;
use invnet::samples::{Sample, samples};
use invnet::shape::Shape;
use invnet::store::Store;
use invnet::tape::Tape;

use crate::common::cases;
use crate::common::{exact_results, run, updates};
use crate::{driver, fill, read, scenario};

fn store(device: impl Device + 'static, sample: &Sample) -> (Store, Vec<LeafId>) {
    let mut store = Store::new(device);
    let add = |(i, input): (usize, &Input)| {
        let name = format!("in{i}");
        match &input.values {
            Values::Real(v) | Values::Constant(v) => store.add_real(&name, input.shape, v),
            Values::Labels(v) => store.add_u8(&name, input.shape, v),
            Values::Words(v) => store.add_u32(&name, input.shape, v),
        }
        .unwrap()
    };
    let leaves = sample.inputs.iter().enumerate().map(add).collect();
    (store, leaves)
}

/// A sample's value and its gradients.
fn evaluate(device: impl Device + 'static, sample: &Sample) -> Vec<Vec<f64>> {
    let (mut store, leaves) = store(device, sample);
    let tape = Tape::new();
    let vars: Vec<_> = leaves.iter().map(|&id| store.var(&tape, id)).collect();
    let y = (sample.build)(&tape, &vars);
    let pairs = vars.iter().zip(&sample.inputs);
    let wrt: Vec<_> =
        pairs.filter(|(_, i)| matches!(i.values, Values::Real(_))).map(|(var, _)| *var).collect();
    let cotangent = store.add_real("cotangent", y.shape(), &numbers(1, y.shape().numel())).unwrap();
    let mut outputs = vec![y];
    outputs.extend(tape.pullback(y, store.var(&tape, cotangent), &wrt));
    let plan = Plan::new(&tape, &outputs, &store);
    plan.run(&mut store).unwrap();
    (0..outputs.len()).map(|i| plan.read(&mut store, i).unwrap()).collect()
}

#[test]
fn an_upload_has_happened_when_it_returns() {
    scenario("launcher::an_upload_has_happened_when_it_returns", &[], || {
        let mut cuda = Cuda::new(0).unwrap();
        let block = cuda.alloc(16).unwrap();
        let mut numbers = [1.0f32, 2.0, 3.0, 4.0];
        cuda.upload(block, bytemuck::cast_slice(&numbers)).unwrap();
        numbers = std::hint::black_box([9.0; 4]);
        assert_eq!((read(&mut cuda, block), numbers[0]), ([1.0, 2.0, 3.0, 4.0], 9.0));
    });
}

#[test]
fn operations_agree_with_the_host() {
    scenario("launcher::operations_agree_with_the_host", &[], || {
        for sample in samples() {
            let got = evaluate(Gpu::new(Cuda::new(0).unwrap(), Precision::Fp32), &sample);
            let same = evaluate(Gpu::new(Simt::default(), Precision::Fp32), &sample);
            assert_eq!(got, same, "{}: the same kernels, other bits", sample.name);
            for (got, want) in got.iter().zip(evaluate(Cpu::<f32>::new(), &sample)) {
                let error = relative_error(got, &want);
                assert!(error < 1e-4, "{}: {error:e} from the native device", sample.name);
            }
        }
    });
}

/// Names of the kernels that a device has launched.
type Launched = Arc<Mutex<BTreeSet<&'static str>>>;

/// The host's kernels as a card of that architecture takes them, and those that were launched.
fn observed(precision: Precision, arch: u32) -> (Box<dyn Device>, Launched) {
    let launched = Launched::default();
    let seen = Arc::clone(&launched);
    let mut simt = Simt::default().of_arch(arch);
    simt.observe(Box::new(move |launch, _| {
        seen.lock().unwrap().insert(launch.kernel);
    }));
    (Box::new(Gpu::new(simt, precision)), launched)
}

/// The kernels of compute capability 9.0 alone.
#[test]
fn warpgroups_agree_with_the_host() {
    let nine = [("INVNET_STANDIN_CC", "9.0"), ("INVNET_STANDIN_CODE", "9.0")];
    scenario("launcher::warpgroups_agree_with_the_host", &nine, || {
        let mut reached = BTreeSet::new();
        let (stored, wide) = (cases::stored(), cases::wide());
        let cases =
            stored.iter().chain(&wide).flat_map(|case| [(case, Precision::Tf32), (case, Precision::Bf16)]);
        for (case, precision) in cases {
            let (host, launched) = observed(precision, 90);
            let want = run(host, &case.inputs, &case.build).0;
            let launched = launched.lock().unwrap().clone();
            if !launched.is_subset(&reached) {
                let cuda = Box::new(Gpu::new(Cuda::new(0).unwrap(), precision));
                assert!(run(cuda, &case.inputs, &case.build).0 == want, "{}: other bits", case.name);
                reached.extend(launched);
            }
        }
        let families = FAMILIES.iter().filter(|family| family.has_warpgroups());
        let kernels = families.flat_map(|family| family.kernels);
        let missed: Vec<_> = kernels.filter(|kernel| !reached.contains(kernel.name)).collect();
        assert!(missed.is_empty(), "never launched over the driver: {missed:?}");
    });
}

/// The first case that reaches a kernel, for every kernel and precision.
#[test]
fn every_kernel_agrees_with_the_host() {
    scenario("launcher::every_kernel_agrees_with_the_host", &[], || {
        let cuda = |precision| Box::new(Gpu::new(Cuda::new(0).unwrap(), precision));
        let reached = RefCell::new(BTreeSet::new());
        let compare = |name: &str, precision, run: &dyn Fn(Box<dyn Device>) -> Vec<u8>| {
            let (host, launched) = observed(precision, 80);
            let want = run(host);
            let launched = launched.lock().unwrap().clone();
            if !launched.is_subset(&reached.borrow()) {
                assert!(run(cuda(precision)) == want, "{name}, {}: other bits", precision.name());
                reached.borrow_mut().extend(launched);
            }
        };
        for (inputs, build) in exact_results() {
            compare("exact results", Precision::Fp32, &|device| run(device, &inputs, &build).0);
        }
        compare("updates", Precision::Fp32, &|device| {
            updates(device).iter().flat_map(|value| value.to_le_bytes()).collect()
        });
        let earlier = FAMILIES.iter().filter(|family| !family.has_warpgroups());
        let all: Vec<&str> = earlier.flat_map(|family| family.kernels).map(|k| k.name).collect();
        let products = || {
            [cases::products(), cases::convolutions(), cases::fused(), cases::stored()].into_iter().flatten()
        };
        for (precision, mut cases) in [
            (Precision::Fp32, cases::all()),
            (Precision::Tf32, products().collect::<Vec<_>>()),
            (Precision::Bf16, products().collect()),
        ] {
            // From small to large, as far as there are kernels of this precision left.
            cases.sort_by_key(|case| case.inputs.iter().map(|input| input.shape.numel()).sum::<usize>());
            let own = |kernel: &&str| match precision {
                Precision::Fp32 => !kernel.contains("_tf32") && !kernel.contains("_bf16"),
                _ => kernel.contains(precision.name()),
            };
            let own: BTreeSet<&str> = all.iter().copied().filter(own).collect();
            for case in &cases {
                if own.is_subset(&reached.borrow()) {
                    break;
                }
                compare(&case.name, precision, &|device| run(device, &case.inputs, &case.build).0);
            }
        }
        let missed: Vec<&&str> = all.iter().filter(|name| !reached.borrow().contains(**name)).collect();
        assert!(missed.is_empty(), "never launched over the driver: {missed:?}");
    });
}

/// Transforms take more shared memory than comes unasked, or none for their planes.
#[test]
fn planes_in_shared_memory_and_beyond() {
    scenario("launcher::planes_in_shared_memory_and_beyond", &[], || {
        let stepping = CahnHilliard { steps: 1, dt: 0.5, kappa: 1.0, stabiliser: 2.0 };
        let bytes = |device: Box<dyn Device>, [n, h, w]: [usize; 3]| {
            let mut store = Store::on(device);
            let [x, g] = [("x", [n, h, w].into()), ("g", Shape::from([n, 5]))].map(|(name, shape)| {
                store.add_real(name, shape, &numbers(shape.rank() as u64, shape.numel())).unwrap()
            });
            let tape = Tape::new();
            let [x, g] = [x, g].map(|id| store.var(&tape, id));
            let outputs = [
                x.correlation(5, Border::Periodic),
                x.correlation_field(g, Direction::Every, Border::Open),
                x.cahn_hilliard(stepping),
            ];
            let plan = Plan::new(&tape, &outputs, &store);
            plan.run(&mut store).unwrap();
            [0, 1, 2].map(|i| plan.read_bytes(&mut store, i).unwrap())
        };
        for shape in [[3, 16, 8], [1, 128, 96], [1, 256, 128]] {
            let got = bytes(Box::new(Gpu::new(Cuda::new(0).unwrap(), Precision::Fp32)), shape);
            assert!(got == bytes(Box::new(Gpu::new(Simt::default(), Precision::Fp32)), shape), "{shape:?}");
        }
    });
}

/// A step with noise, a network's worth of updates and counters: its leaves after `steps` runs,
/// the later ones replayed if `graph`.
fn train(device: impl Device + 'static, steps: usize, graph: bool) -> Vec<Vec<u8>> {
    let mut store = Store::new(device);
    let w = store.add_real("w", [8, 6], &numbers(1, 48)).unwrap();
    let [m, v] = ["m", "v"].map(|name| store.add_zeros(name, [8, 6]).unwrap());
    let mean = store.add_zeros("mean", [8, 6]).unwrap();
    let state = store.add_u32("state", [3], &rng::state(5)).unwrap();
    let count = store.add_zeros("count", []).unwrap();
    let ring = store.add_zeros("ring", [4, 1]).unwrap();
    let tape = Tape::new();
    let var = |id| store.var(&tape, id);
    let z = tape.normal(var(state), 0, [16, 8]);
    let loss = z.matmul(var(w)).tanh().square().sum();
    let gradient = tape.grad(loss, &[var(w)])[0];
    let settings = AdamSettings { beta1: 0.5, beta2: 0.9, eps: 1e-8 };
    tape.adam(settings, var(count), tape.fill(1e-2, []), &[[var(w), gradient, var(m), var(v)]]);
    tape.lerp(tape.fill(0.1, []), &[[var(mean), var(w)]]);
    tape.record(var(ring), var(count), &[loss]);
    tape.tick(var(count));
    tape.tick(var(state));
    let plan = Plan::new(&tape, &[], &store);
    plan.run(&mut store).unwrap();
    if graph {
        assert!(store.device().begin_capture().unwrap());
        plan.run(&mut store).unwrap();
        let graph = store.device().end_capture().unwrap();
        (1..steps).for_each(|_| store.device().replay(graph).unwrap());
        store.device().sync().unwrap();
    } else {
        (1..steps).for_each(|_| plan.run(&mut store).unwrap());
    }
    (0..store.leaves().len()).map(|i| store.read_bytes(LeafId(i)).unwrap()).collect()
}

#[test]
fn a_graph_replays_what_was_captured() {
    scenario("launcher::a_graph_replays_what_was_captured", &[], || {
        let cuda = || Gpu::new(Cuda::new(0).unwrap(), Precision::Fp32);
        let eager = train(cuda(), 4, false);
        assert_eq!(eager, train(cuda(), 4, true), "eager and replayed");
        assert_eq!(eager, train(Gpu::new(Simt::default(), Precision::Fp32), 4, false), "cuda and simt");
        assert_ne!(eager, train(cuda(), 3, true), "a step changes nothing");
    });
}

#[test]
fn a_capture_holds_launches_only() {
    scenario("launcher::a_capture_holds_launches_only", &[], || {
        let mut cuda = Cuda::new(0).unwrap();
        let block = cuda.alloc(16).unwrap();
        cuda.begin_capture().unwrap();
        for (what, failed) in [
            ("memory", cuda.alloc(16).err()),
            ("upload", cuda.upload(block, &[1]).err()),
            ("download", cuda.download(block, 0, &mut [0]).err()),
            ("waits", cuda.sync().err()),
            ("another graph", cuda.begin_capture().err()),
            ("kernel fill is launched for the first time", fill(&mut cuda, block, 1.0, 0).err()),
        ] {
            let message = failed.unwrap().to_string();
            assert!(message.contains(what) && message.contains("graph is"), "{what}: {message}");
        }
        let empty = cuda.end_capture().unwrap();
        cuda.replay(empty).unwrap();
        assert!(cuda.end_capture().is_err());
        fill(&mut cuda, block, 1.0, 0).unwrap();
        cuda.begin_capture().unwrap();
        fill(&mut cuda, block, 2.0, 0).unwrap();
        let graph = cuda.end_capture().unwrap();
        assert_eq!(read(&mut cuda, block), [1.0; 4], "a captured launch ran");
        cuda.replay(graph).unwrap();
        assert_eq!(read(&mut cuda, block), [2.0; 4]);
        // The graph keeps its block, so the next of that size is another.
        cuda.free(block);
        let next = cuda.alloc(16).unwrap();
        cuda.replay(graph).unwrap();
        assert_eq!(read(&mut cuda, next), [0.0; 4], "a graph wrote into memory of someone else");
        // Left in the middle of a capture, it still goes quietly.
        cuda.begin_capture().unwrap();
    });
}

#[test]
fn memory_is_zero_reused_and_counted() {
    let log = driver().join("pool.log");
    let settings = [("INVNET_STANDIN_MEMORY", "8388608"), ("INVNET_STANDIN_LOG", log.to_str().unwrap())];
    let printed = scenario("launcher::memory_is_zero_reused_and_counted", &settings, || {
        let mut cuda = Cuda::new(0).unwrap();
        let used = |cuda: &Cuda| (cuda.memory().in_use, cuda.memory().peak, cuda.memory().spare);
        let block = cuda.alloc(1000).unwrap();
        fill(&mut cuda, block, 3.0, 0).unwrap();
        cuda.free(block);
        assert_eq!(used(&cuda), (0, 1024, 1024));
        let again = cuda.alloc(1001).unwrap();
        assert_ne!(block, again, "a number is given once");
        assert_eq!(read(&mut cuda, again), [0.0; 4], "a reused block is not zero");
        assert_eq!(used(&cuda), (1024, 1024, 0));
        let big = cuda.alloc(5 << 20).unwrap();
        cuda.free(big);
        // Fits only once the spare block has gone back.
        let bigger = cuda.alloc(6 << 20).unwrap();
        assert_eq!(used(&cuda), (1024 + (6 << 20), 1024 + (6 << 20), 0));
        let message = cuda.alloc(4 << 20).unwrap_err().to_string();
        for word in ["cuda:0", "4194304 bytes", "7 MiB in use", "lower batch, width or size"] {
            assert!(message.contains(word), "{word:?} is not in {message}");
        }
        cuda.free(bigger);
        cuda.alloc(4 << 20).unwrap();
        assert!(cuda.alloc(0).is_ok());
    });
    if printed.is_some() {
        let calls = fs::read_to_string(&log).unwrap();
        let count = |word| calls.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!(calls.lines().filter(|l| *l == "alloc 1024").count(), 1, "{calls}");
        assert_eq!(count("alloc"), count("free"), "memory is left behind: {calls}");
    }
}

#[test]
fn the_device_describes_itself() {
    scenario("launcher::the_device_describes_itself", &[("INVNET_STANDIN_CC", "9.0")], || {
        let reports = devices();
        assert_eq!(reports.len(), 1);
        let text = reports[0].to_string();
        let details = reports[0].details.as_ref().unwrap();
        assert_eq!((details.capability, details.driver), ((9, 0), (12, 9)));
        assert_eq!((details.total_bytes, details.free_bytes), (4 << 30, Some(4 << 30)));
        assert!(reports[0].problem.is_none() && text.contains("usable") && text.contains("NVRTC"), "{text}");

        let mut cuda = Cuda::new(0).unwrap();
        assert_eq!(cuda.name(), "cuda:0 Stand-in (sm_90)");
        assert!(cuda.tensor_cores() && cuda.multiprocessors() == 4);
        assert_eq!(cuda.shared_limit(), 227 << 10);
        let block = cuda.alloc(16).unwrap();
        // More shared memory than comes unasked, and more than there is.
        fill(&mut cuda, block, 1.0, 64 << 10).unwrap();
        assert!(fill(&mut cuda, block, 1.0, 300 << 10).is_err());
        let timer = cuda.start_timer().unwrap();
        fill(&mut cuda, block, 7.0, 0).unwrap();
        let time = cuda.stop_timer(timer).unwrap();
        assert!(time.as_secs() < 10, "{time:?}");
        // Another thread has no context of its own; two launchers share one.
        let mut other = Cuda::new(0).unwrap();
        std::thread::spawn(move || {
            let theirs = other.alloc(16).unwrap();
            fill(&mut other, theirs, 9.0, 0).unwrap();
            assert_eq!(read(&mut other, theirs), [9.0; 4]);
        })
        .join()
        .unwrap();
        assert_eq!(read(&mut cuda, block), [7.0; 4]);
    });
}

/// A kernel begins while the one before it runs if that is asked for, and the card, the driver and the code it was made
/// for know how. All results are the same.
#[test]
fn kernels_begin_early_where_they_wait_by_themselves() {
    let test = "launcher::kernels_begin_early_where_they_wait_by_themselves";
    let run = || {
        let cuda = || Gpu::new(Cuda::new(0).unwrap(), Precision::Fp32);
        assert_eq!(train(cuda(), 3, false), train(cuda(), 3, true), "eager and replayed");
    };
    let (card, log) = (("INVNET_STANDIN_CC", "9.0"), driver().join("early.log"));
    let wanted = ("INVNET_PDL", "1");
    for (early, given) in [
        (true, vec![wanted]),
        (false, vec![]),
        (false, vec![("INVNET_PDL", "0")]),
        (false, vec![wanted, ("INVNET_STANDIN_CC", "8.9")]),
        (false, vec![wanted, ("INVNET_STANDIN_CODE", "8.7")]),
        (false, vec![wanted, ("INVNET_STANDIN_DRIVER", "12020")]),
    ] {
        let _ = fs::remove_file(&log);
        let settings =
            [card, ("INVNET_STANDIN_LOG", log.to_str().unwrap())].into_iter().chain(given.iter().copied());
        if scenario(test, &settings.collect::<Vec<_>>(), run).is_none() {
            return;
        }
        let calls = fs::read_to_string(&log).unwrap();
        let count = |line: &str| calls.lines().filter(|l| *l == line).count();
        let (early_ones, others) = (count("launch 1"), count("launch 0"));
        assert!(early_ones + others > 20, "{given:?}: {calls}");
        assert!(
            if early { others == 0 } else { early_ones == 0 },
            "{given:?}: {early_ones} early, {others} not"
        );
    }
}
