// Batch and layer normalisation: statistics, the normalised field, and its gradient.
//
// Formula: y = (x - mean) r, r = 1 / sqrt(var + eps); grad = r (g - mean(g) - y mean(g y)). Means
// over each group: a column of x [rows, columns] (batch; a column is a channel) or a row (layer;
// a row is a sample).
// Launch: sums are cut into `pieces` of a group, [pieces, 2, groups], and joined by `finish`; then
// about eight turns a thread of four elements (one where a row is no multiple of four), so many threads
// that each keeps to its columns (batch) or its row (layer; grid x): one root a thread, no division.
// Traffic: stats 4 bytes an element, normalise 8, its gradient 8 + 12; bound by memory.
// Order: each thread adds every 256th (8th) element of its piece, lanes and pieces follow in
// order. Sums are of x less the group's first element, so that a large mean costs no digits.
#include "common.cuh"
#include "params.cuh"

// ---- what is added -------------------------------------------------------------------------

// d and d^2 with d = x - first.
struct Spread {
    const float* x;
    float first;
    DEVICE float2 of(const Spread& s, u64 i) {
        const float d = s.x[i] - s.first;
        return make_float2(d, d * d);
    }
};

// g and g y.
struct Cotangent {
    const float* x;
    const float* g;
    float mean, r;
    DEVICE float2 of(const Cotangent& s, u64 i) { return make_float2(s.g[i], s.g[i] * (s.x[i] - s.mean) * s.r); }
};

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

// ---- statistics ----------------------------------------------------------------------------

KERNEL(256) stats_batch(const float* x, float* partial, Norm p) {
    SHARED(float, scratch, 512);
    const u32 column = blockIdx.x * 32 + threadIdx.x % 32;
    const Spread source = {x, column < p.columns ? x[column] : 0.0f};
    column_sums(source, partial, p, scratch);
}

KERNEL(256) stats_layer(const float* x, float* partial, Norm p) {
    SHARED(float, scratch, 512);
    const Spread source = {x, x[(u64)blockIdx.x * p.columns]};
    row_sums(source, partial, p, scratch);
}

// Mean and biased variance of group g, whose first element is x[g * step].
DEVICE void finish_stats(const float* x, const float* partial, float* y, u32 groups, u32 step, u32 count, u32 pieces) {
    const u32 g = (u32)thread_in_grid();
    if (g >= groups) return;
    const float2 sum = join(partial, g, groups, pieces);
    const float mean = sum.x / (float)count, variance = sum.y / (float)count - mean * mean;
    y[g] = x[(u64)g * step] + mean;
    y[groups + g] = variance > 0.0f || variance != variance ? variance : 0.0f;
}

KERNEL(256) stats_batch_finish(const float* x, const float* partial, float* y, Norm p) {
    finish_stats(x, partial, y, p.columns, 1, p.rows, p.pieces);
}

KERNEL(256) stats_layer_finish(const float* x, const float* partial, float* y, Norm p) {
    finish_stats(x, partial, y, p.rows, p.columns, p.columns, p.pieces);
}

// ---- the normalised field ------------------------------------------------------------------

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

template <u32 WIDTH>
DEVICE void read_width(const float* from, float (&to)[WIDTH]) {
    if (WIDTH == 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        to[0] = v.x, to[1 % WIDTH] = v.y, to[2 % WIDTH] = v.z, to[3 % WIDTH] = v.w;
    } else {
        to[0] = *from;
    }
}

template <u32 WIDTH>
DEVICE void write_width(float* to, const float (&from)[WIDTH]) {
    if (WIDTH == 4) {
        *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1 % WIDTH], from[2 % WIDTH], from[3 % WIDTH]);
    } else {
        *to = from[0];
    }
}

template <u32 WIDTH, bool BATCH>
DEVICE void normalise(const float* x, const float* stats, float* y, const Norm& p) {
    const Groups<WIDTH, BATCH> of(stats, p);
    for (u32 i = of.first; i < of.end; i += of.step) {
        float v[WIDTH];
        read_width(x + i, v);
        UNROLL for (u32 k = 0; k < WIDTH; ++k) v[k] = (v[k] - of.mean[k]) * of.r[k];
        write_width(y + i, v);
    }
}

KERNEL(256) normalise_batch(const float* x, const float* stats, float* y, Norm p) {
    if (p.width == 4) normalise<4, true>(x, stats, y, p);
    else normalise<1, true>(x, stats, y, p);
}

KERNEL(256) normalise_layer(const float* x, const float* stats, float* y, Norm p) {
    if (p.width == 4) normalise<4, false>(x, stats, y, p);
    else normalise<1, false>(x, stats, y, p);
}

// ---- its gradient --------------------------------------------------------------------------

KERNEL(256) cotangent_batch(const float* x, const float* stats, const float* g, float* partial, Norm p) {
    SHARED(float, scratch, 512);
    const u32 column = least(blockIdx.x * 32 + threadIdx.x % 32, p.columns - 1);
    const Cotangent source = {x, g, stats[column], inverse_deviation(stats, column, p.columns, p.eps)};
    column_sums(source, partial, p, scratch);
}

KERNEL(256) cotangent_layer(const float* x, const float* stats, const float* g, float* partial, Norm p) {
    SHARED(float, scratch, 512);
    const Cotangent source = {x, g, stats[blockIdx.x], inverse_deviation(stats, blockIdx.x, p.rows, p.eps)};
    row_sums(source, partial, p, scratch);
}

DEVICE void finish_means(const float* partial, float* means, u32 groups, u32 count, u32 pieces) {
    const u32 g = (u32)thread_in_grid();
    if (g >= groups) return;
    const float2 sum = join(partial, g, groups, pieces);
    means[g] = sum.x / (float)count;
    means[groups + g] = sum.y / (float)count;
}

KERNEL(256) cotangent_batch_finish(const float* partial, float* means, Norm p) {
    finish_means(partial, means, p.columns, p.rows, p.pieces);
}

KERNEL(256) cotangent_layer_finish(const float* partial, float* means, Norm p) {
    finish_means(partial, means, p.rows, p.columns, p.pieces);
}

template <u32 WIDTH, bool BATCH>
DEVICE void gradient(const float* x, const float* stats, const float* g, const float* means, float* out, const Norm& p) {
    const Groups<WIDTH, BATCH> of(stats, p);
    const u32 groups = BATCH ? p.columns : p.rows;
    float mean_g[WIDTH], mean_gy[WIDTH];
    UNROLL for (u32 k = 0; k < WIDTH; ++k) mean_g[k] = means[of.group[k]], mean_gy[k] = means[groups + of.group[k]];
    for (u32 i = of.first; i < of.end; i += of.step) {
        float v[WIDTH], to[WIDTH];
        read_width(x + i, v);
        read_width(g + i, to);
        UNROLL for (u32 k = 0; k < WIDTH; ++k) {
            const float y = (v[k] - of.mean[k]) * of.r[k];
            to[k] = of.r[k] * (to[k] - mean_g[k] - y * mean_gy[k]);
        }
        write_width(out + i, to);
    }
}

KERNEL(256) normalise_grad_batch(const float* x, const float* stats, const float* g, const float* means, float* out, Norm p) {
    if (p.width == 4) gradient<4, true>(x, stats, g, means, out, p);
    else gradient<1, true>(x, stats, g, means, out, p);
}

KERNEL(256) normalise_grad_layer(const float* x, const float* stats, const float* g, const float* means, float* out, Norm p) {
    if (p.width == 4) gradient<4, false>(x, stats, g, means, out, p);
    else gradient<1, false>(x, stats, g, means, out, p);
}
