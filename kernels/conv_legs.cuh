// The three legs of a convolution as matrix products, of whichever kind of numbers: what `conv.cu` and those on tensor
// cores share.
#pragma once
#include "conv_stores.cuh"

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_y(const void* x, const void* w, const float* extra, float* y, const Conv& p) {
    // Of several pieces of k each has a result of its own, which `conv_pieces.cu` adds up and finishes.
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.kh * p.kw * p.ci);
    const FoursY<typename Number::Offset> store(y + (u64)blockIdx.z * p.n * p.oh * p.ow * p.co, extra, p);
    const Im2col<Number> a(p, begin, end);
    const Channels<Number, typename Number::Filter> b(p, begin, end);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, x, b, w, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.co,
                                               end - begin);
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_x(const void* g, const void* w, const float* extra, float* x, const Conv& p) {
    const Parity parity(p, blockIdx.z);
    if (blockIdx.x * ROWS >= parity.rows(p)) return;  // a whole block at once
    const FoursX<typename Number::Offset> store(x, extra, p, parity);
    const Dgrad<Number> a(p, parity);
    const DgradFilter<Number> b(p, parity);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, g, b, w, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.ci,
                                               parity.depth(p));
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_w(const void* x, const void* g, float* w, const Conv& p) {
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.n * p.oh * p.ow);
    const ToW<typename Number::Offset> store(w + (u64)blockIdx.z * p.kh * p.kw * p.ci * p.co, p);
    const Wgrad<Number> a(p, begin, end);
    const Channels<Number, typename Number::Group> b(p, begin, end);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, x, b, g, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.co,
                                               end - begin);
}

// A kernel of a family's table: threads, and blocks that a multiprocessor is to hold if given, as KERNEL has them; the
// kernel's name; the kind of numbers; rows and columns of its tile. build.rs reads such rows.
#define LEG_Y(bounds, name, Number, rows, columns)                                           \
    KERNEL bounds name(const void* x, const void* w, const float* extra, float* y, Conv p) { \
        begin_kernel();                                                                      \
        leg_y<Number, rows, columns>(x, w, extra, y, p);                                     \
    }
#define LEG_X(bounds, name, Number, rows, columns)                                           \
    KERNEL bounds name(const void* g, const void* w, const float* extra, float* x, Conv p) { \
        begin_kernel();                                                                      \
        leg_x<Number, rows, columns>(g, w, extra, x, p);                                     \
    }
#define LEG_W(bounds, name, Number, rows, columns)                       \
    KERNEL bounds name(const void* x, const void* g, float* w, Conv p) { \
        begin_kernel();                                                  \
        leg_w<Number, rows, columns>(x, g, w, p);                        \
    }
