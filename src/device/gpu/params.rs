//! The parameter structs of the kernels, as `kernels/params.cuh` declares them.
//!
//! A test compares names, offsets and sizes with what the C++ compiler made of that file.

/// Most axes of a strided walk.
pub const RANK: usize = 6;
/// Most tensors of one multi-tensor launch.
pub const MAX_TENSORS: usize = 56;
/// Most operations of one chain.
pub const MAX_LINKS: usize = 32;

/// Declares structs with C's layout, and a table of their members for the test.
macro_rules! params {
    ($($(#[$doc:meta])* $name:ident { $($member:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
            #[allow(missing_docs)] // each member is explained once, in params.cuh
            pub struct $name { $(pub $member: $kind,)* }
        )*

        /// "struct.member" with offset and bytes of every member, and "struct" with its bytes at
        /// the end of each.
        #[must_use]
        pub fn layout() -> Vec<(String, usize, usize)> {
            let mut rows = Vec::new();
            $(
                $(
                    let name = concat!(stringify!($name), ".", stringify!($member));
                    rows.push((name.to_owned(), std::mem::offset_of!($name, $member), size_of::<$kind>()));
                )*
                rows.push((stringify!($name).to_owned(), 0, size_of::<$name>()));
            )*
            rows
        }
    };
}

params! {
    /// fill, unary, softmax, argmax.
    Elementwise { n: u32, channels: u32, a: f32, b: f32, }
    /// Binary functions and strided copies.
    Strided {
        n: u32, rank: u32, dims: [u32; RANK], a: [u32; RANK], b: [u32; RANK], offset: u32, width: u32,
        slope: f32,
    }
    /// concat.
    Concat { n: u32, left: u32, right: u32, }
    /// widen.
    Widen { n: u32, from: u32, to: u32, }
    /// pad.
    Pad { n: u32, rank: u32, dims: [u32; RANK], inner: [u32; RANK], start: [u32; RANK], }
    /// Sums over the middle of [outer, reduced, inner].
    Reduce { reduced: u32, inner: u32, pieces: u32, piece: u32, scale: f32, bf16: u32, }
    /// spread_taps and gather_taps.
    Taps { rows: u32, columns: u32, inner: u32, outer: u32, turned: u32, }
    /// mean_pool and upsample.
    Pool { n: u32, width: u32, channels: u32, factor: u32, x_bf16: u32, y_bf16: u32, }
    /// matmul.
    MatMul { m: u32, n: u32, k: u32, piece: u32, }
    /// The legs of a convolution.
    Conv {
        n: u32, h: u32, w: u32, ci: u32, oh: u32, ow: u32, co: u32, kh: u32, kw: u32,
        sh: i32, sw: i32, ph: i32, pw: i32, pieces: u32, piece: u32, periodic: u32, activate: u32,
        slope: f32, result_bf16: u32, gate_bf16: u32,
    }
    /// stats, normalise, normalise_grad.
    Norm { rows: u32, columns: u32, pieces: u32, piece: u32, width: u32, eps: f32, }
    /// norm_relu and norm_layer.
    NormRelu {
        rows: u32, columns: u32, pieces: u32, piece: u32, width: u32, channels: u32, row: u32, eps: f32,
        slope: f32, bf16: u32, factor: u32, line: u32,
    }
    /// moments and quadratic_field.
    Image { n: u32, h: u32, w: u32, c: u32, pieces: u32, piece: u32, }
    /// boundary and boundary_grad.
    Boundary {
        n: u32, h: u32, w: u32, c: u32, pieces: u32, piece: u32, periodic: u32,
        soft: f32, along_row: f32, along_column: f32, diagonal: f32,
    }
    /// Both legs of a correlation.
    Correlation {
        n: u32, h: u32, w: u32, bins: u32, along: u32, open: u32, rows: u32, columns: u32, together: u32,
        tables: u32,
    }
    /// cahn_hilliard.
    Stepping { h: u32, w: u32, steps: u32, tables: u32, dt: f32, kappa: f32, stabiliser: f32, }
    /// one_hot, gather, scatter_add.
    Table { n: u32, width: u32, rows: u32, channels: u32, }
    /// augment.
    Augment { n: u32, height: u32, width: u32, shift: u32, ways: u32, packed: u32, }
    /// uniform, normal, random_index.
    Random { n: u32, stream: u32, below: u32, }
    /// The gradient penalty.
    Penalty { n: u32, width: u32, pieces: u32, piece: u32, eps: f32, }
    /// adam.
    Adam {
        beta1: f64, beta2: f64, eps: f32, count: u32,
        first_block: [u32; MAX_TENSORS], numel: [u32; MAX_TENSORS],
    }
    /// lerp.
    Lerp { count: u32, first_block: [u32; MAX_TENSORS], numel: [u32; MAX_TENSORS], }
    /// record.
    Record { rows: u32, columns: u32, }
    /// tick.
    Tick { last: u32, }
    /// chain.
    Chain { count: u32, function: [u32; MAX_LINKS], walks: [Strided; MAX_LINKS], }
}
