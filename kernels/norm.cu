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
#include "norm.cuh"

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

// ---- statistics ----------------------------------------------------------------------------

KERNEL(256) stats_batch(const float* x, float* partial, Norm p) {
    begin_kernel();
    SHARED(float, scratch, 512);
    const u32 column = blockIdx.x * 32 + threadIdx.x % 32;
    const Spread source = {x, column < p.columns ? x[column] : 0.0f};
    column_sums(source, partial, p, scratch);
}

KERNEL(256) stats_layer(const float* x, float* partial, Norm p) {
    begin_kernel();
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
    begin_kernel();
    finish_stats(x, partial, y, p.columns, 1, p.rows, p.pieces);
}

KERNEL(256) stats_layer_finish(const float* x, const float* partial, float* y, Norm p) {
    begin_kernel();
    finish_stats(x, partial, y, p.rows, p.columns, p.columns, p.pieces);
}

// ---- the normalised field ------------------------------------------------------------------

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
    begin_kernel();
    if (p.width == 4) normalise<4, true>(x, stats, y, p);
    else normalise<1, true>(x, stats, y, p);
}

KERNEL(256) normalise_layer(const float* x, const float* stats, float* y, Norm p) {
    begin_kernel();
    if (p.width == 4) normalise<4, false>(x, stats, y, p);
    else normalise<1, false>(x, stats, y, p);
}

// ---- its gradient --------------------------------------------------------------------------

KERNEL(256) cotangent_batch(const float* x, const float* stats, const float* g, float* partial, Norm p) {
    begin_kernel();
    SHARED(float, scratch, 512);
    const u32 column = least(blockIdx.x * 32 + threadIdx.x % 32, p.columns - 1);
    const Cotangent source = {x, g, stats[column], inverse_deviation(stats, column, p.columns, p.eps)};
    column_sums(source, partial, p, scratch);
}

KERNEL(256) cotangent_layer(const float* x, const float* stats, const float* g, float* partial, Norm p) {
    begin_kernel();
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
    begin_kernel();
    finish_means(partial, means, p.columns, p.rows, p.pieces);
}

KERNEL(256) cotangent_layer_finish(const float* partial, float* means, Norm p) {
    begin_kernel();
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
    begin_kernel();
    if (p.width == 4) gradient<4, true>(x, stats, g, means, out, p);
    else gradient<1, true>(x, stats, g, means, out, p);
}

KERNEL(256) normalise_grad_layer(const float* x, const float* stats, const float* g, const float* means, float* out, Norm p) {
    begin_kernel();
    if (p.width == 4) gradient<4, false>(x, stats, g, means, out, p);
    else gradient<1, false>(x, stats, g, means, out, p);
}
