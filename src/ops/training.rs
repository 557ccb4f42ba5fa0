//! Random numbers, and the operations that write in place: what a trainer needs beside derivatives.

use crate::op::{AdamSettings, DType, Op};
use crate::shape::Shape;
use crate::tape::{Tape, Var};

impl Tape {
    /// Uniform numbers on [0, 1) of one stream of the generator.
    pub fn uniform<'t>(&'t self, state: Var<'t>, stream: u32, shape: impl Into<Shape>) -> Var<'t> {
        self.push(Op::Uniform(stream), &[state], shape.into(), DType::Real)
    }

    /// Standard normal numbers of one stream of the generator.
    pub fn normal<'t>(&'t self, state: Var<'t>, stream: u32, shape: impl Into<Shape>) -> Var<'t> {
        self.push(Op::Normal(stream), &[state], shape.into(), DType::Real)
    }

    /// `count` row numbers below `below`.
    pub fn random_index<'t>(&'t self, state: Var<'t>, stream: u32, count: usize, below: u32) -> Var<'t> {
        self.push(Op::RandomIndex { stream, below }, &[state], Shape::from([count]), DType::U32)
    }

    fn in_place(&self, op: Op, inputs: &[Var<'_>]) {
        self.push(op, inputs, Shape::from([0]), DType::Real);
    }

    /// One Adam update of every (parameter, gradient, first moment, second moment), or without a first moment where
    /// beta1 is 0.
    ///
    /// # Panics
    /// Unless every update has [`AdamSettings::tensors`].
    #[track_caller]
    pub fn adam<'t>(
        &'t self,
        settings: AdamSettings,
        step: Var<'t>,
        rate: Var<'t>,
        updates: &[impl AsRef<[Var<'t>]>],
    ) {
        let mut inputs = vec![step, rate];
        for update in updates.iter().map(AsRef::as_ref) {
            assert!(update.len() == settings.tensors(), "adam: {} tensors an update", update.len());
            inputs.extend(update);
        }
        self.in_place(Op::Adam(settings), &inputs);
    }

    /// Moves every target towards its source by the fraction `weight`.
    pub fn lerp<'t>(&'t self, weight: Var<'t>, pairs: &[[Var<'t>; 2]]) {
        let inputs: Vec<Var<'t>> = [weight].into_iter().chain(pairs.iter().flatten().copied()).collect();
        self.in_place(Op::Lerp, &inputs);
    }

    /// Adds one to the last element of a counter.
    pub fn tick(&self, counter: Var<'_>) {
        self.in_place(Op::Tick, &[counter]);
    }

    /// Writes scalars to row `step` mod R of a ring `[R, K]`.
    ///
    /// # Panics
    /// Unless there are K scalars.
    #[track_caller]
    pub fn record<'t>(&'t self, ring: Var<'t>, step: Var<'t>, scalars: &[Var<'t>]) {
        assert!(ring.shape()[1] == scalars.len(), "record: {:?} and {} scalars", ring.shape(), scalars.len());
        let inputs: Vec<Var<'t>> = [ring, step].into_iter().chain(scalars.iter().copied()).collect();
        self.in_place(Op::Record, &inputs);
    }
}
