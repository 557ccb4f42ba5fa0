// The three legs of a convolution as implicit matrix products, in full single precision.
//
// Formula: T(x, w, g) = <g, x * w> with y = x * w the cross-correlation; leg y is the convolution,
// leg x the transposed convolution, leg w the weight gradient. Beyond its edges x is zero or periodic.
// Launch: tiles of 64 x 64 or 128 x 128 of the result, 256 threads (gemm.cuh). Leg x: one dense
// product per parity of the stride (grid z), no scatter. Leg w: output pixels in `pieces` (grid
// z), added in order by a second launch. Up to 8 result channels: a warp per pixel.
// Traffic: each operand once per tile row or column; bound by arithmetic except for the few-channel
// kernels, which are bound by memory.
// Order: taps row by row, channels inside; leg w pixel by pixel within a piece, then the pieces.
#include "conv_stores.cuh"
#include "gemm.cuh"

// ---- operands of leg x ----------------------------------------------------------------------

// A parity class beside the parameters, for operands that are made inside the product.
struct ConvX {
    const Conv* p;
    Parity parity;
};

struct FoldedRow : Folded {
    MEMBER FoldedRow() {}
    MEMBER FoldedRow(const float* g, const ConvX& c, u32 row, u32 first, u32 last) { set(g, *c.p, c.parity, row, first, last); }
};

struct TurnedColumn : Turned {
    MEMBER TurnedColumn() {}
    MEMBER TurnedColumn(const float* w, const ConvX& c, u32 column, u32 first, u32 last) { set(w, *c.p, c.parity, column, first, last); }
};

// ---- legs ----------------------------------------------------------------------------------

template <u32 T>
DEVICE void leg_y(const float* x, const float* w, const float* bias, float* y, const Conv& p, float* memory) {
    const ToY store = {y, bias, &p};
    gemm<Unfolded, Filter, ToY, T, T>(x, w, store, p, blockIdx.x * 16 * T, blockIdx.y * 16 * T, p.co, 0u,
                                      p.kh * p.kw * p.ci, memory);
}

template <u32 T>
DEVICE void leg_x(const float* g, const float* w, const float* bias, float* x, const Conv& p, float* memory) {
    const ConvX c = {&p, Parity(p, blockIdx.z)};
    if (blockIdx.x * 16 * T >= c.parity.rows(p)) return;  // a whole block at once
    const ToX store = {x, bias, &p, c.parity};
    gemm<FoldedRow, TurnedColumn, ToX, T, T>(g, w, store, c, blockIdx.x * 16 * T, blockIdx.y * 16 * T, p.ci, 0u,
                                             c.parity.depth(p), memory);
}

template <u32 T>
DEVICE void leg_w(const float* x, const float* g, float* w, const Conv& p, float* memory) {
    const u32 pixels = p.n * p.oh * p.ow, begin = blockIdx.z * p.piece;
    const ToW store = {w + (u64)blockIdx.z * p.kh * p.kw * p.ci * p.co, &p};
    gemm<Seen, Cotangents, ToW, T, T>(x, g, store, p, blockIdx.x * 16 * T, blockIdx.y * 16 * T, p.co, begin,
                                      least(begin + p.piece, pixels), memory);
}

KERNEL(256) conv_y_64(const float* x, const float* w, const float* bias, float* y, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_y<4>(x, w, bias, y, p, memory);
}
KERNEL(256) conv_y_128(const float* x, const float* w, const float* bias, float* y, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_y<8>(x, w, bias, y, p, memory);
}
KERNEL(256) conv_x_64(const float* g, const float* w, const float* bias, float* x, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_x<4>(g, w, bias, x, p, memory);
}
KERNEL(256) conv_x_128(const float* g, const float* w, const float* bias, float* x, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_x<8>(g, w, bias, x, p, memory);
}
KERNEL(256) conv_w_64(const float* x, const float* g, float* w, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_w<4>(x, g, w, p, memory);
}
KERNEL(256) conv_w_128(const float* x, const float* g, float* w, Conv p) {
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_w<8>(x, g, w, p, memory);
}

// ---- few channels --------------------------------------------------------------------------

#define FEW 8

// A warp per output pixel with up to 8 channels: lanes share the taps and input channels.
KERNEL(256) conv_y_few(const float* x, const float* w, const float* bias, float* y, Conv p) {
    const u64 pixel = thread_in_grid() / WARP;
    const u32 lane = threadIdx.x % WARP, depth = p.kh * p.kw * p.ci;
    if (pixel >= (u64)p.n * p.oh * p.ow) return;  // a whole warp at once
    const u32 ox = (u32)pixel % p.ow, oy = (u32)pixel / p.ow % p.oh;
    const float* image = x + (u64)((u32)pixel / p.ow / p.oh) * p.h * p.w * p.ci;
    float sum[FEW] = {};
    Tap tap;
    tap.set(lane, p.kw, p.ci);
    for (u32 k = lane; k < depth; k += WARP, tap.advance(WARP, p.kw, p.ci)) {
        const u32 iy = wrapped(oy * p.sh - p.ph + tap.ky, p.h, p), ix = wrapped(ox * p.sw - p.pw + tap.kx, p.w, p);
        if (iy >= p.h || ix >= p.w) continue;
        const float v = image[((u64)iy * p.w + ix) * p.ci + tap.c];
        UNROLL for (u32 c = 0; c < FEW; ++c)
            if (c < p.co) sum[c] += v * w[(u64)k * p.co + c];
    }
    UNROLL for (u32 c = 0; c < FEW; ++c) {
        if (c >= p.co) break;
        const float total = warp_sum(sum[c]);
        if (lane == c) y[pixel * p.co + c] = activated(total, bias, c, p);
    }
}

// A warp per pixel of x with up to 8 channels: lanes share the taps and the cotangent's channels.
KERNEL(256) conv_x_few(const float* g, const float* w, const float* bias, float* x, Conv p) {
    const u64 pixel = thread_in_grid() / WARP;
    const u32 lane = threadIdx.x % WARP;
    if (pixel >= (u64)p.n * p.h * p.w) return;
    const u32 ix = (u32)pixel % p.w, iy = (u32)pixel / p.w % p.h;
    const Parity parity(p, iy % p.sh * p.sw + ix % p.sw);
    const u32 row = ((u32)pixel / p.w / p.h * parity.height + iy / p.sh) * parity.width + ix / p.sw;
    const u32 depth = parity.depth(p);
    Folded from;
    from.set(g, p, parity, row, lane, depth);
    float sum[FEW] = {};
    for (u32 k = lane; k < depth; k += WARP, from.advance(WARP)) {
        const float* at = from.pixel(from.tap);
        if (!at) continue;
        const float v = at[from.tap.c];
        const u32 ky = parity.ky0 + p.sh * from.tap.ky, kx = parity.kx0 + p.sw * from.tap.kx;
        const float* filter = w + ((u64)ky * p.kw + kx) * p.ci * p.co + from.tap.c;
        UNROLL for (u32 c = 0; c < FEW; ++c)
            if (c < p.ci) sum[c] += v * filter[(u64)c * p.co];
    }
    UNROLL for (u32 c = 0; c < FEW; ++c) {
        if (c >= p.ci) break;
        const float total = warp_sum(sum[c]);
        if (lane == c) x[pixel * p.ci + c] = activated(total, bias, c, p);
    }
}
