// The two-point correlation T(x, y, g) = sum_r g_r <x, A_r y>: a curve of two fields, and a
// field of a field and a curve. (A_r y)(p) is the mean of y(p + v) over the lattice vectors v of bin
// r: whose length rounds to r, or the two of r steps along a direction (src/device/radial.rs).
//
// Formula, with transforms X and Y of fields on the torus (Wiener 1930, Khinchin 1934): <x, A_r y> is
// the mean over bin r of the inverse transform of Re(conj(X) Y), divided by the pairs of pixels that
// v joins: all of a periodic image; of an open one, whose torus holds zeros enough to keep its copies
// apart, (H - |v1|) (W - |v2|). The field is the inverse transform of B Y, with B, which is real, the
// transform of w(v) = g_r / (vectors in bin r, pairs of v).
// Launch: a block per image, or per pair of images for curves of x with itself. Two real fields are
// one complex plane a + i b, whose spectra part again at the frequencies k and -k:
// 2 A = Z(k) + conj(Z(-k)), 2 i B = Z(k) - conj(Z(-k)). The plane is transformed where it lies
// (fft.cuh): in shared memory, or in `far` if that is not null. b is scaled to the norm of a: a plane's
// rounding is relative to its larger part.
// Traffic: fields read once, results written once, and a plane in shared memory about 2 log2(max(H, W))
// times each way; bound by the bandwidth of shared memory, or of the cache that holds `far`.
// Order: a transform's is fixed. A warp adds up a bin: each lane every 32nd row of the half circle,
// from the axis outwards, then lanes in a fixed tree. Along a direction a bin is one number of the
// plane, the same at v and -v. No two threads add to one number, so no atomics.
// Norms: every 512th number a thread, then lanes and warps.
#include "fft.cuh"
#include "params.cuh"

// ---- the bins ------------------------------------------------------------------------------

// Components from 0 up for which the vector (dy, .) is in a bin up to r: |v|^2 <= r^2 + r. The root is
// exact: fewer than 4,096 bins keep its argument below 2^24.
DEVICE u32 inside(u32 r, u32 dy) {
    const u32 squared = r * r + r;
    return dy * dy > squared ? 0 : (u32)sqrtf((float)(squared - dy * dy)) + 1;
}

// How many vectors have a component of that magnitude, on a torus of that extent.
DEVICE u32 mates(u32 d, u32 extent) { return d == 0 || 2 * d == extent ? 1 : 2; }

// Vectors (+-dy, +-dx) with low <= dx < high.
DEVICE u32 vectors(u32 dy, u32 low, u32 high, const Correlation& p) {
    if (low >= high) return 0;
    return mates(dy, p.rows) * (2 * (high - low) - (low == 0) - (2 * (high - 1) == p.columns));
}

// Pairs of pixels that a vector joins.
DEVICE float overlap(u32 dy, u32 dx, const Correlation& p) {
    return p.open ? (float)((p.h - dy) * (p.w - dx)) : (float)(p.h * p.w);
}

// How many vectors bin r has along a direction.
DEVICE u32 both_ways(u32 r, const Correlation& p) {
    const bool opposite = (p.along == 2 || 2 * r == p.columns) && (p.along == 1 || 2 * r == p.rows);
    return r == 0 || opposite ? 1 : 2;
}

// The bin of the vector at a place of the torus; p.bins or more if it is in none.
DEVICE u32 bin_of(u32 row, u32 column, const Correlation& p) {
    const u32 back = row ? p.rows - row : 0, left = column ? p.columns - column : 0;
    const u32 dy = least(row, back), dx = least(column, left);
    if (p.along == 0) {
        const u32 squared = dy * dy + dx * dx, root = (u32)sqrtf((float)squared);
        return root + (squared > root * root + root);
    }
    if (p.along == 1) return row == 0 ? dx : p.bins;
    if (p.along == 2) return column == 0 ? dy : p.bins;
    const bool there = row == (p.along == 3 ? column : left), opposite = back == (p.along == 3 ? left : column);
    return there && opposite ? dy : there ? row : opposite ? back : p.bins;
}

// ---- the kernels ---------------------------------------------------------------------------

// Scales the imaginary part of a plane to the norm of the real one, if neither is zero; by how much.
// Every thread must call, with its own numbers in place.
DEVICE float balance(float2* z, u32 count, float* scratch) {
    float2 squares = make_float2(0.0f, 0.0f);
    for (u32 i = threadIdx.x; i < count; i += blockDim.x)
        squares = make_float2(squares.x + z[i].x * z[i].x, squares.y + z[i].y * z[i].y);
    squares = make_float2(block_sum<512>(squares.x, scratch), block_sum<512>(squares.y, scratch));
    if (!(squares.x > 0.0f && squares.y > 0.0f)) return 1.0f;
    const float factor = sqrtf(squares.x / squares.y);
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) z[i].y *= factor;
    return factor;
}

