// Sums over axes: the adjoint of a broadcast.
//
// Formula: y[o, i] = scale sum_r x[o, r, i] of x [outer, reduced, inner]; any sum over axes is a
// few of these, one after another (src/device/gpu/reduce.rs).
// Launch: the reduced axis is cut into `pieces`; a second launch of the same kernel adds the
// pieces' sums, in order. Rows (inner = 1): a block per sum. Columns: 32 columns by 8 lanes a
// block; a few terms of many columns (the pieces of a product): a thread per column, or four.
// Traffic: 4 bytes an input element, 2 of columns in bf16; bound by memory.
// Order: each thread adds every 256th (8th) element of its piece, lanes meet in a fixed tree;
// the same on devices with as many multiprocessors.
#include "common.cuh"
#include "params.cuh"

// Block (o, piece) of x [outer, reduced] to y [outer, pieces].
KERNEL(256) sum_rows(const float* x, float* y, Reduce p) {
    begin_kernel();
    SHARED(float, scratch, 256 / WARP);
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.reduced);
    const float* row = x + (u64)blockIdx.x * p.reduced;
    float sum = 0.0f;
    for (u32 r = begin + threadIdx.x; r < end; r += 256) sum += row[r];
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) y[(u64)blockIdx.x * p.pieces + blockIdx.y] = sum * p.scale;
}

// A number of a tensor of either type.
DEVICE float number_at(const float* from, u64 at, u32 bf16) {
    return bf16 ? __uint_as_float((u32)reinterpret_cast<const u16*>(from)[at] << 16) : from[at];
}

// Block (column group, piece, o) of x [outer, reduced, inner] to y [outer, pieces, inner].
KERNEL(256) sum_columns(const float* x, float* y, Reduce p) {
    begin_kernel();
    SHARED(float, scratch, 8 * 32);
    const u32 lane = threadIdx.x / 32, column = blockIdx.x * 32 + threadIdx.x % 32;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.reduced);
    const float* plane = x + (u64)blockIdx.z * p.reduced * p.inner;  // of bf16 there is one alone
    float sum = 0.0f;
    if (column < p.inner)
        for (u32 r = begin + lane; r < end; r += 8) sum += number_at(plane, (u64)r * p.inner + column, p.bf16);
    scratch[threadIdx.x] = sum;
    __syncthreads();
    if (lane > 0 || column >= p.inner) return;
    for (u32 other = 1; other < 8; ++other) sum += scratch[other * 32 + threadIdx.x];
    y[((u64)blockIdx.z * p.pieces + blockIdx.y) * p.inner + column] = sum * p.scale;
}

// x [reduced, inner] to y [inner], a few rows in order: a thread per 4 columns where they are fours.
KERNEL(256) sum_few(const float* x, float* y, Reduce p) {
    begin_kernel();
    const u32 width = p.inner % 4 == 0 ? 4 : 1;
    const u64 i = thread_in_grid() * width;
    if (i >= p.inner) return;
    float sum[4] = {};
    ROLLED for (u32 r = 0; r < p.reduced; ++r) {
        float v[4];
        read_four(x + (u64)r * p.inner + i, width, v);
        UNROLL for (u32 k = 0; k < 4; ++k) sum[k] += v[k];
    }
    UNROLL for (u32 k = 0; k < 4; ++k) sum[k] *= p.scale;
    write_four(y + i, width, sum);
}
