// The gradient penalty of WGAN-GP (Gulrajani et al. 2017): its two passes over whole images.
//
// Formula: x^ = b + u (a - b) with one u per sample; norm_n = sqrt(sum g_n^2 + eps) of each
// sample's gradient. (norm - 1)^2 and its cotangent are a few numbers per batch.
// Launch: interpolate (piece of a sample, sample), 1024 numbers a block; row_norms (sample, piece),
// then row_norms_finish, one thread per sample.
// Traffic: 12 bytes an element between the images, 4 for the norms; bound by memory.
// Order: each thread adds every 256th square of its piece, threads meet in a tree, pieces in order.
#include "common.cuh"
#include "params.cuh"

KERNEL(256) interpolate(const float* a, const float* b, const float* u, float* y, Penalty p) {
    begin_kernel();
    const float weight = u[blockIdx.y];
    const u64 row = (u64)blockIdx.y * p.width;
    const u32 begin = blockIdx.x * 1024, end = least(begin + 1024, p.width);
    for (u32 i = begin + threadIdx.x; i < end; i += 256) y[row + i] = b[row + i] + weight * (a[row + i] - b[row + i]);
}

// g [N, width] to partial [pieces, N].
KERNEL(256) row_norms(const float* g, float* partial, Penalty p) {
    begin_kernel();
    SHARED(float, scratch, 256 / WARP);
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, p.width);
    const float* row = g + (u64)blockIdx.x * p.width;
    float sum = 0.0f;
    for (u32 i = begin + threadIdx.x; i < end; i += 256) sum += row[i] * row[i];
    sum = block_sum<256>(sum, scratch);
    if (threadIdx.x == 0) partial[(u64)blockIdx.y * p.n + blockIdx.x] = sum;
}

KERNEL(256) row_norms_finish(const float* partial, float* y, Penalty p) {
    begin_kernel();
    const u64 n = thread_in_grid();
    if (n >= p.n) return;
    float sum = 0.0f;
    for (u32 piece = 0; piece < p.pieces; ++piece) sum += partial[(u64)piece * p.n + n];
    y[n] = sqrtf(sum + p.eps);
}
