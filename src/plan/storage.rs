//! Which results are stored in bf16: what is only ever multiplied is stored as it is multiplied.
//!
//! The device knows: a result that all its readers would round to bf16, or ask for its sign, may as well lie in memory
//! so, in half the bytes. All that is computed of it keeps its bits, but of numbers below 2^-133, whose sign is lost,
//! and of sums over images and means of blocks, which take what is stored: gradients of biases and of what was repeated
//! above all, off by 2^-9 of each term at most. Kernels that read what is stored may add products up in another order.

use crate::device::{Device, Typed};
use crate::op::{DType, Op};
use crate::tape::Node;

/// Gives every such live node the type [`DType::Bf16`]. Where one reader cannot take it so, or not beside its
/// other inputs, a result stays real.
pub(super) fn store_in_bf16(nodes: &mut [Node], live: &[bool], outputs: &[usize], device: &dyn Device) {
    let runs = |nodes: &[Node], id: usize| {
        let typed = |id: usize| -> Typed { (nodes[id].shape, nodes[id].dtype) };
        let inputs: Vec<Typed> = nodes[id].inputs.iter().map(|&input| typed(input)).collect();
        device.runs_in_bf16(&nodes[id].op, &inputs, typed(id))
    };
    let mut multiplied = vec![false; nodes.len()];
    for node in nodes.iter().zip(live).filter(|(_, live)| **live).map(|(node, _)| node) {
        if matches!(node.op, Op::Conv(..) | Op::ConvBias(..) | Op::ConvGate(..)) {
            node.inputs[..2].iter().for_each(|&factor| multiplied[factor] = true);
        }
    }
    // All that the device can store so (a node is asked before what it reads), less what somebody cannot read.
    for id in (0..nodes.len()).rev() {
        if live[id] && multiplied[id] && nodes[id].dtype == DType::Real && !outputs.contains(&id) {
            nodes[id].dtype = DType::Bf16;
            if !runs(nodes, id) {
                nodes[id].dtype = DType::Real;
            }
        }
    }
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for id in (0..nodes.len()).filter(|&id| live[id]) {
            let stored = |&input: &usize| nodes[input].dtype == DType::Bf16;
            let stored: Vec<usize> = nodes[id].inputs.iter().copied().filter(stored).collect();
            if !stored.is_empty() && !runs(nodes, id) {
                stored.into_iter().for_each(|input| nodes[input].dtype = DType::Real);
                changed = true;
            }
        }
    }
}
