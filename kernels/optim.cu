// Updates in place: Adam, exponential averages, counters and the ring of losses.
//
// Formula (Kingma and Ba 2015, Algorithm 1): m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
// p -= rate / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).
// Launch: all tensors of an optimiser in one launch; block b finds its tensor among the first
// blocks, 4096 elements a block, four at a time.
// Traffic: Adam 28 bytes an element, averages 12; bound by memory.
// Order: none, every element is its own.
#include "common.cuh"
#include "params.cuh"

#define BLOCK_ELEMENTS 4096

struct AdamTable { float* at[4 * MAX_TENSORS + 2]; };
struct LerpTable { float* at[2 * MAX_TENSORS + 1]; };
struct RecordTable { float* at[18]; };

// Which tensor block `b` works on: the last whose first block is not behind it.
DEVICE u32 tensor_of(const u32* first_block, u32 count, u32 b) {
    u32 low = 0, high = count;
    while (high - low > 1) {
        const u32 middle = (low + high) / 2;
        if (first_block[middle] <= b) low = middle;
        else high = middle;
    }
    return low;
}

// Pointers: step, learning rate, then parameter, gradient, m, v of each tensor.
KERNEL(256) adam(AdamTable table, Adam p) {
    SHARED(float, factors, 2);
    if (threadIdx.x == 0) {
        const double t = (double)*table.at[0] + 1.0;
        factors[0] = (float)((double)*table.at[1] / (1.0 - pow(p.beta1, t)));
        factors[1] = (float)(1.0 / (1.0 - pow(p.beta2, t)));
    }
    __syncthreads();
    const float rate = factors[0], correction = factors[1];
    const float beta1 = (float)p.beta1, beta2 = (float)p.beta2;
    const u32 tensor = tensor_of(p.first_block, p.count, blockIdx.x);
    float* const weight = table.at[2 + 4 * tensor];
    const float* const gradient = table.at[3 + 4 * tensor];
    float* const first = table.at[4 + 4 * tensor];
    float* const second = table.at[5 + 4 * tensor];
    const u32 begin = (blockIdx.x - p.first_block[tensor]) * BLOCK_ELEMENTS;
    const u32 end = least(begin + BLOCK_ELEMENTS, p.numel[tensor]);
    for (u32 i = begin + 4 * threadIdx.x; i < end; i += 4 * 256) {
        const u32 count = least(end - i, 4);
        float w[4], g[4], m[4], v[4];
        read_four(weight + i, count, w), read_four(gradient + i, count, g);
        read_four(first + i, count, m), read_four(second + i, count, v);
        UNROLL for (u32 k = 0; k < 4; ++k) {
            m[k] = beta1 * m[k] + (1.0f - beta1) * g[k];
            v[k] = beta2 * v[k] + (1.0f - beta2) * g[k] * g[k];
            w[k] -= rate * m[k] / (sqrtf(v[k] * correction) + p.eps);
        }
        write_four(first + i, count, m), write_four(second + i, count, v), write_four(weight + i, count, w);
    }
}

// target += weight (source - target); pointers: weight, then target and source of each tensor.
KERNEL(256) lerp(LerpTable table, Lerp p) {
    const float weight = *table.at[0];
    const u32 tensor = tensor_of(p.first_block, p.count, blockIdx.x);
    float* const target = table.at[1 + 2 * tensor];
    const float* const source = table.at[2 + 2 * tensor];
    const u32 begin = (blockIdx.x - p.first_block[tensor]) * BLOCK_ELEMENTS;
    const u32 end = least(begin + BLOCK_ELEMENTS, p.numel[tensor]);
    for (u32 i = begin + 4 * threadIdx.x; i < end; i += 4 * 256) {
        const u32 count = least(end - i, 4);
        float to[4], from[4];
        read_four(target + i, count, to), read_four(source + i, count, from);
        UNROLL for (u32 k = 0; k < 4; ++k) to[k] += weight * (from[k] - to[k]);
        write_four(target + i, count, to);
    }
}

KERNEL(32) tick_u32(u32* counter, Tick p) {
    if (threadIdx.x == 0) ++counter[p.last];
}

KERNEL(32) tick_real(float* counter, Tick p) {
    if (threadIdx.x == 0) counter[p.last] += 1.0f;
}

// Pointers: ring [rows, columns], step, then `columns` scalars, written to row step mod rows.
KERNEL(32) record(RecordTable table, Record p) {
    const u32 row = (u32)*table.at[1] % p.rows;
    if (threadIdx.x < p.columns) table.at[0][(u64)row * p.columns + threadIdx.x] = *table.at[2 + threadIdx.x];
}
