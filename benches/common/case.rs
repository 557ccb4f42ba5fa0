//! A formula on a device, timed by the device's own clock.

use std::time::Duration;

use invnet::device::GraphId;
use invnet::gradcheck::{Input, Values};
use invnet::plan::Plan;
use invnet::store::Store;
use invnet::tape::{Tape, Var};

use crate::common::Setup;

/// A formula recorded several times over, each time with inputs and results of its own, so that
/// no run finds its data in a cache. One graph holds them all where the device has graphs: the
/// host's part of a launch can take longer than the kernel.
pub struct Case {
    store: Store,
    plan: Plan,
    copies: usize,
    graph: Option<GraphId>,
}

impl Case {
    /// Records the formula and runs all copies once, so that memory is taken and kernels compiled.
    pub fn new(
        setup: Setup,
        inputs: &[Input],
        copies: usize,
        build: impl for<'t> Fn(&'t Tape, &[Var<'t>]) -> Vec<Var<'t>>,
    ) -> Self {
        let mut store = Store::on(setup.kind.open(setup.precision).unwrap());
        let tape = Tape::new();
        let mut outputs = Vec::new();
        for copy in 0..copies {
            let mut vars = Vec::new();
            for (i, input) in inputs.iter().enumerate() {
                let name = format!("{copy}.{i}");
                let leaf = match &input.values {
                    Values::Real(v) | Values::Constant(v) => store.add_real(&name, input.shape, v),
                    Values::Labels(v) => store.add_u8(&name, input.shape, v),
                    Values::Words(v) => store.add_u32(&name, input.shape, v),
                };
                vars.push(store.var(&tape, leaf.unwrap()));
            }
            outputs.extend(build(&tape, &vars));
        }
        let plan = Plan::new(&tape, &outputs, &store);
        plan.run(&mut store).unwrap();
        store.device().sync().unwrap();
        let graph = store.device().begin_capture().unwrap().then(|| {
            plan.run(&mut store).unwrap();
            store.device().end_capture().unwrap()
        });
        Self { store, plan, copies, graph }
    }

    /// The time of that many runs. All copies run equally often, so fewer runs than copies are
    /// scaled down from one run of each.
    pub fn time(&mut self, runs: u64) -> Duration {
        let sweeps = runs.div_ceil(self.copies as u64);
        let timer = self.store.device().start_timer().unwrap();
        for _ in 0..sweeps {
            match self.graph {
                Some(graph) => self.store.device().replay(graph).unwrap(),
                None => self.plan.run(&mut self.store).unwrap(),
            }
        }
        let elapsed = self.store.device().stop_timer(timer).unwrap();
        elapsed.mul_f64(runs as f64 / (sweeps * self.copies as u64) as f64)
    }
}
