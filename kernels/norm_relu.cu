// Normalisation with scale, shift and LeakyReLU, and its derivative over a batch.
//
// Formula: out = LeakyReLU(y gamma + beta), y = (x - mean) r, r = 1 / sqrt(var + eps). Of a cotangent g behind
// the LeakyReLU's mask: d beta = sum g, d gamma = sum g y, d x = r gamma (g - mean(g) - y mean(g y)), and
// more if given. Mask and y are computed of x again, which is read anyway.
// Launch: as norm.cu. A layer's gamma and beta are found column by column.
// Traffic: 8 bytes an element forward, 8 + 12 back, 4 of what is added, two less of a result in bf16; bound by memory.
// Order: as norm.cu.
#include "norm_relu.cuh"

// ---- forward -------------------------------------------------------------------------------

template <u32 WIDTH, bool BATCH>
DEVICE void forward(const float* x, const float* stats, const float* gamma, const float* beta, float* y, const NormRelu& q) {
    const Norm p = norm_of(q);
    const Groups<WIDTH, BATCH> of(stats, p);
    float scale[WIDTH], shift[WIDTH];
    UNROLL for (u32 k = 0; k < WIDTH; ++k)
        if (BATCH) scale[k] = gamma[of.group[k]], shift[k] = beta[of.group[k]];
    for (u32 i = of.first; i < of.end; i += of.step) {
        float v[WIDTH];
        read_width(x + i, v);
        if (!BATCH) {
            u32 channel = i % q.channels;
            UNROLL for (u32 k = 0; k < WIDTH; ++k) {
                scale[k] = gamma[channel], shift[k] = beta[channel];
                channel = channel + 1 == q.channels ? 0 : channel + 1;
            }
        }
        UNROLL for (u32 k = 0; k < WIDTH; ++k) {
            const float u = shifted(normalised(v[k], of.mean[k], of.r[k]), scale[k], shift[k]);
            v[k] = u > 0.0f ? u : q.slope * u;
        }
        write_as(y, i, v, q.bf16);
    }
}

KERNEL(256) norm_relu_batch(const float* x, const float* stats, const float* gamma, const float* beta, float* y, NormRelu p) {
    begin_kernel();
    if (p.width == 4) forward<4, true>(x, stats, gamma, beta, y, p);
    else forward<1, true>(x, stats, gamma, beta, y, p);
}

KERNEL(256) norm_relu_layer(const float* x, const float* stats, const float* gamma, const float* beta, float* y, NormRelu p) {
    begin_kernel();
    if (p.width == 4) forward<4, false>(x, stats, gamma, beta, y, p);
    else forward<1, false>(x, stats, gamma, beta, y, p);
}

// ---- back ----------------------------------------------------------------------------------

// g and g y, g behind the mask.
struct Masked {
    const float* x;
    const float* g;
    float mean, r, gamma, beta, slope;
    DEVICE float2 of(const Masked& s, u64 i) {
        const float y = normalised(s.x[i], s.mean, s.r);
        const float g = masked(y, s.gamma, s.beta, s.slope, s.g[i]);
        return make_float2(g, g * y);
    }
};

KERNEL(256) norm_relu_sums(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, float* partial, NormRelu p) {
    begin_kernel();
    SHARED(float, scratch, 512);
    const u32 column = least(blockIdx.x * 32 + threadIdx.x % 32, p.columns - 1);
    const float r = inverse_deviation(stats, column, p.columns, p.eps);
    const Masked source = {x, g, stats[column], r, gamma[column], beta[column], p.slope};
    column_sums(source, partial, norm_of(p), scratch);
}

// The sums of all pieces, in rows `row` apart.
KERNEL(256) norm_relu_sums_finish(const float* partial, float* sums, NormRelu p) {
    begin_kernel();
    const u32 column = (u32)thread_in_grid();
    if (column >= p.columns) return;
    const float2 sum = join(partial, column, p.columns, p.pieces);
    sums[column] = sum.x;
    sums[p.row + column] = sum.y;
}

template <u32 WIDTH>
DEVICE void gradient(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, const float* sums, const float* more, float* out, const NormRelu& q) {
    const Norm p = norm_of(q);
    const Groups<WIDTH, true> of(stats, p);
    float scale[WIDTH], shift[WIDTH], mean_g[WIDTH], mean_gy[WIDTH];
    UNROLL for (u32 k = 0; k < WIDTH; ++k) {
        scale[k] = gamma[of.group[k]], shift[k] = beta[of.group[k]];
        mean_g[k] = sums[of.group[k]] / (float)p.rows, mean_gy[k] = sums[q.row + of.group[k]] / (float)p.rows;
    }
    for (u32 i = of.first; i < of.end; i += of.step) {
        float v[WIDTH], to[WIDTH];
        read_width(x + i, v);
        read_width(g + i, to);
        UNROLL for (u32 k = 0; k < WIDTH; ++k) {
            const float y = normalised(v[k], of.mean[k], of.r[k]);
            to[k] = of.r[k] * scale[k] * (masked(y, scale[k], shift[k], q.slope, to[k]) - mean_g[k] - y * mean_gy[k]);
        }
        add_more(more, i, to, q);
        write_as(out, i, to, q.bf16);
    }
}

KERNEL(256) norm_relu_grad(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, const float* sums, const float* more, float* out, NormRelu p) {
    begin_kernel();
    if (p.width == 4) gradient<4>(x, stats, gamma, beta, g, sums, more, out, p);
    else gradient<1>(x, stats, gamma, beta, g, sums, more, out, p);
}
