// Moments of every channel of an image, and the quadratic field that is their adjoint.
//
// Formula (paper Eq. 5, and to the second order): the sums of x, u x, v x, u^2 x, u v x and v^2 x; the
// field is m0 + u m1 + v m2 + u^2 m3 + u v m4 + v^2 m5. u and v are the column and the row, counted
// from the middle of the image: halves of whole numbers, exact, and their squares as small as can be.
// Launch: moments (sample, piece of the pixels, group of up to 256 channels), each thread stays
// with one channel, so that neighbours read neighbours; the pieces are then added by sum_columns.
// The field: one thread per element.
// Traffic: 4 bytes an element, once, either way; bound by memory. The six sums share their products.
// Order: a thread adds its pixels from first to last, threads meet in a tree, pieces in order.
#include "common.cuh"
#include "params.cuh"

// Place i of an extent, counted from the middle.
DEVICE float centred(u32 i, u32 extent) { return (float)i - 0.5f * (float)(extent - 1); }

// x [N, H, W, C] to partial [N, pieces, C, 6].
KERNEL(256) moments(const float* x, float* partial, Image p) {
    begin_kernel();
    SHARED(float, scratch, 6 * 256);
    const u32 group = least(p.c - blockIdx.z * 256, 256);  // channels this block looks at
    const u32 lanes = 256 / group, lane = threadIdx.x / group;
    const u32 c = blockIdx.z * 256 + threadIdx.x % group;
    const u32 pixels = p.h * p.w;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, pixels);
    const float* image = x + (u64)blockIdx.x * pixels * p.c;
    float m[6] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    if (lane < lanes) {
        UNROLL4 for (u32 pixel = begin + lane; pixel < end; pixel += lanes) {
            const float value = image[(u64)pixel * p.c + c];
            const u32 row = pixel / p.w, column = pixel - row * p.w;
            const float u = centred(column, p.w), v = centred(row, p.h);
            const float along = u * value, down = v * value;
            m[0] += value;
            m[1] += along;
            m[2] += down;
            m[3] += u * along;
            m[4] += u * down;
            m[5] += v * down;
        }
    }
    UNROLL for (u32 k = 0; k < 6; ++k) scratch[256 * k + threadIdx.x] = m[k];
    __syncthreads();
    for (u32 step = 128; step > 0; step /= 2) {
        if (lane < step && lane + step < lanes)
            for (u32 k = 0; k < 6 * 256; k += 256) scratch[k + threadIdx.x] += scratch[k + threadIdx.x + step * group];
        __syncthreads();
    }
    if (lane > 0) return;
    float* to = partial + (((u64)blockIdx.x * p.pieces + blockIdx.y) * p.c + c) * 6;
    for (u32 k = 0; k < 6; ++k) to[k] = scratch[256 * k + threadIdx.x];
}

// m [N, C, 6] to [N, H, W, C].
KERNEL(256) quadratic_field(const float* m, float* y, Image p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= (u64)p.n * p.h * p.w * p.c) return;
    // A tensor has fewer than 2^32 elements.
    const u32 pixel = (u32)i / p.c, c = (u32)i - pixel * p.c, line = pixel / p.w;  // line counts through the samples
    const u32 column = pixel - line * p.w, n = line / p.h, row = line - n * p.h;
    const float u = centred(column, p.w), v = centred(row, p.h);
    const float* of = m + ((u64)n * p.c + c) * 6;
    y[i] = of[0] + u * (of[1] + u * of[3] + v * of[4]) + v * (of[2] + v * of[5]);
}
