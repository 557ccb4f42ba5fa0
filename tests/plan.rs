//! Plans: the same bits as without one, less memory, nothing allocated on replay.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "simt")]
mod common;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use invnet::device::{BufferId, Cpu, Device, Place};
use invnet::error::Result;
use invnet::gradcheck::numbers;
use invnet::nn::objective;
use invnet::nn::{self, Family, Net, Norm, Weights};
use invnet::op::{AdamSettings, Border, LeafId, Op};
use invnet::plan::Plan;
use invnet::rng;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

const BATCH: usize = 3;

/// A whole critic step of a small pair, with every op that works in place.
fn step(family: Family, store: &mut Store, planned: bool) -> (Plan, Vec<LeafId>) {
    let net = Net::new(family, [16, 16], 2, 3);
    let mut add = |prefix: &str, parameters: &[nn::Parameter]| -> Vec<(String, LeafId)> {
        let leaves = parameters.iter().enumerate().map(|(i, p)| {
            let values: Vec<f64> = numbers(i as u64, p.shape.numel()).iter().map(|v| 0.3 * v).collect();
            (p.name.clone(), store.add_real(&format!("{prefix}.{}", p.name), p.shape, &values).unwrap())
        });
        leaves.collect()
    };
    let generator = add("generator", &nn::generator_parameters(&net, 5));
    let critic = add("critic", &nn::critic_parameters(&net));
    let moments = add("m", &nn::critic_parameters(&net));
    let squares: Vec<(String, LeafId)> = critic
        .iter()
        .map(|(name, id)| {
            let shape = store.place(*id).shape;
            // As after many steps: zeros beside the moments above would make huge updates.
            let values = vec![0.1; shape.numel()];
            (name.clone(), store.add_real(&format!("v.{name}"), shape, &values).unwrap())
        })
        .collect();
    let labels: Vec<u8> = (0..7 * 256).map(|i| (i * 7 % 3) as u8).collect();
    let maps = store.add_u8("maps", [7, 16, 16], &labels).unwrap();
    let state = store.add_u32("state", [3], &rng::state(5)).unwrap();
    let count = store.add_zeros("count", []).unwrap();
    let ring = store.add_zeros("ring", [4, 2]).unwrap();

    let tape = Tape::new();
    let weights = |leaves: &[(String, LeafId)]| {
        Weights::new(leaves.iter().map(|(n, id)| (n.clone(), store.var(&tape, *id))).collect::<Vec<_>>())
    };
    let (g, d) = (weights(&generator), weights(&critic));
    let state_var = store.var(&tape, state);
    let z = tape.normal(state_var, 0, [BATCH, 5]);
    let noted = RefCell::new(Vec::new());
    let fake = nn::generator(&net, &g, z, &Norm::Batch(&noted)).softmax();
    let rows = tape.random_index(state_var, 1, BATCH, 7);
    let real = store.var(&tape, maps).one_hot(rows, 3);
    let u = tape.uniform(state_var, 2, [BATCH]);
    let loss = objective::critic_loss(|x| nn::critic(&net, &d, x), real, fake, u, 10.0);
    let parameters: Vec<_> = critic.iter().map(|(n, _)| d.get(n)).collect();
    let updates: Vec<_> = parameters
        .iter()
        .zip(tape.grad(loss.total, &parameters))
        .zip(moments.iter().zip(&squares))
        .map(|((&p, gradient), ((_, m), (_, v)))| [p, gradient, store.var(&tape, *m), store.var(&tape, *v)])
        .collect();
    let steps = store.var(&tape, count);
    tape.adam(AdamSettings { beta1: 0.5, beta2: 0.9, eps: 1e-8 }, steps, tape.fill(1e-2, []), &updates);
    tape.lerp(tape.fill(0.1, []), &[[g.get("logits.b"), fake.sum_to([3]).scale(1e-3)]]);
    tape.record(store.var(&tape, ring), steps, &[loss.total, loss.wasserstein]);
    tape.tick(steps);
    tape.tick(state_var);
    // Nobody asks for this.
    let _ = fake.exp().sum();
    let outputs = [fake];
    let plan = if planned { Plan::new(&tape, &outputs, store) } else { Plan::eager(&tape, &outputs, store) };
    let all = (0..store.leaves().len()).map(LeafId).collect();
    (plan, all)
}

