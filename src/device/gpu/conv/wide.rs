//! Legs by the warpgroups of compute capability 9.0: `kernels/conv_wgmma.cu` and `kernels/conv_tf32_wgmma.cu`.

use super::Form;
use crate::device::gpu::launch::Launcher;
use crate::device::gpu::matmul::{Cut, Tiled, WIDE, WIDE_TF32, WIDE_W};
use crate::device::gpu::{Gpu, Precision, word};
use crate::op::Leg;

/// The kernels by leg, of operands in bf16 and in tf32: by tiles as [`WIDE`] lists them.
const KERNELS: [[&[&str]; 2]; 3] = [
    [
        &[
            "conv_y_wide_bf16_128x64",
            "conv_y_wide_bf16_128",
            "conv_y_wide_bf16_128x256",
            "conv_y_wide_bf16_256x128",
        ],
        &[
            "conv_y_wide_tf32_128x64",
            "conv_y_wide_tf32_128",
            "conv_y_wide_tf32_128x256",
            "conv_y_wide_tf32_256x128",
        ],
    ],
    [
        &[
            "conv_x_wide_bf16_128x64",
            "conv_x_wide_bf16_128",
            "conv_x_wide_bf16_128x256",
            "conv_x_wide_bf16_256x128",
        ],
        &[
            "conv_x_wide_tf32_128x64",
            "conv_x_wide_tf32_128",
            "conv_x_wide_tf32_128x256",
            "conv_x_wide_tf32_256x128",
        ],
    ],
    [
        &["conv_w_wide_bf16_128x64", "conv_w_wide_bf16_128", "conv_w_wide_bf16_128x256"],
        &[
            "conv_w_wide_tf32_128x64",
            "conv_w_wide_tf32_128",
            "conv_w_wide_tf32_128x256",
            "conv_w_wide_tf32_256x128",
        ],
    ],
];
/// Bytes of a row or column of a tile in a slice of shared memory; how many slices they hold, `WIDE_STAGES` and
/// `TF32_STAGES` of the kernels say too.
const SLICE: usize = 128;
const fn slices(rows: usize, columns: usize, tf32: bool) -> usize {
    if tf32 {
        3
    } else if rows + columns == 256 {
        6
    } else {
        4
    }
}

impl<L: Launcher> Gpu<L> {
    /// Kernels of warpgroups for a leg whose operands they can read, by the model the best first; none if the card has no
    /// warpgroups.
    pub(super) fn wide(&self, form: &Form, precision: Precision) -> Vec<Tiled> {
        if !self.launcher.warpgroups() {
            return Vec::new();
        }
        let tf32 = precision == Precision::Tf32;
        let tiles = match form.leg {
            _ if tf32 => &WIDE_TF32,
            Leg::W => &WIDE_W,
            _ => &WIDE,
        };
        let kernels = KERNELS[form.leg as usize][usize::from(tf32)];
        let of = |cut: Cut| {
            let ([rows, columns], ..) = tiles.list[cut.tile];
            let shared = word(slices(rows, columns, tf32) * (rows + columns) * SLICE);
            Tiled { kernel: kernels[cut.tile], cut, shared }
        };
        self.conv_cuts(form, tiles, form.splits()).into_iter().map(of).collect()
    }
}
