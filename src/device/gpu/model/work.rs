//! What a launch has to do, read from its parameters: operations, bytes, and how a product is cut.

use crate::device::gpu::Precision;
use crate::device::gpu::dry::Seen;
use crate::device::gpu::launch::Access;
use crate::device::gpu::params::{Conv, MatMul, RANK, Strided};

/// A product's tiles.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// What its kernel multiplies.
    pub precision: Precision,
    /// Rows and columns of a tile.
    pub tile: [u32; 2],
    /// Terms that a block sums.
    pub depth: u32,
    /// Bytes of a number of either operand, in memory.
    pub bytes: [u32; 2],
    /// Multiplied by warpgroups, two of them.
    pub wide: bool,
}

impl Product {
    /// Terms of a slice in shared memory.
    #[must_use]
    pub fn slice(&self) -> u32 {
        match self.precision {
            Precision::Bf16 if self.wide => 64,
            Precision::Tf32 if self.wide => 32,
            Precision::Bf16 => 32,
            _ => 16,
        }
    }

    /// Slices that a block multiplies.
    #[must_use]
    pub fn slices(&self) -> u32 {
        self.depth.div_ceil(self.slice())
    }

    /// Operations of the hardware (tensor-core operations of a warp, or multiply-adds of a thread) for
    /// one slice, by each of `threads` threads.
    #[must_use]
    pub fn multiplies(&self, threads: u32) -> u32 {
        let terms = self.tile[0] * self.tile[1] * self.slice();
        if self.wide {
            // 64 rows, all columns and a quarter of a slice at once.
            return terms / (64 * self.tile[1] * (self.slice() / 4)) / 2;
        }
        match self.precision {
            Precision::Fp32 => terms / threads,
            Precision::Tf32 => terms / (16 * 8 * 8) / (threads / 32),
            Precision::Bf16 => terms / (16 * 8 * 16) / (threads / 32),
        }
    }
}

/// What a launch has to do.
#[derive(Clone, Debug)]
pub struct Work {
    /// Extents, for people.
    pub shape: String,
    /// Floating-point operations of a convolution or a product, by the direct algorithm.
    pub flops: u64,
    /// Bytes read from and written to tensors.
    pub bytes: u64,
    /// Bytes read.
    pub read: u64,
    /// A product in tiles.
    pub product: Option<Product>,
    /// Times that the main loop of a kernel without tiles runs, and what is around it, where its
    /// parameters say.
    pub trips: Option<[f64; 2]>,
    /// The part of the code that runs, where parameters say.
    pub share: f64,
}

impl Work {
    /// The work of a launch.
    #[must_use]
    pub fn of(launch: &Seen) -> Self {
        let bytes = |wanted: &[Access]| -> u64 {
            launch.spans.iter().filter(|s| wanted.contains(&s.access)).map(|s| s.bytes as u64).sum()
        };
        let written = bytes(&[Access::Write, Access::Update]);
        let mut read = bytes(&[Access::Read, Access::Update]);
        // Of a table, of the field whose statistics are finished, only some rows are read.
        if matches!(launch.kernel, "one_hot" | "gather" | "scatter_add") {
            read = read.min(2 * written);
        } else if launch.kernel.starts_with("stats_") && launch.kernel.ends_with("_finish") {
            read = launch.spans[1].bytes as u64;
        }
        let mut work = Self {
            shape: String::new(),
            flops: 0,
            bytes: read + written,
            read,
            product: None,
            trips: None,
            share: 1.0,
        };
        if launch.kernel.starts_with("conv_") {
            work.convolution(launch, &bytemuck::pod_read_unaligned(&launch.params));
        } else if launch.kernel.starts_with("matmul_") {
            let p: MatMul = bytemuck::pod_read_unaligned(&launch.params);
            work.flops = 2 * u64::from(p.m) * u64::from(p.n) * u64::from(p.k);
            work.shape = format!("{} x {} x {}", p.m, p.n, p.k);
            work.product = product(launch.kernel, p.piece.min(p.k));
        } else {
            work.shape = format!("{} MB", work.bytes / 1_000_000);
            // Nearly all of such a kernel are the divisions of its axes but one.
            if launch.kernel.ends_with("_strided") {
                let p: Strided = bytemuck::pod_read_unaligned(&launch.params);
                work.share = f64::from(p.rank.max(1)) / RANK as f64;
            }
        }
        work
    }