/// The bytes of every leaf and of the output after some replays.
fn replayed(family: Family, planned: bool, times: usize) -> (Vec<Vec<u8>>, usize, usize) {
    let mut store = Store::new(Cpu::<f32>::new());
    let (plan, leaves) = step(family, &mut store, planned);
    plan.run(&mut store).unwrap();
    for _ in 1..times {
        plan.run(&mut store).unwrap();
    }
    let mut bytes: Vec<Vec<u8>> = leaves.iter().map(|&id| store.read_bytes(id).unwrap()).collect();
    bytes.push(plan.read_bytes(&mut store, 0).unwrap());
    (bytes, plan.arena_bytes(), plan.len())
}

fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn eager_and_planned_agree_bit_for_bit() {
    let (eager, apart, all) = replayed(Family::Dcgan, false, 5);
    let (planned, shared, live) = replayed(Family::Dcgan, true, 5);
    assert_eq!(eager, planned);
    assert!(eager.iter().flatten().any(|&b| b != 0));
    assert!(shared * 2 < apart, "sharing saves less than half: {shared} of {apart}");
    assert!(live < all, "dead nodes were kept: {live} of {all}");
}

/// A critic that normalises has folds whose sums are in another order: in double precision that is little.
#[test]
fn folded_derivatives_train_alike() {
    let critic = |planned: bool| -> Vec<f64> {
        let mut store = Store::new(Cpu::<f64>::new());
        let (plan, leaves) = step(Family::Resnet, &mut store, planned);
        let names: Vec<&str> = plan.profile(&mut store).unwrap().iter().map(|cost| cost.name).collect();
        assert_eq!(planned, names.contains(&"norm_relu_second_by_x"), "{names:?}");
        plan.run(&mut store).unwrap();
        let name = |id: &LeafId| store.leaves()[id.0].name.starts_with("critic.");
        let parameters: Vec<LeafId> = leaves.into_iter().filter(name).collect();
        parameters.into_iter().flat_map(|id| store.read(id).unwrap()).collect()
    };
    for (eager, planned) in critic(false).into_iter().zip(critic(true)) {
        assert!((eager - planned).abs() <= 1e-10, "{eager} and {planned}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let one = in_pool(1, || replayed(Family::Resnet, true, 3));
    assert_eq!(one, in_pool(2, || replayed(Family::Resnet, true, 3)));
    assert_eq!(one, in_pool(5, || replayed(Family::Resnet, true, 3)));
}

const SIDE: usize = 16;
const LINKS: usize = 6;

/// The most that results of a plan take at a time, in matrices of SIDE x SIDE; and that its result has the bits of
/// op by op.
fn matrices_held(build: for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>) -> f64 {
    let bytes = |planned: bool| {
        let mut store = Store::new(Cpu::<f32>::new());
        let [a, b] = [1, 2].map(|seed| {
            let values = numbers(seed, SIDE * SIDE);
            store.add_real(&format!("m{seed}"), [SIDE, SIDE], &values).unwrap()
        });
        let tape = Tape::new();
        let out = build(store.var(&tape, a), store.var(&tape, b));
        let plan =
            if planned { Plan::new(&tape, &[out], &store) } else { Plan::eager(&tape, &[out], &store) };
        plan.run(&mut store).unwrap();
        assert!(plan.held_bytes() <= plan.arena_bytes());
        (plan.read_bytes(&mut store, 0).unwrap(), plan.held_bytes())
    };
    let (planned, held) = bytes(true);
    assert_eq!(planned, bytes(false).0);
    held as f64 / (SIDE * SIDE * 4) as f64
}

/// What a chain of products keeps for its derivative.
fn chain<'t>(x: Var<'t>, by: Var<'t>) -> Vec<Var<'t>> {
    std::iter::successors(Some(x.matmul(by)), |x| Some(x.matmul(by))).take(LINKS).collect()
}

fn back<'t>(kept: &[Var<'t>]) -> Var<'t> {
    let mut g = kept[LINKS - 1];
    for &x in kept.iter().rev().skip(1) {
        g = x.matmul(g);
    }
    g.sum()
}

#[test]
fn what_is_read_late_is_computed_late() {
    // Two chains forward, then the second one back, then the first.
    let held = matrices_held(|a, b| {
        let (first, second) = (chain(a, b), chain(b, a));
        let second = back(&second);
        back(&first) + second
    });
    assert!(held < LINKS as f64 + 2.5, "both chains at a time: {held} of {LINKS}");
}

