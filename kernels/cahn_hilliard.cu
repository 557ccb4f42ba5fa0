// Steps of the Cahn-Hilliard equation on periodic images, semi-implicit and spectral.
//
// Formula (src/op.rs, `CahnHilliard`): with U and F the transforms of u and of f = u^3 - (1 + s) u,
// U' = (U - dt k^2 F) / (1 + dt k^2 (s + kappa k^2)).
// Launch: a block per image, all steps; the plane u + i f never leaves its place, shared memory or
// `far` if that is not null. U and F part at the frequencies k and -k (correlation.cu), so a step is
// one transform there and one back.
// Traffic: 8 bytes a pixel in all, and a plane in shared memory about 2 log2(max(H, W)) times each way
// a step; bound by the bandwidth of shared memory, or of the cache that holds `far`.
// Order: a transform's; everything else is by frequency or pixel. The zero frequency, the mass, is what
// it was before the first step: no number of steps adds up its rounding.
#include "fft.cuh"
#include "params.cuh"

// (2 pi k / n)^2 of the frequencies k at the places of an axis of n.
DEVICE void squared_waves(float* waves, u32 n) {
    for (u32 i = threadIdx.x; i < n; i += blockDim.x) {
        const u32 k = frequency(i, n);
        const float wave = 6.28318530717958648f * (float)least(k, n - k) / (float)n;
        waves[i] = wave * wave;
    }
}

// `waves` has room for a number a row and one a column.
DEVICE void advance(float2* z, const Transform& t, float* waves, const float* u, float* out, const Stepping& p) {
    squared_waves(waves, p.h);
    squared_waves(waves + p.h, p.w);
    const u32 pixels = p.h * p.w;
    const u64 image = (u64)blockIdx.x * pixels;
    const float scale = 1.0f / ((float)p.h * (float)p.w);
    for (u32 i = threadIdx.x; i < pixels; i += blockDim.x) z[i].x = u[image + i];
    float mass = 0.0f;  // of thread 0, which has the zero frequency
    for (u32 step = 0; step < p.steps; ++step) {
        for (u32 i = threadIdx.x; i < pixels; i += blockDim.x) {
            const float v = z[i].x;
            z[i].y = v * (v * v - (1.0f + p.stabiliser));
        }
        transform(z, t);
        if (threadIdx.x == 0) {
            if (step == 0) mass = z[0].x;
            z[0] = make_float2(mass, 0.0f);
        }
        each_pair(z, t, [&](float2& k, float2& other, u32 row, u32 column) {
            const float k2 = waves[row] + waves[p.h + column];
            const float keep = 0.5f * scale / (1.0f + p.dt * k2 * (p.stabiliser + p.kappa * k2));
            const float force = -p.dt * k2 * keep;
            const float2 sum = plus(k, other), difference = minus(k, other);
            k = make_float2(keep * sum.x + force * sum.y, keep * difference.y - force * difference.x);
            other = make_float2(k.x, -k.y);
        });
        transform_back(z, t);
    }
    for (u32 i = threadIdx.x; i < pixels; i += blockDim.x) out[image + i] = z[i].x;
}

KERNEL(512) cahn_hilliard(const float* u, float* out, float2* far, Stepping p) {
    begin_kernel();
    DYNAMIC_SHARED(float2, shared);
    const Transform t = transform_of(p.h, p.w, shared);
    float* const waves = (float*)(shared + p.tables) - p.h - p.w;
    if (far) advance(far + (u64)blockIdx.x * p.h * p.w, t, waves, u, out, p);
    else advance(shared + p.tables, t, waves, u, out, p);
}
