// Small things that several families share: index arithmetic, and sums over a warp or a block in
// a fixed order.
#pragma once
#include "simt.cuh"

#define WARP 32

// Position of this thread in the whole grid. Grids have at most 2^31 - 1 blocks of at most 1024.
DEVICE u64 thread_in_grid() { return (u64)blockIdx.x * blockDim.x + threadIdx.x; }
// Threads of the grid: the stride of a loop that covers any number of elements.
DEVICE u64 threads_in_grid() { return (u64)gridDim.x * blockDim.x; }

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