#[test]
fn what_passes_over_memory_make_is_made_anew() {
    // Of each link its positive part too, which the way back reads.
    let held = matrices_held(|a, b| {
        let kept: Vec<_> = chain(a, b).into_iter().map(|x| (x, x.relu())).collect();
        let pairs: Vec<_> = kept.iter().map(|&(x, positive)| x.matmul(positive)).collect();
        let forward = pairs.iter().skip(1).fold(pairs[0], |sum, &pair| sum + pair);
        let mut g = forward;
        for &(x, positive) in kept.iter().rev() {
            g = x.matmul(g + positive);
        }
        g.sum()
    });
    assert!(held < LINKS as f64 + 3.5, "kept beside what it is made of: {held} of {LINKS}");
}

/// Blocks taken, blocks given back, and copies to and from the host.
type Counts = Arc<Mutex<[usize; 4]>>;

/// A device, or what runs its kernels, whose calls for memory are counted.
struct Counting<D> {
    inner: D,
    counts: Counts,
}

impl<D> Counting<D> {
    fn of(inner: D) -> (Self, Counts) {
        let counts = Counts::default();
        (Self { inner, counts: Arc::clone(&counts) }, counts)
    }

    fn count(&self, call: usize) {
        self.counts.lock().unwrap()[call] += 1;
    }
}

impl<D: Device> Device for Counting<D> {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn real_bytes(&self) -> usize {
        self.inner.real_bytes()
    }
    fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
        self.count(0);
        self.inner.alloc(bytes)
    }
    fn free(&mut self, block: BufferId) {
        self.count(1);
        self.inner.free(block);
    }
    fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
        self.count(2);
        self.inner.upload(to, bytes)
    }
    fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
        self.count(3);
        self.inner.download(from, offset, bytes)
    }
    fn run(&mut self, op: &Op, inputs: &[Place], output: &Place) -> Result<()> {
        self.inner.run(op, inputs, output)
    }
    fn sync(&mut self) -> Result<()> {
        self.inner.sync()
    }
    fn workspace_bytes(&self) -> usize {
        self.inner.workspace_bytes()
    }
}

/// The first run takes what all need; from the second on memory is neither asked for nor given back,
/// and nothing goes to the host or comes from there.
fn assert_allocates_once(device: Box<dyn Device>, counts: &Counts) {
    let mut store = Store::on(device);
    let (plan, _) = step(Family::Resnet, &mut store, true);
    let before = *counts.lock().unwrap();
    plan.run(&mut store).unwrap();
    let first = *counts.lock().unwrap();
    assert!(first[0] > before[0], "the arena was asked for of something that does not count");
    for _ in 0..3 {
        plan.run(&mut store).unwrap();
    }
    assert_eq!(*counts.lock().unwrap(), first, "calls for memory after the first run");
    // And what is counted counts.
    plan.read_bytes(&mut store, 0).unwrap();
    assert_eq!(counts.lock().unwrap()[3], first[3] + 1);
}

#[test]
fn from_the_second_run_on_no_memory_is_asked_for() {
    let (device, counts) = Counting::of(Cpu::<f32>::new());
    assert_allocates_once(Box::new(device), &counts);
    #[cfg(feature = "simt")]
    {
        use invnet::device::gpu::simt::Simt;
        use invnet::device::gpu::{Gpu, Precision};
        // Working space too, which the device asks its launcher for.
        let (launcher, counts) = Counting::of(Simt::default());
        assert_allocates_once(Box::new(Gpu::new(launcher, Precision::Fp32)), &counts);
    }
}

#[cfg(feature = "simt")]
mod launcher {
    use super::{Counting, Result};
    use invnet::device::gpu::{Launch, Launcher};
    use invnet::device::{BufferId, GraphId};

    impl<L: Launcher> Launcher for Counting<L> {
        fn name(&self) -> String {
            self.inner.name()
        }
        fn alloc(&mut self, bytes: usize) -> Result<BufferId> {
            self.count(0);
            self.inner.alloc(bytes)
        }
        fn free(&mut self, block: BufferId) {
            self.count(1);
            self.inner.free(block);
        }
        fn upload(&mut self, to: BufferId, bytes: &[u8]) -> Result<()> {
            self.count(2);
            self.inner.upload(to, bytes)
        }
        fn download(&mut self, from: BufferId, offset: usize, bytes: &mut [u8]) -> Result<()> {
            self.count(3);
            self.inner.download(from, offset, bytes)
        }
        fn launch(&mut self, launch: &Launch<'_>) -> Result<()> {
            self.inner.launch(launch)
        }
        fn sync(&mut self) -> Result<()> {
            self.inner.sync()
        }
        fn begin_capture(&mut self) -> Result<()> {
            self.inner.begin_capture()
        }
        fn end_capture(&mut self) -> Result<GraphId> {
            self.inner.end_capture()
        }
        fn replay(&mut self, graph: GraphId) -> Result<()> {
            self.inner.replay(graph)
        }
        fn multiprocessors(&self) -> u32 {
            self.inner.multiprocessors()
        }
        fn shared_limit(&self) -> u32 {
            self.inner.shared_limit()
        }
        fn arch(&self) -> u32 {
            self.inner.arch()
        }
    }
}

