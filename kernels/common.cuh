// Small things that several families share: index arithmetic, and sums over a warp or a block in
// a fixed order.
#pragma once
#include "simt.cuh"

#define WARP 32

// Position of this thread in the whole grid. Grids have at most 2^31 - 1 blocks of at most 1024.
DEVICE u64 thread_in_grid() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }

DEVICE u32 least(u32 a, u32 b) { return a < b ? a : b; }

// The sum of `value` over the warp, in every lane. Halves meet in a fixed order.
DEVICE float warp_sum(float value) {
    UNROLL for (u32 step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(FULL_WARP, value, step);
    return value;
}

// The sum of `value` over a block of `threads` threads, in every thread. Every thread must call;
// `scratch` holds one number per warp and may be reused at once.
template <u32 threads>
DEVICE float block_sum(float value, float* scratch) {
    value = warp_sum(value);
    if (threadIdx.x % WARP == 0) scratch[threadIdx.x / WARP] = value;
    __syncthreads();
    float total = 0.0f;
    UNROLL for (u32 warp = 0; warp < threads / WARP; ++warp) total += scratch[warp];
    __syncthreads();
    return total;
}

// Four numbers at `from`, which is aligned to 16 bytes, or the first `count` of them and zeros.
DEVICE void read_four(const float* from, u32 count, float (&to)[4]) {
    if (count >= 4) {
        const float4 v = *reinterpret_cast<const float4*>(from);
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    } else {
        UNROLL for (u32 k = 0; k < 4; ++k) to[k] = k < count ? from[k] : 0.0f;
    }
}

// The first `count` of four numbers, to a place that is aligned to 16 bytes.
DEVICE void write_four(float* to, u32 count, const float (&from)[4]) {
    if (count >= 4) {
        *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
    } else {
        UNROLL for (u32 k = 0; k < 4; ++k)
            if (k < count) to[k] = from[k];
    }
}

// Four numbers as bf16, and four in bf16 as they are.
DEVICE uint2 bf16_four(float4 v) { return make_uint2(bf16_pair(v.x, v.y), bf16_pair(v.z, v.w)); }
DEVICE float4 four_of_bf16(uint2 v) {
    return make_float4(__uint_as_float(v.x << 16), __uint_as_float(v.x & 0xffff0000u), __uint_as_float(v.y << 16),
                       __uint_as_float(v.y & 0xffff0000u));
}

// One number, or four at a place that is aligned to 16 bytes.
DEVICE void read_width(const float* from, float (&to)[1]) { to[0] = *from; }
DEVICE void read_width(const float* from, float (&to)[4]) { read_four(from, 4, to); }
DEVICE void write_width(float* to, const float (&from)[1]) { *to = from[0]; }
DEVICE void write_width(float* to, const float (&from)[4]) { write_four(to, 4, from); }

// The same of a tensor, from the number with that index on; where four are read, it may lie in bf16.
DEVICE void read_as(const float* from, u32 i, float (&to)[1], u32) { read_width(from + i, to); }
DEVICE void read_as(const float* from, u32 i, float (&to)[4], u32 bf16) {
    if (!bf16) return read_width(from + i, to);
    const float4 v = four_of_bf16(reinterpret_cast<const uint2*>(from)[i / 4]);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
DEVICE void write_as(float* to, u32 i, const float (&from)[1], u32) { write_width(to + i, from); }
DEVICE void write_as(float* to, u32 i, const float (&from)[4], u32 bf16) {
    if (!bf16) return write_width(to + i, from);
    reinterpret_cast<uint2*>(to)[i / 4] = bf16_four(make_float4(from[0], from[1], from[2], from[3]));
}
