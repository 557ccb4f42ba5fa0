//! Launches of `kernels/optim.cu`: many tensors at once, their pointers in a table.

use super::Gpu;
use super::launch::{Launch, Launcher, Span, bytes_of};
use super::params::{Adam, Lerp, MAX_TENSORS, Record, Tick};
use super::word;
use crate::device::Place;
use crate::error::Result;
use crate::op::{AdamSettings, DType};

/// Elements one block updates.
const BLOCK_ELEMENTS: usize = 4096;
/// Scalars one launch records.
const MAX_SCALARS: usize = 16;

/// The first block and the size of each tensor, and the number of blocks.
fn blocks_of<'a>(tensors: impl Iterator<Item = &'a Place>) -> ([u32; MAX_TENSORS], [u32; MAX_TENSORS], u32) {
    let (mut first, mut numel, mut blocks) = ([0; MAX_TENSORS], [0; MAX_TENSORS], 0);
    for (i, tensor) in tensors.enumerate() {
        (first[i], numel[i]) = (blocks, word(tensor.shape.numel()));
        blocks += word(tensor.shape.numel().div_ceil(BLOCK_ELEMENTS));
    }
    (first, numel, blocks)
}

impl<L: Launcher> Gpu<L> {
    fn launch_table<P: bytemuck::Pod>(
        &mut self,
        kernel: &'static str,
        blocks: u32,
        spans: &[Span],
        table: usize,
        params: &P,
    ) -> Result<()> {
        let grid = [blocks, 1, 1];
        self.launcher.launch(&Launch { kernel, grid, shared: 0, spans, table, params: bytes_of(params) })
    }

    pub(super) fn adam(&mut self, settings: AdamSettings, x: &[Place]) -> Result<()> {
        let each = settings.tensors();
        for updates in x[2..].chunks(each * MAX_TENSORS) {
            let (first_block, numel, blocks) = blocks_of(updates.iter().step_by(each));
            let params = Adam {
                beta1: settings.beta1,
                beta2: settings.beta2,
                eps: settings.eps as f32,
                count: word(updates.len() / each),
                first_block,
                numel,
            };
            let mut spans = vec![Span::read(&x[0]), Span::read(&x[1])];
            for update in updates.chunks_exact(each) {
                spans.extend(update.iter().enumerate().map(|(i, place)| match i {
                    1 => Span::read(place),
                    _ => Span::update(place),
                }));
                spans.push(self.shadows.renewed(&update[0]));
            }
            self.launch_table("adam", blocks, &spans, 5 * MAX_TENSORS + 2, &params)?;
        }
        Ok(())
    }

    pub(super) fn lerp(&mut self, x: &[Place]) -> Result<()> {
        for pairs in x[1..].chunks(2 * MAX_TENSORS) {
            let (first_block, numel, blocks) = blocks_of(pairs.iter().step_by(2));
            let params = Lerp { count: word(pairs.len() / 2), first_block, numel };
            let mut spans = vec![Span::read(&x[0])];
            for pair in pairs.chunks_exact(2) {
                spans.extend([Span::update(&pair[0]), Span::read(&pair[1])]);
            }
            self.launch_table("lerp", blocks, &spans, 2 * MAX_TENSORS + 1, &params)?;
        }
        Ok(())
    }

    pub(super) fn tick(&mut self, x: &Place) -> Result<()> {
        let kernel = if x.dtype == DType::U32 { "tick_u32" } else { "tick_real" };
        let params = Tick { last: word(x.shape.numel() - 1) };
        self.launch(kernel, [1, 1, 1], &[Span::update(x)], &params)
    }

    pub(super) fn record(&mut self, x: &[Place]) -> Result<()> {
        let [rows, columns] = [x[0].shape[0], x[0].shape[1]];
        assert!(columns <= MAX_SCALARS, "record: {columns} scalars, at most {MAX_SCALARS}");
        let mut spans = vec![Span::update(&x[0])];
        spans.extend(x[1..].iter().map(Span::read));
        let params = Record { rows: word(rows), columns: word(columns) };
        self.launch_table("record", 1, &spans, MAX_SCALARS + 2, &params)
    }
}
