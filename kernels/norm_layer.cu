// The derivatives of a layer's normalisation with scale, shift and LeakyReLU, and of these once more.
//
// Formula: out = LeakyReLU(y gamma + beta), y = (x - mean) r, r = 1 / sqrt(var + eps), means over a sample. Of a
// cotangent g of out, u is g behind the mask, and D = r (gamma u - mean(gamma u) - y mean(gamma u y)) the derivative by x.
// Of a cotangent h of D, with q = r (h - mean(h) - y mean(h y)), a = mean(gamma u y), b = mean(h y) and
// s = mean(h gamma u) - mean(h) mean(gamma u) - a b: by g gamma q behind the mask, by x -r (b D + a q) - r^2 s y,
// by gamma the sum of q u over all pixels. y and the mask are computed of x again.
// Launch: sums of each sample's channels are cut into `pieces` of its pixels, [N, pieces, 2 or 3, C], joined by a block a
// sample, and over samples by a thread a channel; then as norm.cu, each block in one row.
// Traffic: sums 8 or 12 bytes an element; D and by g 12, by x 16, 4 of what is added, two less of a result in bf16; bound
// by memory.
// Order: each thread adds every 8th pixel of its piece, lanes, pieces and samples follow in order.
#include "norm_relu.cuh"

// ---- where sums lie (src/device/layer_sums.rs) ------------------------------------------------

// Sums of a sample's channels, and its mean, of that row.
DEVICE u32 each_sum(const NormRelu& p, u32 row, u32 sample) {
    return row * p.row + (p.channels + 15) / 16 * 16 + sample * p.channels;
}
DEVICE u32 mean_at(const NormRelu& p, u32 row, u32 sample) { return each_sum(p, row, p.rows) + sample; }

// ---- sums ------------------------------------------------------------------------------------

struct Fields {
    const float *x, *stats, *gamma, *beta, *g, *h;
};

// u and u y; or h, h y and h u.
template <u32 COUNT>
DEVICE void add_terms(const Fields& of, u32 i, float mean, float r, float gamma, float beta, float slope, float (&sum)[COUNT]) {
    const float y = normalised(of.x[i], mean, r), u = masked(y, gamma, beta, slope, of.g[i]);
    if (COUNT == 2) {
        sum[0] += u, sum[1] += u * y;
    } else {
        const float h = of.h[i];
        sum[0] += h, sum[1] += h * y, sum[COUNT - 1] += h * u;
    }
}

// Block (sample, piece, 32 channels): 32 channels by 8 lanes of pixels.
template <u32 COUNT>
DEVICE void sample_sums(const Fields& of, float* partial, const NormRelu& p, float (&scratch)[COUNT * 256]) {
    const u32 lane = threadIdx.x / 32, channel = blockIdx.z * 32 + threadIdx.x % 32, sample = blockIdx.x;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.columns / p.channels);
    const float mean = of.stats[sample], r = inverse_deviation(of.stats, sample, p.rows, p.eps);
    float sum[COUNT];
    UNROLL for (u32 k = 0; k < COUNT; ++k) sum[k] = 0.0f;
    if (channel < p.channels) {
        const float gamma = of.gamma[channel], beta = of.beta[channel];
        for (u32 pixel = begin + lane; pixel < end; pixel += 8)
            add_terms(of, sample * p.columns + pixel * p.channels + channel, mean, r, gamma, beta, p.slope, sum);
    }
    UNROLL for (u32 k = 0; k < COUNT; ++k) scratch[k * 256 + threadIdx.x] = sum[k];
    __syncthreads();
    if (lane > 0 || channel >= p.channels) return;
    float* to = partial + (u64)(sample * p.pieces + blockIdx.y) * COUNT * p.channels + channel;
    UNROLL for (u32 k = 0; k < COUNT; ++k) {
        for (u32 other = 1; other < 8; ++other) sum[k] += scratch[k * 256 + other * 32 + threadIdx.x];
        to[k * p.channels] = sum[k];
    }
}

