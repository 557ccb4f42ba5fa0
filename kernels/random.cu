// Streams of the counter-based generator Philox 4x32-10 (Salmon et al., SC11).
//
// Formula: block b of stream s at step t is philox(key = seed, counter = (b, s, t)); four words a
// block. Uniforms take 24 bits; normals are Box and Muller (1958) in double precision, from sums,
// products, quotients and roots alone.
// Launch: one thread per block of four numbers.
// Traffic: 4 bytes a number; bound by arithmetic.
// Order: none. This family is compiled without contraction of products and sums, so every device
// gives the same bits as src/rng.rs.
#include "common.cuh"
#include "params.cuh"

struct Words { u32 at[4]; };

DEVICE Words philox(const u32* state, u32 stream, u64 block) {
    u32 key0 = state[0], key1 = state[1];
    u32 c0 = (u32)block, c1 = (u32)(block >> 32), c2 = stream, c3 = state[2];
    for (u32 round = 0; round < 10; ++round) {
        const u64 p0 = (u64)c0 * 0xD2511F53u, p1 = (u64)c2 * 0xCD9E8D57u;
        const u32 n0 = (u32)(p1 >> 32) ^ c1 ^ key0, n2 = (u32)(p0 >> 32) ^ c3 ^ key1;
        c0 = n0, c1 = (u32)p1, c2 = n2, c3 = (u32)p0;
        key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Natural logarithm of a normal number in (0, 1]: ln m = 2 artanh((m - 1) / (m + 1)).
DEVICE double ln_unit(double u) {
    const i64 bits = __double_as_longlong(u);
    double m = __longlong_as_double((bits & 0x000FFFFFFFFFFFFFll) | 0x3FF0000000000000ll);
    double e = (double)((bits >> 52) - 1023);
    if (m > 1.4142135623730951) m *= 0.5, e += 1.0;
    const double s = (m - 1.0) / (m + 1.0), q = s * s;
    double sum = 1.0 / 21.0;
    for (int odd = 19; odd >= 1; odd -= 2) sum = sum * q + 1.0 / (double)odd;
    return e * 0.6931471805599453 + 2.0 * s * sum;
}

// Sine and cosine of t turns, t in [0, 1).
DEVICE void sin_cos_turn(double t, double& sine, double& cosine) {
    const double quarter = floor(4.0 * t + 0.5);
    const double x = (t - 0.25 * quarter) * 6.283185307179586;
    const double q = -(x * x);
    double s = 1.0, c = 1.0;
    for (int i = 8; i >= 1; --i) {
        const double k = (double)i;
        s = 1.0 + s * q / ((2.0 * k) * (2.0 * k + 1.0));
        c = 1.0 + c * q / ((2.0 * k) * (2.0 * k - 1.0));
    }
    s = s * x;
    const i32 side = (i32)quarter & 3;
    sine = side == 0 ? s : side == 1 ? c : side == 2 ? -s : -c;
    cosine = side == 0 ? c : side == 1 ? -s : side == 2 ? -c : s;
}

DEVICE void normal_pair(u32 a, u32 b, float* to) {
    const double radius = sqrt(-2.0 * ln_unit(((double)a + 0.5) * (1.0 / 4294967296.0)));
    double sine, cosine;
    sin_cos_turn((double)b * (1.0 / 4294967296.0), sine, cosine);
    to[0] = (float)(radius * cosine);
    to[1] = (float)(radius * sine);
}

KERNEL(256) uniform(const u32* state, float* y, Random p) {
    begin_kernel();
    const u64 block = thread_in_grid();
    if (4 * block >= p.n) return;
    const Words w = philox(state, p.stream, block);
    for (u32 k = 0; k < 4 && 4 * block + k < p.n; ++k) y[4 * block + k] = (float)(w.at[k] >> 8) * (1.0f / 16777216.0f);
}

KERNEL(256) normal(const u32* state, float* y, Random p) {
    begin_kernel();
    const u64 block = thread_in_grid();
    if (4 * block >= p.n) return;
    const Words w = philox(state, p.stream, block);
    float v[4];
    normal_pair(w.at[0], w.at[1], v);
    normal_pair(w.at[2], w.at[3], v + 2);
    for (u32 k = 0; k < 4 && 4 * block + k < p.n; ++k) y[4 * block + k] = v[k];
}

KERNEL(256) random_index(const u32* state, u32* y, Random p) {
    begin_kernel();
    const u64 block = thread_in_grid();
    if (4 * block >= p.n) return;
    const Words w = philox(state, p.stream, block);
    for (u32 k = 0; k < 4 && 4 * block + k < p.n; ++k) y[4 * block + k] = __umulhi(w.at[k], p.below);
}
