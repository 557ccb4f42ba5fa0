// The three legs of a convolution as implicit matrix products, in full single precision.
//
// Formula: T(x, w, g) = <g, x * w> with y = x * w the cross-correlation; leg y is the convolution,
// leg x the transposed convolution, leg w the weight gradient. Beyond its edges x is zero or periodic.
// Launch: tiles of 64 x 64, 128 x 64 or 128 x 128 of the result, 256 threads (gemm.cuh). Leg x: one dense
// product per parity of the stride (grid z), no scatter. Leg w: output pixels in `pieces` (grid
// z), added in order by a second launch. Up to 8 result channels: conv_few.cu.
// Traffic: each operand once per tile row or column; bound by arithmetic.
// Order: taps row by row, channels inside; leg w pixel by pixel within a piece, then the pieces.
#include "conv_stores.cuh"
#include "gemm.cuh"

// ---- operands of leg x ----------------------------------------------------------------------

// A parity class beside the parameters, for operands that are made inside the product.
struct ConvX {
    const Conv* p;
    Parity parity;
};

struct DgradRow : DgradCursor {
    MEMBER DgradRow() {}
    MEMBER DgradRow(const float* g, const ConvX& c, u32 row, u32 first, u32 last) { set(g, *c.p, c.parity, row, first, last); }
};

struct DgradColumn : DgradFilterCursor {
    MEMBER DgradColumn() {}
    MEMBER DgradColumn(const float* w, const ConvX& c, u32 column, u32 first, u32 last) { set(w, *c.p, c.parity, column, first, last); }
};

// ---- legs ----------------------------------------------------------------------------------

// Tiles of 16 TM x 16 TN.
template <u32 TM, u32 TN>
DEVICE void leg_y(const float* x, const float* w, const float* extra, float* y, const Conv& p, float* memory) {
    const ToY store = {y, extra, &p};
    gemm<Im2colCursor, ChannelsCursor, ToY, TM, TN>(x, w, store, p, blockIdx.x * 16 * TM, blockIdx.y * 16 * TN, p.co, 0u,
                                                p.kh * p.kw * p.ci, memory);
}

template <u32 TM, u32 TN>
DEVICE void leg_x(const float* g, const float* w, const float* extra, float* x, const Conv& p, float* memory) {
    const ConvX c = {&p, Parity(p, blockIdx.z)};
    if (blockIdx.x * 16 * TM >= c.parity.rows(p)) return;  // a whole block at once
    const ToX store = {x, extra, &p, c.parity};
    gemm<DgradRow, DgradColumn, ToX, TM, TN>(g, w, store, c, blockIdx.x * 16 * TM, blockIdx.y * 16 * TN, p.ci, 0u,
                                             c.parity.depth(p), memory);
}

template <u32 TM, u32 TN>
DEVICE void leg_w(const float* x, const float* g, float* w, const Conv& p, float* memory) {
    const u32 pixels = p.n * p.oh * p.ow, begin = blockIdx.z * p.piece;
    const ToW store = {w + (u64)blockIdx.z * p.kh * p.kw * p.ci * p.co, &p};
    gemm<WgradCursor, ChannelsCursor, ToW, TM, TN>(x, g, store, p, blockIdx.x * 16 * TM, blockIdx.y * 16 * TN, p.co, begin,
                                               least(begin + p.piece, pixels), memory);
}

KERNEL(256) conv_y_64(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_y<4, 4>(x, w, extra, y, p, memory);
}
KERNEL(256) conv_y_128x64(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 4));
    leg_y<8, 4>(x, w, extra, y, p, memory);
}
KERNEL(256) conv_y_128(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_y<8, 8>(x, w, extra, y, p, memory);
}
KERNEL(256) conv_x_64(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_x<4, 4>(g, w, extra, x, p, memory);
}
KERNEL(256) conv_x_128x64(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 4));
    leg_x<8, 4>(g, w, extra, x, p, memory);
}
KERNEL(256) conv_x_128(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_x<8, 8>(g, w, extra, x, p, memory);
}
KERNEL(256) conv_w_64(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    leg_w<4, 4>(x, g, w, p, memory);
}
KERNEL(256) conv_w_128x64(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 4));
    leg_w<8, 4>(x, g, w, p, memory);
}
KERNEL(256) conv_w_128(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    leg_w<8, 8>(x, g, w, p, memory);
}