KERNEL(256) norm_layer_sums(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, float* partial, NormRelu p) {
    begin_kernel();
    SHARED(float, scratch, 512);
    sample_sums<2>(Fields{x, stats, gamma, beta, g, 0}, partial, p, scratch);
}

KERNEL(256) norm_layer_second_sums(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, const float* h, float* partial, NormRelu p) {
    begin_kernel();
    SHARED(float, scratch, 768);
    sample_sums<3>(Fields{x, stats, gamma, beta, g, h}, partial, p, scratch);
}

// Block (sample): the sums of all pieces, and means of their sum over channels, of the last row, or of both of two, times
// gamma.
template <u32 COUNT>
DEVICE void finish(const float* gamma, const float* partial, float* sums, const NormRelu& p) {
    SHARED(float, scratch, 8);
    const u32 sample = blockIdx.x;
    float total[COUNT];
    UNROLL for (u32 k = 0; k < COUNT; ++k) total[k] = 0.0f;
    for (u32 channel = threadIdx.x; channel < p.channels; channel += 256) {
        UNROLL for (u32 k = 0; k < COUNT; ++k) {
            float sum = 0.0f;
            for (u32 piece = 0; piece < p.pieces; ++piece)
                sum += partial[((u64)(sample * p.pieces + piece) * COUNT + k) * p.channels + channel];
            sums[each_sum(p, k, sample) + channel] = sum;
            total[k] += COUNT == 2 || k == 2 ? sum * gamma[channel] : sum;
        }
    }
    UNROLL for (u32 k = 0; k < COUNT; ++k) {
        const float sum = block_sum<256>(total[k], scratch);
        if (threadIdx.x == 0) sums[mean_at(p, k, sample)] = sum / (float)p.columns;
    }
}

KERNEL(256) norm_layer_sums_finish(const float* gamma, const float* partial, float* sums, NormRelu p) {
    begin_kernel();
    finish<2>(gamma, partial, sums, p);
}

KERNEL(256) norm_layer_second_sums_finish(const float* gamma, const float* partial, float* sums, NormRelu p) {
    begin_kernel();
    finish<3>(gamma, partial, sums, p);
}

// The sums of all samples: derivatives by beta and gamma.
KERNEL(256) norm_layer_totals(float* sums, NormRelu p) {
    begin_kernel();
    const u32 channel = (u32)thread_in_grid();
    if (channel >= p.channels) return;
    UNROLL for (u32 k = 0; k < 2; ++k) {
        float sum = 0.0f;
        for (u32 sample = 0; sample < p.rows; ++sample) sum += sums[each_sum(p, k, sample) + channel];
        sums[k * p.row + channel] = sum;
    }
}

// <h, D> derived by gamma: the sum of q u, of the sums of u, u y and of h, h y, h u.
KERNEL(256) norm_layer_by_gamma(const float* stats, const float* first, float* sums, NormRelu p) {
    begin_kernel();
    const u32 channel = (u32)thread_in_grid();
    if (channel >= p.channels) return;
    float total = 0.0f;
    for (u32 sample = 0; sample < p.rows; ++sample) {
        const float u = first[each_sum(p, 0, sample) + channel], uy = first[each_sum(p, 1, sample) + channel];
        const float hu = sums[each_sum(p, 2, sample) + channel];
        const float q = hu - sums[mean_at(p, 0, sample)] * u - sums[mean_at(p, 1, sample)] * uy;
        total += inverse_deviation(stats, sample, p.rows, p.eps) * q;
    }
    sums[channel] = total;
}

// ---- fields ----------------------------------------------------------------------------------

// r (g - mean - y slope)
DEVICE float projected(float g, float y, float mean, float slope, float r) { return r * (g - mean - y * slope); }

