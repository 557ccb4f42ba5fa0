// Copies that move elements and compute nothing but block means.
//
// Launch: one thread per element of the result; concat, widen and narrow one per four.
// Traffic: 8 bytes an element of the result (mean_pool reads factor^2 times more); bound by
// memory. Reads follow the result's order, so a permutation that moves the last axis reads with
// a step.
// Order: mean_pool adds a block row by row.
#include "common.cuh"
#include "params.cuh"

// Broadcast, permute and slice: y[i] = x[offset + steps . index(i)].
KERNEL(256) copy_strided(const float* x, float* y, Strided p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    u32 from = p.offset, again = 0;
    walk(p, (u32)i, from, again);
    y[i] = x[from];
}

// x placed at `start` in zeros.
KERNEL(256) pad(const float* x, float* y, Pad p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    u32 rest = (u32)i, from = 0, step = 1;
    bool inside = true;
    UNROLL for (u32 axis = MAX_RANK; axis-- > 0;) {
        if (axis >= p.rank) continue;
        const u32 quotient = rest / p.dims[axis];
        // Unsigned: before the start wraps to a huge number.
        const u32 at = rest - quotient * p.dims[axis] - p.start[axis];
        inside = inside && at < p.inner[axis];
        from += at * step;
        step *= p.inner[axis];
        rest = quotient;
    }
    y[i] = inside ? x[from] : 0.0f;
}

// Rows of two parts beside each other; four elements a thread. What is padded is added to zeros, which leaves
// no -0.
KERNEL(256) concat(const float* left, const float* right, float* y, Concat p) {
    begin_kernel();
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    const u32 count = least(p.n - (u32)i, 4), width = p.left + p.right;
    u32 row = (u32)i / width, at = (u32)i - row * width;
    float v[4];
    UNROLL for (u32 k = 0; k < 4; ++k) {
        if (k < count) v[k] = 0.0f + (at < p.left ? left[row * p.left + at] : right[row * p.right + at - p.left]);
        if (++at == width) at = 0, ++row;
    }
    write_four(y + i, count, v);
}

// Rows made longer by zeros, or cut; four elements a thread.
KERNEL(256) widen(const float* x, float* y, Widen p) {
    begin_kernel();
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    const u32 count = least(p.n - (u32)i, 4);
    u32 row = (u32)i / p.to, at = (u32)i - row * p.to;
    float v[4];
    UNROLL for (u32 k = 0; k < 4; ++k) {
        v[k] = k < count && at < p.from ? x[row * p.from + at] : 0.0f;
        if (++at == p.to) at = 0, ++row;
    }
    write_four(y + i, count, v);
}

// A filter [taps, CI, CO] with taps from last to first as [taps, CO, CI].
KERNEL(256) turn(const float* x, float* y, Widen p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    const u32 row = (u32)i / p.to, at = (u32)i - row * p.to, tap = row / p.from, taps = p.n / (p.from * p.to);
    y[i] = x[((taps - 1 - tap) * p.to + at) * p.from + row - tap * p.from];
}

// Four numbers a thread, rounded to bf16: to nearest, a tie to even; a NaN stays one.
KERNEL(256) narrow(const float* x, u32* y, Elementwise p) {
    begin_kernel();
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    float v[4];
    read_four(x + i, 4, v);
    *reinterpret_cast<uint2*>(y + i / 2) = make_uint2(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]));
}

// Mean over factor x factor blocks of x [N, H, W, C]; `height` and `width` are the result's.
KERNEL(256) mean_pool(const float* x, float* y, Pool p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    const u32 c = (u32)i % p.channels, pixel = (u32)i / p.channels;
    const u32 column = pixel % p.width, row = pixel / p.width;  // row counts through the samples
    const u64 line = (u64)p.width * p.factor * p.channels;
    const float* block = x + (u64)row * p.factor * line + (u64)column * p.factor * p.channels + c;
    float sum = 0.0f;
    for (u32 dy = 0; dy < p.factor; ++dy)
        for (u32 dx = 0; dx < p.factor; ++dx) sum += block[dy * line + (u64)dx * p.channels];
    y[i] = sum * (1.0f / (float)(p.factor * p.factor));
}

// Every pixel repeated factor x factor times, and more if given; `height` and `width` are the result's.
KERNEL(256) upsample(const float* x, const float* more, float* y, Pool p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    const u32 c = (u32)i % p.channels, pixel = (u32)i / p.channels;
    const u32 column = pixel % p.width, row = pixel / p.width;
    const u64 from = (u64)(row / p.factor) * (p.width / p.factor) + column / p.factor;
    const float v = x[from * p.channels + c];
    y[i] = more ? v + more[i] : v;
}
