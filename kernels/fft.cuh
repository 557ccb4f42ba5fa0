// The Fourier transform of one plane [H, W] of complex numbers by one block, in place.
//
// Z(k) = sum_v z(v) exp(-2 pi i (k1 v1 / H + k2 v2 / W)); back without the 1 / (H W). The plane lies
// in shared memory or in global, whatever `z` points to: barriers order either for one block.
//
// An axis whose extent is a power of two is halved pass by pass, both axes in the same pass: forward
// by frequency (Gentleman and Sande 1966), which leaves frequency k where k's bits are reversed, and
// back by time (Cooley and Tukey 1965), which takes it from there. So nothing is ever permuted:
// `frequency` and `mirror` say what lies where. In the last passes of a row two threads of a half-warp
// share a bank, never more. An axis of any other extent n is summed directly, O(n^2) a line.
//
// Order: fixed by the extents alone. A transform by halves rounds log2(H W) times, a direct sum n.
#pragma once
#include "common.cuh"

// A block's transform: extents, and what it keeps in shared memory.
struct Transform {
    u32 h, w;
    float2* down;   // [H] roots of unity exp(-2 pi i j / H)
    float2* along;  // [W] and of W
    float2* lines;  // room for the lines of a direct sum: blockDim.x numbers, or one line if that is more
};

DEVICE u32 power_of_two(u32 n) { return (n & (n - 1)) == 0; }
DEVICE float2 plus(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
DEVICE float2 minus(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }
// a b, or a conj(b) on the way back.
template <bool forward>
DEVICE float2 turned(float2 a, float2 b) {
    const float y = forward ? b.y : -b.y;
    return make_float2(a.x * b.x - a.y * y, a.x * y + a.y * b.x);
}

// ---- what lies where -----------------------------------------------------------------------

// The frequency at place i of an axis of n.
DEVICE u32 frequency(u32 i, u32 n) { return power_of_two(n) ? __brev(i) >> 1 >> __clz(n) : i; }

// The place of the negative of the frequency at place i: bits below the highest are flipped.
DEVICE u32 mirror(u32 i, u32 n) {
    if (i == 0) return 0;
    return power_of_two(n) ? i ^ ((0x80000000u >> __clz(i)) - 1) : n - i;
}

// Calls f(z(k), z(-k), row, column) once for each pair of frequencies, with copies of both, which
// then hold what f makes of them. k lies at (row, column); it may be its own negative.
template <typename F>
DEVICE void each_pair(float2* z, const Transform& t, const F& f) {
    for (u32 i = threadIdx.x; i < t.h * t.w; i += blockDim.x) {
        const u32 row = i / t.w, column = i - row * t.w;
        const u32 other = mirror(row, t.h) * t.w + mirror(column, t.w);
        if (other < i) continue;  // whole warps at once, but for two rows
        float2 a = z[i], b = z[other];
        f(a, b, row, column);
        z[other] = b;
        z[i] = a;
    }
}

// ---- by halves -----------------------------------------------------------------------------

// The first of pair i along an axis whose pairs are `half` apart; i itself if `half` is 0.
DEVICE u32 first_of(u32 i, u32 half) { return 2 * i - (i & (half - 1)); }

// The root that turns pair i, of an axis of n with roots `roots`.
DEVICE float2 root_of(const float2* roots, u32 i, u32 half, u32 n) { return roots[(i & (half - 1)) * (n / (2 * half))]; }

template <bool forward>
DEVICE void butterfly(float2& a, float2& b, float2 root) {
    const float2 other = forward ? b : turned<false>(b, root);
    b = minus(a, other);
    a = plus(a, other);
    if (forward) b = turned<true>(b, root);
}

// One pass along either axis or both.
template <bool forward, bool rows, bool columns>
DEVICE void pass(float2* z, const Transform& t, u32 half_down, u32 half_along) {
    const u32 across = columns ? t.w / 2 : t.w, count = (rows ? t.h / 2 : t.h) * across;
    const u32 shift = 31 - __clz(across), down = half_down * t.w;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        const u32 row = columns ? i >> shift : i / across, column = i - row * across;
        float2* const at = z + first_of(row, half_down) * t.w + first_of(column, half_along);
        const float2 u = columns ? root_of(t.along, column, half_along, t.w) : float2();
        const float2 v = rows ? root_of(t.down, row, half_down, t.h) : float2();
        float2 a = at[0];
        if (rows && columns) {
            float2 b = at[half_along], c = at[down], d = at[down + half_along];
            butterfly<forward>(a, b, u);
            butterfly<forward>(c, d, u);
            butterfly<forward>(a, c, v);
            butterfly<forward>(b, d, v);
            at[half_along] = b;
            at[down] = c;
            at[down + half_along] = d;
        } else {
            float2 b = at[down + half_along];
            butterfly<forward>(a, b, rows ? v : u);
            at[down + half_along] = b;
        }
        at[0] = a;
    }
}