// x and y [N, H, W] to out [N, R]. With `together` 2, y is x and a block does two images.
DEVICE void curve(float2* z, const Transform& t, float* scratch, const float* x, const float* y, float* out, const Correlation& p) {
    const u32 first = blockIdx.x * p.together, second = first + p.together - 1;
    const float* a = x + (u64)first * p.h * p.w;
    const float* b = y + (u64)second * p.h * p.w;
    for (u32 i = threadIdx.x; i < p.rows * p.columns; i += blockDim.x) {
        const u32 row = i / p.columns, column = i - row * p.columns, at = row * p.w + column;
        const bool within = row < p.h && column < p.w;
        z[i] = make_float2(within ? a[at] : 0.0f, within && second < p.n ? b[at] : 0.0f);
    }
    const float factor = balance(z, p.rows * p.columns, scratch);
    transform(z, t);
    // All spectra are real and even, so that the way back is too.
    each_pair(z, t, [&p](float2& k, float2& other, u32, u32) {
        const float2 sum = plus(k, other), difference = minus(k, other);
        if (p.together == 2)
            k = make_float2(0.25f * (sum.x * sum.x + difference.y * difference.y),
                            0.25f * (difference.x * difference.x + sum.y * sum.y));
        else
            k = make_float2(0.5f * (k.x * other.y + k.y * other.x), 0.0f);
        other = k;
    });
    transform_back(z, t);
    if (p.along) {
        for (u32 r = threadIdx.x; r < p.bins; r += blockDim.x) {
            const u32 dy = p.along == 1 ? 0 : r, dx = p.along == 2 ? 0 : r;
            const float2 sum = z[dy * p.columns + (p.along == 4 && dx ? p.columns - dx : dx)];
            const float scale = 1.0f / overlap(dy, dx, p) / ((float)p.rows * (float)p.columns);
            out[(u64)first * p.bins + r] = p.together == 2 ? sum.x * scale : sum.x * scale / factor;
            if (p.together == 2 && second < p.n) out[(u64)second * p.bins + r] = sum.y * scale / factor / factor;
        }
        return;
    }
    const u32 lane = threadIdx.x % WARP;
    for (u32 r = threadIdx.x / WARP; r < p.bins; r += blockDim.x / WARP) {
        float2 sum = make_float2(0.0f, 0.0f);
        u32 count = 0;
        for (u32 dy = lane; dy <= r; dy += WARP) {
            const u32 low = r ? inside(r - 1, dy) : 0, high = inside(r, dy);
            const float2* line = z + dy * p.columns;
            for (u32 dx = low; dx < high; ++dx) {
                const float2 v = mates(dx, p.columns) == 2 ? plus(line[dx], line[p.columns - dx]) : line[dx];
                const float weight = (float)mates(dy, p.rows) / overlap(dy, dx, p);
                sum = make_float2(sum.x + weight * v.x, sum.y + weight * v.y);
            }
            count += vectors(dy, low, high, p);
        }
        const float scale = 1.0f / warp_sum((float)count) / ((float)p.rows * (float)p.columns);
        sum = make_float2(warp_sum(sum.x), warp_sum(sum.y));
        if (lane > 0) continue;
        out[(u64)first * p.bins + r] = p.together == 2 ? sum.x * scale : sum.x * scale / factor;
        if (p.together == 2 && second < p.n) out[(u64)second * p.bins + r] = sum.y * scale / factor / factor;
    }
}

KERNEL(512) correlation_curve(const float* x, const float* y, float* out, float2* far, Correlation p) {
    begin_kernel();
    DYNAMIC_SHARED(float2, shared);
    const Transform t = transform_of(p.rows, p.columns, shared);
    float* const scratch = (float*)(shared + p.tables) - 512 / WARP;
    if (far) curve(far + (u64)blockIdx.x * p.rows * p.columns, t, scratch, x, y, out, p);
    else curve(shared + p.tables, t, scratch, x, y, out, p);
}

// y [N, H, W] and g [N, R] to out [N, H, W].
DEVICE void field(float2* z, const Transform& t, float* scratch, const float* y, const float* g, float* out, const Correlation& p) {
    float* const weights = scratch - p.bins;
    const u64 image = (u64)blockIdx.x * p.h * p.w;
    const u32 lane = threadIdx.x % WARP;
    for (u32 r = threadIdx.x / WARP; r < p.bins; r += blockDim.x / WARP) {
        u32 count = 0;
        if (p.along) count = lane == 0 ? both_ways(r, p) : 0;
        else for (u32 dy = lane; dy <= r; dy += WARP) count += vectors(dy, r ? inside(r - 1, dy) : 0, inside(r, dy), p);
        const float all = warp_sum((float)count);
        if (lane == 0) weights[r] = g[(u64)blockIdx.x * p.bins + r] / all;
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < p.rows * p.columns; i += blockDim.x) {
        const u32 row = i / p.columns, column = i - row * p.columns;
        const u32 dy = least(row, p.rows - row), dx = least(column, p.columns - column);
        const u32 r = bin_of(row, column, p);
        z[i] = make_float2(row < p.h && column < p.w ? y[image + row * p.w + column] : 0.0f,
                           r < p.bins ? weights[r] / overlap(dy, dx, p) : 0.0f);
    }
    const float factor = balance(z, p.rows * p.columns, scratch);
    transform(z, t);
    each_pair(z, t, [](float2& k, float2& other, u32, u32) {
        // 2 B is what k and its negative have in common of the imaginary parts.
        const float b = 0.25f * (k.y + other.y);
        k = make_float2(b * (k.x + other.x), b * (k.y - other.y));
        other = make_float2(k.x, -k.y);
    });
    transform_back(z, t);
    const float scale = 1.0f / ((float)p.rows * (float)p.columns) / factor;
    for (u32 i = threadIdx.x; i < p.h * p.w; i += blockDim.x) {
        const u32 row = i / p.w;
        out[image + i] = z[row * p.columns + i - row * p.w].x * scale;
    }
}

KERNEL(512) correlation_field(const float* y, const float* g, float* out, float2* far, Correlation p) {
    begin_kernel();
    DYNAMIC_SHARED(float2, shared);
    const Transform t = transform_of(p.rows, p.columns, shared);
    float* const scratch = (float*)(shared + p.tables) - 512 / WARP;
    if (far) field(far + (u64)blockIdx.x * p.rows * p.columns, t, scratch, y, g, out, p);
    else field(shared + p.tables, t, scratch, y, g, out, p);
}