// D and by g: of u times gamma, or of h, by the means of rows 0 and 1 of the sums.
struct Grad {
    float r, slope, mean, mean_y;
    MEMBER Grad(const Fields&, const float* sums, const float*, float r, const NormRelu& p)
        : r(r), slope(p.slope), mean(sums[mean_at(p, 0, blockIdx.x)]), mean_y(sums[mean_at(p, 1, blockIdx.x)]) {}
    MEMBER float of(float y, float g, float, float gamma, float beta) const {
        return projected(gamma * masked(y, gamma, beta, slope, g), y, mean, mean_y, r);
    }
};

struct ByG : Grad {
    MEMBER ByG(const Fields& of, const float* sums, const float*, float r, const NormRelu& p) : Grad(of, sums, 0, r, p) {}
    MEMBER float of(float y, float h, float, float gamma, float beta) const {
        return masked(y, gamma, beta, slope, projected(h, y, mean, mean_y, r) * gamma);
    }
};

struct ByX : Grad {
    float mean_h, mean_hy, by_d, by_q, by_y;
    MEMBER ByX(const Fields& of, const float* sums, const float* second, float r, const NormRelu& p) : Grad(of, sums, 0, r, p) {
        mean_h = second[mean_at(p, 0, blockIdx.x)], mean_hy = second[mean_at(p, 1, blockIdx.x)];
        const float s = second[mean_at(p, 2, blockIdx.x)] - mean_h * mean - mean_y * mean_hy;
        by_d = -r * mean_hy, by_q = -r * mean_y, by_y = -r * r * s;
    }
    MEMBER float of(float y, float g, float h, float gamma, float beta) const {
        const float d = Grad::of(y, g, 0.0f, gamma, beta), q = projected(h, y, mean_h, mean_hy, r);
        return by_d * d + by_q * q + by_y * y;
    }
};

template <typename F, u32 WIDTH>
DEVICE void fields(const Fields& of, const float* sums, const float* second, const float* more, float* out, const NormRelu& p) {
    const Groups<WIDTH, false> groups(of.stats, norm_of(p));
    const F f(of, sums, second, groups.r[0], p);
    const u32 advance = groups.step % p.channels;
    u32 first = groups.first % p.channels;
    for (u32 i = groups.first; i < groups.end; i += groups.step) {
        float x[WIDTH], g[WIDTH], h[WIDTH];
        read_width(of.x + i, x), read_width(of.g + i, g);
        if (of.h) read_width(of.h + i, h);
        u32 channel = first;
        UNROLL for (u32 k = 0; k < WIDTH; ++k) {
            const float y = normalised(x[k], groups.mean[0], groups.r[0]);
            x[k] = f.of(y, g[k], of.h ? h[k] : 0.0f, of.gamma[channel], of.beta[channel]);
            channel = channel + 1 == p.channels ? 0 : channel + 1;
        }
        add_more(more, i, x, p);
        write_as(out, i, x, p.bf16);
        first += advance;
        if (first >= p.channels) first -= p.channels;
    }
}

KERNEL(256) norm_layer_grad(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, const float* sums, const float* more, float* out, NormRelu p) {
    begin_kernel();
    const Fields of = {x, stats, gamma, beta, g, 0};
    if (p.width == 4) fields<Grad, 4>(of, sums, 0, more, out, p);
    else fields<Grad, 1>(of, sums, 0, more, out, p);
}

KERNEL(256) norm_layer_by_g(const float* x, const float* stats, const float* gamma, const float* beta, const float* h, const float* sums, float* out, NormRelu p) {
    begin_kernel();
    const Fields of = {x, stats, gamma, beta, h, 0};
    if (p.width == 4) fields<ByG, 4>(of, sums, 0, 0, out, p);
    else fields<ByG, 1>(of, sums, 0, 0, out, p);
}

KERNEL(256) norm_layer_by_x(const float* x, const float* stats, const float* gamma, const float* beta, const float* g, const float* sums, const float* h, const float* second, const float* more, float* out, NormRelu p) {
    begin_kernel();
    const Fields of = {x, stats, gamma, beta, g, h};
    if (p.width == 4) fields<ByX, 4>(of, sums, second, more, out, p);
    else fields<ByX, 1>(of, sums, second, more, out, p);
}