template <bool forward>
DEVICE void pass(float2* z, const Transform& t, u32 half_down, u32 half_along) {
    __syncthreads();
    if (half_down && half_along) pass<forward, true, true>(z, t, half_down, half_along);
    else if (half_down) pass<forward, true, false>(z, t, half_down, half_along);
    else pass<forward, false, true>(z, t, half_down, half_along);
}

// ---- directly ------------------------------------------------------------------------------

// `count` lines of n numbers `step` apart, the lines `apart`; as many at a time as there are threads.
template <bool forward>
DEVICE void direct(float2* z, const Transform& t, const float2* roots, u32 n, u32 count, u32 step, u32 apart) {
    const u32 together = n < blockDim.x ? blockDim.x / n : 1;
    for (u32 start = 0; start < count; start += together) {
        const u32 numbers = least(together, count - start) * n;
        float2* const from = z + start * apart;
        __syncthreads();
        for (u32 i = threadIdx.x; i < numbers; i += blockDim.x) t.lines[i] = from[i / n * apart + i % n * step];
        __syncthreads();
        for (u32 i = threadIdx.x; i < numbers; i += blockDim.x) {
            const u32 line = i / n, k = i - line * n;
            float2 sum = make_float2(0.0f, 0.0f);
            u32 turn = 0;  // k j mod n
            for (u32 j = 0; j < n; ++j) {
                sum = plus(sum, turned<forward>(t.lines[line * n + j], roots[turn]));
                turn += k;
                if (turn >= n) turn -= n;
            }
            from[line * apart + k * step] = sum;
        }
    }
}

template <bool forward>
DEVICE void direct(float2* z, const Transform& t) {
    if (!power_of_two(t.h)) direct<forward>(z, t, t.down, t.h, t.w, t.w, 1);
    if (!power_of_two(t.w)) direct<forward>(z, t, t.along, t.w, t.h, 1, t.w);
}

// ---- the transform -------------------------------------------------------------------------

DEVICE void roots_of_unity(float2* roots, u32 n) {
    for (u32 j = threadIdx.x; j < n; j += blockDim.x) {
        // The angle of least magnitude, which rounds least.
        const float turns = 2 * j > n ? -(float)(n - j) : (float)j;
        float sine, cosine;
        sincospif(2.0f * turns / (float)n, &sine, &cosine);
        roots[j] = make_float2(cosine, -sine);
    }
}

// A transform of [h, w] whose tables begin at `shared`: h + w numbers, then room for lines.
DEVICE Transform transform_of(u32 h, u32 w, float2* shared) {
    const Transform t = {h, w, shared, shared + h, shared + h + w};
    roots_of_unity(t.down, h);
    roots_of_unity(t.along, w);
    return t;
}

// Every thread must call either; a barrier stands before and after.
DEVICE void transform(float2* z, const Transform& t) {
    direct<true>(z, t);
    u32 down = power_of_two(t.h) ? t.h / 2 : 0, along = power_of_two(t.w) ? t.w / 2 : 0;
    for (; down || along; down /= 2, along /= 2) pass<true>(z, t, down, along);
    __syncthreads();
}

DEVICE void transform_back(float2* z, const Transform& t) {
    const u32 h = power_of_two(t.h) ? t.h : 1, w = power_of_two(t.w) ? t.w : 1;
    for (u32 half = 1; half < h || half < w; half *= 2) pass<false>(z, t, half < h ? half : 0, half < w ? half : 0);
    direct<false>(z, t);
    __syncthreads();
}
