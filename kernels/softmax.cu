// Softmax over the channels of a pixel, and its vector-Jacobian product.
//
// Formula: y_c = e_c / sum_k e_k with e_c = exp(x_c - max x), or 0 where x_c is more than `a` below max x;
// grad_c = y_c (g_c - sum_k y_k g_k).
// Launch: 2, 3, 4 and 6 channels, one thread per pixel with the pixel in registers; any other
// number, one warp per pixel.
// Traffic: 8 bytes an element forward, 12 backward, each read once; bound by memory.
// Order: channels in turn, or lanes in a fixed tree. A pixel of NaNs stays NaN.
#include "common.cuh"
#include "params.cuh"

// exp(x - top), or 0 beyond reach; a NaN stays one.
DEVICE float share_of_top(float x, float top, float reach) {
    const float below = x - top;
    return below < -reach ? 0.0f : expf(below);
}

// `channels` known when compiled; the numbers stay in registers.
template <u32 channels>
DEVICE void softmax_fixed(const float* x, float* y, const Elementwise& p) {
    const u64 pixel = thread_in_grid();
    if (pixel >= p.n) return;
    float v[channels];
    UNROLL for (u32 c = 0; c < channels; ++c) v[c] = x[pixel * channels + c];
    float top = v[0];
    UNROLL for (u32 c = 1; c < channels; ++c) top = v[c] > top ? v[c] : top;
    float sum = 0.0f;
    UNROLL for (u32 c = 0; c < channels; ++c) sum += v[c] = share_of_top(v[c], top, p.a);
    const float scale = 1.0f / sum;
    UNROLL for (u32 c = 0; c < channels; ++c) y[pixel * channels + c] = v[c] * scale;
}

template <u32 channels>
DEVICE void softmax_grad_fixed(const float* y, const float* g, float* out, const Elementwise& p) {
    const u64 pixel = thread_in_grid();
    if (pixel >= p.n) return;
    float v[channels], w[channels];
    UNROLL for (u32 c = 0; c < channels; ++c) v[c] = y[pixel * channels + c], w[c] = g[pixel * channels + c];
    float dot = 0.0f;
    UNROLL for (u32 c = 0; c < channels; ++c) dot += v[c] * w[c];
    UNROLL for (u32 c = 0; c < channels; ++c) out[pixel * channels + c] = v[c] * (w[c] - dot);
}

KERNEL(256) softmax_2(const float* x, float* y, Elementwise p) { begin_kernel(); softmax_fixed<2>(x, y, p); }
KERNEL(256) softmax_3(const float* x, float* y, Elementwise p) { begin_kernel(); softmax_fixed<3>(x, y, p); }
KERNEL(256) softmax_4(const float* x, float* y, Elementwise p) { begin_kernel(); softmax_fixed<4>(x, y, p); }
KERNEL(256) softmax_6(const float* x, float* y, Elementwise p) { begin_kernel(); softmax_fixed<6>(x, y, p); }

KERNEL(256) softmax_grad_2(const float* y, const float* g, float* out, Elementwise p) { begin_kernel(); softmax_grad_fixed<2>(y, g, out, p); }
KERNEL(256) softmax_grad_3(const float* y, const float* g, float* out, Elementwise p) { begin_kernel(); softmax_grad_fixed<3>(y, g, out, p); }
KERNEL(256) softmax_grad_4(const float* y, const float* g, float* out, Elementwise p) { begin_kernel(); softmax_grad_fixed<4>(y, g, out, p); }
KERNEL(256) softmax_grad_6(const float* y, const float* g, float* out, Elementwise p) { begin_kernel(); softmax_grad_fixed<6>(y, g, out, p); }

DEVICE float warp_max(float value) {
    UNROLL for (u32 step = WARP / 2; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(FULL_WARP, value, step);
        // Written so that a NaN on either side survives.
        value = other > value || other != other ? other : value;
    }
    return value;
}

// Any number of channels: lanes stride over the pixel, which is read again from cache.
KERNEL(256) softmax_any(const float* x, float* y, Elementwise p) {
    begin_kernel();
    const u64 pixel = thread_in_grid() / WARP;
    const u32 lane = threadIdx.x % WARP;
    if (pixel >= p.n) return;  // a whole warp at once
    const float* from = x + pixel * p.channels;
    float* to = y + pixel * p.channels;
    float top = lane < p.channels ? from[lane] : -INFINITY_F;
    for (u32 c = lane + WARP; c < p.channels; c += WARP) top = from[c] > top ? from[c] : top;
    top = warp_max(top);
    float sum = 0.0f;
    for (u32 c = lane; c < p.channels; c += WARP) sum += share_of_top(from[c], top, p.a);
    const float scale = 1.0f / warp_sum(sum);
    for (u32 c = lane; c < p.channels; c += WARP) to[c] = share_of_top(from[c], top, p.a) * scale;
}

KERNEL(256) softmax_grad_any(const float* y, const float* g, float* out, Elementwise p) {
    begin_kernel();
    const u64 pixel = thread_in_grid() / WARP;
    const u32 lane = threadIdx.x % WARP;
    if (pixel >= p.n) return;
    const u64 start = pixel * p.channels;
    float dot = 0.0f;
    for (u32 c = lane; c < p.channels; c += WARP) dot += y[start + c] * g[start + c];
    dot = warp_sum(dot);
    for (u32 c = lane; c < p.channels; c += WARP) out[start + c] = y[start + c] * (g[start + c] - dot);
}
