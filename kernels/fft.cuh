// The Fourier transform of one plane [H, W] of complex numbers by one block, in place.
//
// Z(k) = sum_v z(v) exp(-2 pi i (k1 v1 / H + k2 v2 / W)); back without the 1 / (H W). The plane lies
// in shared memory or in global, whatever `z` points to: barriers order either for one block.
//
// An axis of n = m 2^a numbers, m odd, is halved pass by pass down to blocks of m, both axes in the
// same pass: forward by frequency (Gentleman and Sande 1966), and back by time (Cooley and Tukey 1965).
// Blocks are summed directly, O(m^2) each; of the sizes that images have m is 1, 3, 5 or 7. Of the
// frequencies r + 2^a j, r < 2^a, block b has those whose r is b with its bits reversed, j counting
// within the block. The way back takes them from there, so nothing is ever permuted: `frequency` and
// `mirror` say what lies where. In the last passes of a row two threads of a half-warp share a bank,
// never more, where m is 1.
//
// Order: fixed by the extents alone. A transform by halves rounds a times an axis, a direct sum m.
#pragma once
#include "common.cuh"

// A block's transform: extents, and what it keeps in shared memory.
struct Transform {
    u32 h, w;
    float2* down;   // [H] roots of unity exp(-2 pi i j / H)
    float2* along;  // [W] and of W
    float2* lines;  // room for the blocks of a direct sum: blockDim.x numbers, or one block if that is more
};

DEVICE u32 power_of_two(u32 n) { return (n & (n - 1)) == 0; }
// i / n, without a division where n is a power of two (of all threads or of none).
DEVICE u32 quotient(u32 i, u32 n) { return power_of_two(n) ? i >> (31 - __clz(n)) : i / n; }
// What halving leaves of n.
DEVICE u32 odd_part(u32 n) { return n >> (31 - __clz(n & (0u - n))); }
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
DEVICE u32 frequency(u32 i, u32 n) {
    const u32 m = odd_part(n), blocks = quotient(n, m), block = quotient(i, m);
    return (__brev(block) >> 1 >> __clz(blocks)) + blocks * (i - block * m);
}

// The place of the negative of the frequency at place i: of its block's bits those below the highest
// are flipped.
DEVICE u32 mirror(u32 i, u32 n) {
    const u32 m = odd_part(n), block = quotient(i, m), j = i - block * m;
    if (block == 0) return j == 0 ? 0 : m - j;
    return (block ^ ((0x80000000u >> __clz(block)) - 1)) * m + m - 1 - j;
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

// Pair i along an axis of n whose pairs are `half` apart: its first number, and the root that turns it.
struct Pair {
    u32 first, root;

    MEMBER Pair(u32 i, u32 half, u32 n) {
        const u32 offset = i - quotient(i, half) * half;
        first = 2 * i - offset;
        root = offset * quotient(n, 2 * half);
    }
    MEMBER explicit Pair(u32 i) : first(i), root(0) {}  // of an axis that rests
};

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
    const u32 down = half_down * t.w;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        const u32 row = quotient(i, across), column = i - row * across;
        const Pair y = rows ? Pair(row, half_down, t.h) : Pair(row);
        const Pair x = columns ? Pair(column, half_along, t.w) : Pair(column);
        float2* const at = z + y.first * t.w + x.first;
        const float2 u = columns ? t.along[x.root] : float2();
        const float2 v = rows ? t.down[y.root] : float2();
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

// The blocks of an axis of n, that lie along it; as many at a time as there are threads, which share
// the numbers of one place in all blocks before those of the next.
template <bool forward, bool rows>
DEVICE void direct(float2* z, const Transform& t, const float2* roots, u32 n) {
    const u32 m = odd_part(n), blocks = t.h * t.w / m, turn_by = n / m, step = rows ? t.w : 1;
    if (m == 1) return;
    const u32 together = m < blockDim.x ? blockDim.x / m : 1;
    for (u32 start = 0; start < blocks; start += together) {
        const u32 count = least(together, blocks - start), numbers = count * m;
        const auto number = [&](u32 block, u32 k) {
            const u32 first = rows ? block / t.w * m * t.w + block % t.w : block * m;
            return z + first + k * step;
        };
        __syncthreads();
        for (u32 i = threadIdx.x; i < numbers; i += blockDim.x) t.lines[i] = *number(start + i % count, i / count);
        __syncthreads();
        for (u32 i = threadIdx.x; i < numbers; i += blockDim.x) {
            const u32 k = i / count, block = i - k * count;
            float2 sum = make_float2(0.0f, 0.0f);
            u32 turn = 0;  // k j mod m, of the roots of n
            for (u32 j = 0; j < m; ++j) {
                sum = plus(sum, turned<forward>(t.lines[j * count + block], roots[turn]));
                turn += k * turn_by;
                if (turn >= n) turn -= n;
            }
            *number(start + block, k) = sum;
        }
    }
}

template <bool forward>
DEVICE void direct(float2* z, const Transform& given) {
    const Transform t = {unknown(given.h), unknown(given.w), given.down, given.along, given.lines};
    direct<forward, true>(z, t, t.down, t.h);
    direct<forward, false>(z, t, t.along, t.w);
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
    const u32 h = odd_part(t.h), w = odd_part(t.w);
    u32 down = t.h / 2, along = t.w / 2;
    while (true) {
        // What is halved down to its blocks rests.
        if (down < h) down = 0;
        if (along < w) along = 0;
        if (!down && !along) break;
        pass<true>(z, t, down, along);
        down /= 2, along /= 2;
    }
    direct<true>(z, t);
    __syncthreads();
}

DEVICE void transform_back(float2* z, const Transform& t) {
    direct<false>(z, t);
    u32 down = odd_part(t.h), along = odd_part(t.w);
    for (; down < t.h || along < t.w; down *= 2, along *= 2)
        pass<false>(z, t, down < t.h ? down : 0, along < t.w ? along : 0);
    __syncthreads();
}
