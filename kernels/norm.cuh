// What the kernels of normalisation share: sums of groups in pieces, and the groups of a thread's elements.
#pragma once
#include "common.cuh"
#include "params.cuh"

// ---- sums ----------------------------------------------------------------------------------

// Block (column group, piece): 32 columns by 8 lanes of rows.
template <typename Source>
DEVICE void column_sums(const Source& source, float* partial, const Norm& p, float (&scratch)[512]) {
    const u32 lane = threadIdx.x / 32, column = blockIdx.x * 32 + threadIdx.x % 32;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.rows);
    float2 sum = make_float2(0.0f, 0.0f);
    if (column < p.columns)
        for (u32 row = begin + lane; row < end; row += 8) {
            const float2 v = Source::of(source, (u64)row * p.columns + column);
            sum.x += v.x, sum.y += v.y;
        }
    scratch[threadIdx.x] = sum.x;
    scratch[256 + threadIdx.x] = sum.y;
    __syncthreads();
    if (lane > 0 || column >= p.columns) return;
    for (u32 other = 1; other < 8; ++other) {
        sum.x += scratch[other * 32 + threadIdx.x];
        sum.y += scratch[256 + other * 32 + threadIdx.x];
    }
    float* to = partial + (u64)blockIdx.y * 2 * p.columns;
    to[column] = sum.x;
    to[p.columns + column] = sum.y;
}

// Block (row, piece).
template <typename Source>
DEVICE void row_sums(const Source& source, float* partial, const Norm& p, float (&scratch)[512]) {
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.columns);
    const u64 row = (u64)blockIdx.x * p.columns;
    float2 sum = make_float2(0.0f, 0.0f);
    for (u32 i = begin + threadIdx.x; i < end; i += 256) {
        const float2 v = Source::of(source, row + i);
        sum.x += v.x, sum.y += v.y;
    }
    sum.x = block_sum<256>(sum.x, scratch);
    sum.y = block_sum<256>(sum.y, scratch);
    if (threadIdx.x > 0) return;
    float* to = partial + (u64)blockIdx.y * 2 * p.rows;
    to[blockIdx.x] = sum.x;
    to[p.rows + blockIdx.x] = sum.y;
}

// The sums of group `g` over all pieces.
DEVICE float2 join(const float* partial, u32 g, u32 groups, u32 pieces) {
    float2 sum = make_float2(0.0f, 0.0f);
    for (u32 piece = 0; piece < pieces; ++piece) {
        sum.x += partial[(u64)piece * 2 * groups + g];
        sum.y += partial[((u64)piece * 2 + 1) * groups + g];
    }
    return sum;
}

// ---- groups ---------------------------------------------------------------------------------

DEVICE float inverse_deviation(const float* stats, u32 g, u32 groups, float eps) {
    return 1.0f / sqrtf(stats[groups + g] + eps);
}

// Group, mean and 1 / deviation of this thread's elements, `WIDTH` at a time: all it ever meets.
// Batch: columns, since its steps are whole rows. Layer: one row, since the block's are.
template <u32 WIDTH, bool BATCH>
struct Groups {
    u32 group[WIDTH];
    float mean[WIDTH], r[WIDTH];
    u32 first, end, step;

    MEMBER Groups(const float* stats, const Norm& p) {
        const u32 groups = BATCH ? p.columns : p.rows;
        if (BATCH) {
            first = (u32)thread_in_grid() * WIDTH, step = gridDim.x * 256 * WIDTH, end = p.rows * p.columns;
        } else {
            const u32 row = blockIdx.x * p.columns;
            first = row + (blockIdx.y * 256 + threadIdx.x) * WIDTH, step = gridDim.y * 256 * WIDTH;
            end = row + p.columns;
        }
        const u32 column = BATCH ? first % p.columns : 0;
        UNROLL for (u32 k = 0; k < WIDTH; ++k) {
            group[k] = BATCH ? column + k : blockIdx.x;
            mean[k] = stats[group[k]];
            r[k] = inverse_deviation(stats, group[k], groups, p.eps);
        }
    }
};
