// Copies that move elements and compute nothing but block means and sums of a filter's taps.
//
// Launch: one thread per element of the result; concat, widen and narrow one per four, mean_pool and upsample where
// channels come in fours; spread_taps and gather_taps a block per 32 x 32 channels of a tap.
// Traffic: 8 bytes an element of the result (mean_pool reads factor^2 times more; what lies in bf16 takes half); bound by
// memory. Reads follow the result's order, so a permutation that moves the last axis reads with
// a step.
// Order: mean_pool adds a block row by row; spread_taps adds down, then across, gather_taps across, then down.
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

// A filter [K, L, A, B] with each tap at 2 x 2 places, those that fall together added, and the adjoint; turned, with taps
// from last to first and channels in each other's place. A block reads its tile of 32 x 32 channels along rows, and
// writes it so.
template <bool SPREAD>
DEVICE void taps(const float* x, float* y, const Taps& p) {
    SHARED(float, tile, 32 * 33);
    const int i = (int)(blockIdx.x / p.columns), j = (int)(blockIdx.x % p.columns);
    const int rows = (int)p.rows + (SPREAD ? -1 : 1), columns = (int)p.columns + (SPREAD ? -1 : 1);  // of x
    // The first of two places along an axis.
    const int last = SPREAD ? 2 : 1;
    const int top = p.turned ? (int)p.rows - last - i : SPREAD ? i - 1 : i;
    const int left = p.turned ? (int)p.columns - last - j : SPREAD ? j - 1 : j;
    const u32 across = threadIdx.x % 32, down = threadIdx.x / 32;
    const u32 source_rows = p.turned ? p.outer : p.inner, source_columns = p.turned ? p.inner : p.outer;
    const u32 first_row = 32 * (p.turned ? blockIdx.z : blockIdx.y), first_column = 32 * (p.turned ? blockIdx.y : blockIdx.z);
    const u32 plane = p.inner * p.outer, column = first_column + across;
    for (u32 k = down; k < 32; k += 8) {
        const u32 row = first_row + k;
        if (row >= source_rows || column >= source_columns) continue;
        float at[2][2];
        UNROLL for (int s = 0; s < 2; ++s)
            UNROLL for (int t = 0; t < 2; ++t) {
                const bool inside = top + s >= 0 && top + s < rows && left + t >= 0 && left + t < columns;
                const u64 tap = (u64)(inside ? (top + s) * columns + left + t : 0);
                at[s][t] = inside ? x[tap * plane + row * source_columns + column] : 0.0f;
            }
        const float sum = SPREAD ? (at[0][0] + at[1][0]) + (at[0][1] + at[1][1]) : (at[0][0] + at[0][1]) + (at[1][0] + at[1][1]);
        tile[p.turned ? across * 33 + k : k * 33 + across] = sum;
    }
    __syncthreads();
    for (u32 k = down; k < 32; k += 8) {
        const u32 row = 32 * blockIdx.y + k, result_column = 32 * blockIdx.z + across;
        if (row < p.inner && result_column < p.outer)
            y[(u64)blockIdx.x * plane + row * p.outer + result_column] = tile[k * 33 + across];
    }
}

KERNEL(256) spread_taps(const float* x, float* y, Taps p) {
    begin_kernel();
    taps<true>(x, y, p);
}

KERNEL(256) gather_taps(const float* x, float* y, Taps p) {
    begin_kernel();
    taps<false>(x, y, p);
}

// Four numbers a thread, rounded to bf16: to nearest, a tie to even; a NaN stays one.
KERNEL(256) narrow(const float* x, u32* y, Elementwise p) {
    begin_kernel();
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    *reinterpret_cast<uint2*>(y + i / 2) = bf16_four(*reinterpret_cast<const float4*>(x + i));
}

// Mean over factor x factor blocks of x [N, H, W, C]; `height` and `width` are the result's.
template <u32 WIDTH>
DEVICE void pooled(const float* x, float* y, const Pool& p) {
    const u64 i = WIDTH * thread_in_grid();
    if (i >= p.n) return;
    const u32 pixel = (u32)i / p.channels, c = (u32)i - pixel * p.channels;
    const u32 row = pixel / p.width, column = pixel - row * p.width;  // row counts through the samples
    const u32 line = p.width * p.factor * p.channels;
    const u32 block = row * p.factor * line + column * p.factor * p.channels + c;
    float sum[WIDTH] = {};
    for (u32 dy = 0; dy < p.factor; ++dy)
        for (u32 dx = 0; dx < p.factor; ++dx) {
            float v[WIDTH];
            read_as(x, block + dy * line + dx * p.channels, v, p.x_bf16);
            UNROLL for (u32 k = 0; k < WIDTH; ++k) sum[k] += v[k];
        }
    const float share = 1.0f / (float)(p.factor * p.factor);
    UNROLL for (u32 k = 0; k < WIDTH; ++k) sum[k] *= share;
    write_as(y, (u32)i, sum, p.y_bf16);
}

KERNEL(256) mean_pool(const float* x, float* y, Pool p) {
    begin_kernel();
    if (p.channels % 4 == 0) pooled<4>(x, y, p);
    else pooled<1>(x, y, p);
}

// Every pixel repeated factor x factor times, and more if given; `height` and `width` are the result's.
template <u32 WIDTH>
DEVICE void repeated(const float* x, const float* more, float* y, const Pool& p) {
    const u64 i = WIDTH * thread_in_grid();
    if (i >= p.n) return;
    const u32 pixel = (u32)i / p.channels, c = (u32)i - pixel * p.channels;
    const u32 row = pixel / p.width, column = pixel - row * p.width;
    const u32 from = row / p.factor * (p.width / p.factor) + column / p.factor;
    float v[WIDTH];
    read_width(x + from * p.channels + c, v);
    if (more) {
        float also[WIDTH];
        read_width(more + i, also);
        UNROLL for (u32 k = 0; k < WIDTH; ++k) v[k] += also[k];
    }
    write_width(y + i, v);
}

KERNEL(256) upsample(const float* x, const float* more, float* y, Pool p) {
    begin_kernel();
    if (p.channels % 4 == 0) repeated<4>(x, more, y, p);
    else repeated<1>(x, more, y, p);
}
