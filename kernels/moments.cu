// Moments of every channel of an image, and the affine field that is their adjoint.
//
// Formula (paper Eq. 5): m00 = sum x, m10 = sum column x, m01 = sum row x; the field is
// m0 + column m1 + row m2. Pixel centres at 0 .. W-1 and 0 .. H-1.
// Launch: moments (sample, piece of the pixels, group of up to 256 channels), each thread stays
// with one channel, so that neighbours read neighbours; the pieces are then added by sum_columns.
// The field: one thread per element.
// Traffic: 4 bytes an element, once, either way; bound by memory.
// Order: a thread adds its pixels from first to last, threads meet in a tree, pieces in order.
#include "common.cuh"
#include "params.cuh"

// x [N, H, W, C] to partial [N, pieces, C, 3].
KERNEL(256) moments(const float* x, float* partial, Image p) {
    SHARED(float, scratch, 3 * 256);
    const u32 group = least(p.c - blockIdx.z * 256, 256);  // channels this block looks at
    const u32 lanes = 256 / group, lane = threadIdx.x / group;
    const u32 c = blockIdx.z * 256 + threadIdx.x % group;
    const u32 pixels = p.h * p.w;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, pixels);
    const float* image = x + (u64)blockIdx.x * pixels * p.c;
    float m0 = 0.0f, m1 = 0.0f, m2 = 0.0f;
    if (lane < lanes) {
        UNROLL4 for (u32 pixel = begin + lane; pixel < end; pixel += lanes) {
            const float v = image[(u64)pixel * p.c + c];
            const u32 row = pixel / p.w, column = pixel - row * p.w;
            m0 += v;
            m1 += (float)column * v;
            m2 += (float)row * v;
        }
    }
    scratch[threadIdx.x] = m0;
    scratch[256 + threadIdx.x] = m1;
    scratch[512 + threadIdx.x] = m2;
    __syncthreads();
    for (u32 step = 128; step > 0; step /= 2) {
        if (lane < step && lane + step < lanes)
            for (u32 k = 0; k < 768; k += 256) scratch[k + threadIdx.x] += scratch[k + threadIdx.x + step * group];
        __syncthreads();
    }
    if (lane > 0) return;
    float* to = partial + (((u64)blockIdx.x * p.pieces + blockIdx.y) * p.c + c) * 3;
    for (u32 k = 0; k < 3; ++k) to[k] = scratch[256 * k + threadIdx.x];
}

// m [N, C, 3] to [N, H, W, C].
KERNEL(256) affine_field(const float* m, float* y, Image p) {
    const u64 i = thread_in_grid();
    if (i >= (u64)p.n * p.h * p.w * p.c) return;
    const u32 c = (u32)(i % p.c);
    const u32 pixel = (u32)(i / p.c), line = pixel / p.w;  // line counts through the samples
    const u32 column = pixel - line * p.w, n = line / p.h, row = line - n * p.h;
    const float* v = m + ((u64)n * p.c + c) * 3;
    y[i] = v[0] + (float)column * v[1] + (float)row * v[2];
}
