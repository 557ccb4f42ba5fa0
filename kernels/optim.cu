// Updates in place: Adam, exponential averages, counters and the ring of losses.
//
// Formula (Kingma and Ba 2015, Algorithm 1): m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2,
// p -= rate / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).
// Launch: all tensors of an optimiser in one launch; block b finds its tensor among the first
// blocks, 4096 elements a block, four at a time.
// Without memory of gradients (b1 = 0) m is the gradient, and is not kept. Of a parameter that tensor cores multiply as
// bf16 a copy is written beside it, rounded as `narrow` (layout.cu) rounds: whole fours.
// Traffic: Adam 28 bytes an element, 20 without m, 2 more with a copy, averages 12; bound by memory.
// Order: none, every element is its own.
#include "common.cuh"
#include "params.cuh"

#define BLOCK_ELEMENTS 4096

struct AdamTable { float* at[5 * MAX_TENSORS + 2]; };
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

// Pointers: step, learning rate, then parameter, gradient, m (unless b1 is 0), v and copy (or null) of each tensor.
KERNEL(256) adam(AdamTable table, Adam p) {
    begin_kernel();
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
    const bool remembers = p.beta1 != 0.0;
    float* const* const at = table.at + 2 + tensor * (remembers ? 5 : 4);
    float* const weight = at[0];
    const float* const gradient = at[1];
    float* const first = at[2];
    float* const second = at[remembers ? 3 : 2];
    uint2* const copy = reinterpret_cast<uint2*>(at[remembers ? 4 : 3]);
    const u32 begin = (blockIdx.x - p.first_block[tensor]) * BLOCK_ELEMENTS;
    const u32 end = least(begin + BLOCK_ELEMENTS, p.numel[tensor]);
    for (u32 i = begin + 4 * threadIdx.x; i < end; i += 4 * 256) {
        const u32 count = least(end - i, 4);
        float w[4], g[4], m[4], v[4];
        read_four(weight + i, count, w), read_four(gradient + i, count, g);
        read_four(second + i, count, v);
        if (remembers) read_four(first + i, count, m);
        UNROLL for (u32 k = 0; k < 4; ++k) {
            m[k] = remembers ? beta1 * m[k] + (1.0f - beta1) * g[k] : g[k];
            v[k] = beta2 * v[k] + (1.0f - beta2) * g[k] * g[k];
            w[k] -= rate * m[k] / (sqrtf(v[k] * correction) + p.eps);
        }
        if (remembers) write_four(first + i, count, m);
        write_four(second + i, count, v), write_four(weight + i, count, w);
        if (copy) copy[i / 4] = make_uint2(bf16_pair(w[0], w[1]), bf16_pair(w[2], w[3]));
    }
}

// target += weight (source - target); pointers: weight, then target and source of each tensor.
KERNEL(256) lerp(LerpTable table, Lerp p) {
    begin_kernel();
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
    begin_kernel();
    if (threadIdx.x == 0) ++counter[p.last];
}

KERNEL(32) tick_real(float* counter, Tick p) {
    begin_kernel();
    if (threadIdx.x == 0) counter[p.last] += 1.0f;
}

// Pointers: ring [rows, columns], step, then `columns` scalars, written to row step mod rows.
KERNEL(32) record(RecordTable table, Record p) {
    begin_kernel();
    const u32 row = (u32)*table.at[1] % p.rows;
    if (threadIdx.x < p.columns) table.at[0][(u64)row * p.columns + threadIdx.x] = *table.at[2 + threadIdx.x];
}