#[test]
fn a_second_run_moves_on() {
    let mut store = Store::new(Cpu::<f32>::new());
    let (plan, leaves) = step(Family::Resnet, &mut store, true);
    plan.run(&mut store).unwrap();
    let first: Vec<Vec<u8>> = leaves.iter().map(|&id| store.read_bytes(id).unwrap()).collect();
    plan.run(&mut store).unwrap();
    let count = store.find("count").unwrap();
    assert_eq!(store.read(count).unwrap(), [2.0]);
    let ring = store.read(store.find("ring").unwrap()).unwrap();
    assert!(ring[..4].iter().all(|v| *v != 0.0) && ring[4..].iter().all(|v| *v == 0.0), "{ring:?}");
    let second: Vec<Vec<u8>> = leaves.iter().map(|&id| store.read_bytes(id).unwrap()).collect();
    assert_ne!(first, second);
}

#[cfg(feature = "simt")]
#[test]
fn eager_plan_and_graph_agree_bit_for_bit_on_the_kernels() {
    use invnet::device::gpu::Precision;
    use invnet::device::gpu::simt::Schedule;

    let open = || common::opened(Schedule::Forward, Precision::Fp32).0;
    let with = |device: Box<dyn Device>, family: Family, planned: bool, graph: bool| {
        let mut store = Store::on(device);
        let (plan, leaves) = step(family, &mut store, planned);
        plan.run(&mut store).unwrap();
        if graph {
            assert!(store.device().begin_capture().unwrap());
            plan.run(&mut store).unwrap();
            let graph = store.device().end_capture().unwrap();
            // A capture only records.
            assert_eq!(store.read(store.find("count").unwrap()).unwrap(), [1.0]);
            store.device().replay(graph).unwrap();
            store.device().replay(graph).unwrap();
        } else {
            plan.run(&mut store).unwrap();
            plan.run(&mut store).unwrap();
        }
        let mut bytes: Vec<Vec<u8>> = leaves.iter().map(|&id| store.read_bytes(id).unwrap()).collect();
        bytes.push(plan.read_bytes(&mut store, 0).unwrap());
        bytes
    };
    let run = |family, planned, graph| with(Box::new(open()), family, planned, graph);
    let eager = run(Family::Dcgan, false, false);
    assert!(eager.iter().flatten().any(|&b| b != 0));
    assert!(eager == run(Family::Dcgan, true, false), "a plan differs from running op by op");
    assert!(eager == run(Family::Dcgan, true, true), "a graph differs from running op by op");
    let apart = with(Box::new(open().one_by_one()), Family::Dcgan, true, false);
    assert!(eager == apart, "chains differ from single launches");
    let planned = run(Family::Resnet, true, false);
    assert!(planned == run(Family::Resnet, true, true), "a graph differs from its plan");
}

#[test]
fn a_bias_joins_its_convolution_unless_somebody_looks() {
    let mut store = Store::new(Cpu::<f32>::new());
    let mut add = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        store.add_real(name, shape, &numbers(count as u64, count)).unwrap()
    };
    let (x, w, b) = (add("x", &[2, 5, 7, 3]), add("w", &[3, 3, 3, 4]), add("b", &[4]));
    let tape = Tape::new();
    let [x, w, b] = [x, w, b].map(|id| store.var(&tape, id));
    let sum = x.conv(w, [1, 1], [1, 1], Border::Open) + b;
    let y = sum.leaky_relu(0.2);
    let whole = Plan::new(&tape, &[y], &store);
    let seen = Plan::new(&tape, &[y, sum], &store);
    let apart = Plan::eager(&tape, &[y], &store);
    assert_eq!([whole.len(), seen.len(), apart.len()], [1, 2, 3]);
    let mut results = [&whole, &seen, &apart].map(|plan| {
        plan.run(&mut store).unwrap();
        plan.read_bytes(&mut store, 0).unwrap()
    });
    results.as_mut_slice().sort();
    assert_eq!(results[0], results[2]);
}