    fn convolution(&mut self, launch: &Seen, p: &Conv) {
        let taps = p.kh * p.kw;
        let pixels = p.n * p.oh * p.ow;
        self.flops = 2 * u64::from(pixels) * u64::from(taps) * u64::from(p.ci) * u64::from(p.co);
        self.shape = format!("{} x {}x{}x{} > {}x{}x{}", p.n, p.h, p.w, p.ci, p.oh, p.ow, p.co);
        // Of leg x, one class of the stride's parity.
        let class = p.kh.div_ceil(p.sh.unsigned_abs()) * p.kw.div_ceil(p.sw.unsigned_abs());
        let depth = match &launch.kernel[..6] {
            "conv_y" if p.pieces > 1 => p.piece.min(taps * p.ci),
            "conv_y" => taps * p.ci,
            "conv_x" => class * p.co,
            _ => p.piece.min(pixels),
        };
        self.product = product(launch.kernel, depth);
        if let Some(product @ Product { precision: Precision::Bf16, .. }) = &mut self.product {
            // Filters are rounded beforehand.
            product.bytes = match launch.kernel {
                kernel if kernel.contains("stored") || kernel.contains("wide") => [2; 2],
                kernel if kernel.starts_with("conv_w") => [4; 2],
                _ => [4, 2],
            };
        }
        if launch.kernel == "conv_y_few" {
            self.trips = Some([f64::from(depth.div_ceil(32)), 0.0]);
        } else if let Some(kind) = launch.kernel.strip_prefix("conv_x_").and_then(|k| k.strip_suffix("_few"))
        {
            // Rows that meet one of x, 32 (tf32: 16) channels at a time, of 64 (or 40) columns by 16 numbers of the
            // filter's row.
            let columns = if kind == "bf16" { 40 } else { 64 };
            let channels = if kind == "tf32" { 16 } else { 32 };
            let rows = p.kh.div_ceil(p.sh.unsigned_abs());
            let across = p.ow.min(64).div_ceil(columns) * (p.kw * p.ci).div_ceil(16);
            let turns = f64::from(across * rows * p.co.div_ceil(channels));
            self.trips = Some([turns, 0.0]);
        } else if launch.kernel.ends_with("_bf16_image") {
            // Of a warp: rows of taps of 16 pixels, and those, around which it runs about .6 (one of two types, one of
            // two finishes); of leg w two such rows at a time, of every fourth row.
            let groups = f64::from(p.ow.div_ceil(16));
            self.trips = Some(if launch.kernel.starts_with("conv_y") {
                let turns = f64::from(p.n * p.oh) * groups / f64::from(8 * launch.grid[0]);
                [turns * f64::from(p.kh), 0.6 * turns]
            } else {
                let rows = f64::from(p.piece / p.ow) / 4.0;
                [rows * groups, rows]
            });
        } else if launch.kernel.contains("_few_") {
            let [channels, taps] =
                if launch.kernel.starts_with("conv_y") { [p.ci, taps] } else { [p.co, class] };
            // Eight channels at a time. Of what is around the taps a warp runs half (one of two ways of
            // reading a channel), for five rows of the source.
            let turns = f64::from(channels.div_ceil(8));
            self.trips = Some([turns * f64::from(taps), turns * 2.5]);
        }
    }
}

/// The tiles that a kernel's name says: `conv_y_bf16_128`, `matmul_nn_64`, `conv_x_tf32_128x64`.
fn product(kernel: &str, depth: u32) -> Option<Product> {
    let (rest, tile) = kernel.rsplit_once('_').filter(|(rest, _)| !rest.ends_with("_few"))?;
    let mut sides = tile.split('x').map(|side| side.parse().ok());
    let rows = sides.next()??;
    let columns = sides.next().unwrap_or(Some(rows))?;
    let precision = match rest.rsplit('_').next() {
        Some("tf32") => Precision::Tf32,
        Some("bf16") => Precision::Bf16,
        _ => Precision::Fp32,
    };
    let wide = rest.contains("_wide_");
    Some(Product { precision, tile: [rows, columns], depth, bytes: [4; 2], wide })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_say_tiles_and_precision() {
        for (name, expected) in [
            ("conv_y_bf16_128", Some((Precision::Bf16, [128, 128]))),
            ("conv_x_tf32_128x64", Some((Precision::Tf32, [128, 64]))),
            ("matmul_nn_64", Some((Precision::Fp32, [64, 64]))),
            ("conv_y_few", None),
            ("conv_x_few_4", None),
        ] {
            assert_eq!(product(name, 64).map(|p| (p.precision, p.tile)), expected, "{name}");
        }
        // A warp of four, tile 128 x 128, one slice: 64 tensor-core operations in tf32.
        let p = Product { precision: Precision::Tf32, tile: [128; 2], depth: 64, bytes: [4; 2], wide: false };
        assert_eq!([p.multiplies(128), p.slices()], [64, 4]);
        // Two warpgroups, of which each takes 64 rows and 16 terms at a time.
        let wide = product("conv_w_wide_bf16_256x128", 128).unwrap();
        assert_eq!([wide.multiplies(256), wide.slices()], [8, 2]);
        let wide = product("conv_y_wide_tf32_128", 128).unwrap();
        assert_eq!([wide.multiplies(256), wide.slices()], [4, 4]);
    }
}
