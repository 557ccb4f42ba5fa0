// The three legs of a convolution on tensor cores, in tf32 and bf16.
//
// Formula: as conv.cu, with both factors of every product rounded to 11 (tf32) or 8 (bf16) bits;
// sums and memory are single precision.
// Needs: compute capability 8.0; CI and CO multiples of four for leg y and w, CO for leg x; tensors
// of fewer than 2^32 numbers. Others take conv.cu.
// Launch: as conv.cu: tiles of 64 x 64, 128 x 64 or 128 x 128, with 128 (tf32) or 256 (bf16) threads
// (gemm_mma.cuh); leg x by parity classes, leg w by pieces (both grid z). Shared memory: tf32 24, 36 or
// 48 KiB, bf16 16, 24 or 32 KiB.
// Traffic: each operand once per tile row or column, as single precision, but filters of bf16, which are rounded
// once (`narrow`, layout.cu); bound by arithmetic where the tiles are full, else by memory.
// Order: taps row by row, channels inside; leg w pixel by pixel within a piece, then the pieces.
// Source: PTX ISA, "Matrix multiply-accumulate operation using mma instruction", "ldmatrix",
// "cp.async".
#include "conv_stores.cuh"
#include "gemm_mma.cuh"

// A place no image reaches, nor one period of it: rows beyond the matrix see only zeros.
#define BEYOND 0x80000000u

// ---- leg y (forward, im2col): rows are output pixels, k is (ky, kx, ci) --------------------

// Windows of x.
struct Windows {
    typedef float4 Group;
    enum { ALONG_K = 1 };
    struct Line {
        u32 image, top, left;  // the row of x that an image begins at, and the window's corner in it
    };
    const Conv* p;
    Tap tap;
    u32 k, end;

    MEMBER Windows(const Conv& conv, u32 first, u32 last) : p(&conv), k(first), end(last) {
        tap.set(first, conv.kw, conv.ci);
    }
    MEMBER Line line(u32 row) const {
        Pixel pixel;
        pixel.set(row, *p);
        const u32 top = pixel.y * p->sh - p->ph, left = pixel.x * p->sw - p->pw;
        return {pixel.n * p->h, pixel.n < p->n ? top : BEYOND, left};
    }
    MEMBER bool at(const Line& line, u32& offset) const {
        const u32 y = wrapped(line.top + tap.ky, p->h, *p), x = wrapped(line.left + tap.kx, p->w, *p);
        offset = ((line.image + y) * p->w + x) * p->ci + tap.c;
        return y < p->h && x < p->w && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        tap.advance(by, p->kw, p->ci);
    }
};

// A matrix [K, CO]: the filter of leg y, the cotangents of leg w.
template <typename Numbers>
struct Channels {
    typedef Numbers Group;
    enum { ALONG_K = 0 };
    typedef u32 Line;
    u32 columns, k, end;

    MEMBER Channels(const Conv& p, u32 first, u32 last) : columns(p.co), k(first), end(last) {}
    MEMBER Line line(u32 column) const { return column; }
    MEMBER bool at(Line column, u32& offset) const {
        offset = k * columns + column;
        return column < columns && k < end;
    }
    MEMBER void advance(u32 by) { k += by; }
};

// ---- leg x (dgrad), by parity: rows are the pixels of one class, k is (jy, jx, co) ---------

// The cotangents that meet a pixel of x.
struct Cones {
    typedef float4 Group;
    enum { ALONG_K = 1 };
    struct Line {
        u32 image, bottom, right;  // as of Windows, in g
    };
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER Cones(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
        tap.set(0, 1, conv.co);
    }
    MEMBER Line line(u32 row) const {
        const u32 x = parity->px + p->sw * (row % parity->width), rest = row / parity->width;
        const u32 y = parity->py + p->sh * (rest % parity->height), n = rest / parity->height;
        const u32 bottom = (y + p->ph - parity->ky0) / p->sh, right = (x + p->pw - parity->kx0) / p->sw;
        return {n * p->oh, n < p->n ? bottom : BEYOND, right};
    }
    MEMBER bool at(const Line& line, u32& offset) const {
        const u32 y = wrapped(line.bottom - tap.ky, p->oh, *p), x = wrapped(line.right - tap.kx, p->ow, *p);
        offset = ((line.image + y) * p->ow + x) * p->co + tap.c;
        return y < p->oh && x < p->ow && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        tap.advance(by, parity->taps_x, p->co);
    }
};

// The class's taps of w as [(jy, jx, co), CI].
template <typename Numbers>
struct Taps {
    typedef Numbers Group;
    enum { ALONG_K = 1 };
    typedef u32 Line;
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER Taps(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
        tap.set(0, 1, conv.co);
    }
    MEMBER Line line(u32 column) const { return column; }
    MEMBER bool at(Line column, u32& offset) const {
        const u32 ky = parity->ky0 + p->sh * tap.ky, kx = parity->kx0 + p->sw * tap.kx;
        offset = ((ky * p->kw + kx) * p->ci + column) * p->co + tap.c;
        return column < p->ci && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        tap.advance(by, parity->taps_x, p->co);
    }
};

// ---- leg w (wgrad): rows are (ky, kx, ci), k is the output pixel ---------------------------

// What a tap and four channels see of x, pixel by pixel.
struct Sights {
    typedef float4 Group;
    enum { ALONG_K = 0 };
    struct Line {
        u32 down, right, channel;  // from a pixel's place in x
    };
    const Conv* p;
    Pixel pixel;
    u32 k, end;

    MEMBER Sights(const Conv& conv, u32 first, u32 last) : p(&conv), k(first), end(last) {
        pixel.set(first, conv);
    }
    MEMBER Line line(u32 row) const {
        Tap tap;
        tap.set(row, p->kw, p->ci);
        return {tap.ky < p->kh ? tap.ky - p->ph : BEYOND, tap.kx - p->pw, tap.c};
    }
    MEMBER bool at(const Line& line, u32& offset) const {
        const u32 y = wrapped(pixel.y * p->sh + line.down, p->h, *p);
        const u32 x = wrapped(pixel.x * p->sw + line.right, p->w, *p);
        offset = ((pixel.n * p->h + y) * p->w + x) * p->ci + line.channel;
        return y < p->h && x < p->w && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        pixel.advance(by, *p);
    }
};

// ---- legs ----------------------------------------------------------------------------------

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_y(const float* x, const typename Number::Filter* w, const float* extra, float* y, const Conv& p) {
    const u32 depth = p.kh * p.kw * p.ci;
    const ToY store = {y, extra, &p};
    gemm_mma<Number, ROWS, COLUMNS>(Windows(p, 0, depth), x, Channels<typename Number::Filter>(p, 0, depth), w, store, blockIdx.x * ROWS,
                                    blockIdx.y * COLUMNS, p.co, depth);
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_x(const float* g, const typename Number::Filter* w, const float* extra, float* x, const Conv& p) {
    const Parity parity(p, blockIdx.z);
    if (blockIdx.x * ROWS >= parity.rows(p)) return;  // a whole block at once
    const ToX store = {x, extra, &p, parity};
    gemm_mma<Number, ROWS, COLUMNS>(Cones(p, parity), g, Taps<typename Number::Filter>(p, parity), w, store, blockIdx.x * ROWS,
                                    blockIdx.y * COLUMNS, p.ci, parity.depth(p));
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_w(const float* x, const float* g, float* w, const Conv& p) {
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.n * p.oh * p.ow);
    const ToW store = {w + (u64)blockIdx.z * p.kh * p.kw * p.ci * p.co, &p};
    gemm_mma<Number, ROWS, COLUMNS>(Sights(p, begin, end), x, Channels<float4>(p, begin, end), g, store, blockIdx.x * ROWS,
                                    blockIdx.y * COLUMNS, p.co, end - begin);
}

KERNEL(128) conv_y_tf32_64(const float* x, const float4* w, const float* extra, float* y, Conv p) {
    leg_y<Tf32, 64, 64>(x, w, extra, y, p);
}
KERNEL(128) conv_y_tf32_128x64(const float* x, const float4* w, const float* extra, float* y, Conv p) {
    leg_y<Tf32, 128, 64>(x, w, extra, y, p);
}
KERNEL(128) conv_y_tf32_128(const float* x, const float4* w, const float* extra, float* y, Conv p) {
    leg_y<Tf32, 128, 128>(x, w, extra, y, p);
}
KERNEL(256) conv_y_bf16_64(const float* x, const uint2* w, const float* extra, float* y, Conv p) {
    leg_y<Bf16, 64, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_bf16_128x64(const float* x, const uint2* w, const float* extra, float* y, Conv p) {
    leg_y<Bf16, 128, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_bf16_128(const float* x, const uint2* w, const float* extra, float* y, Conv p) {
    leg_y<Bf16, 128, 128>(x, w, extra, y, p);
}
KERNEL(128) conv_x_tf32_64(const float* g, const float4* w, const float* extra, float* x, Conv p) {
    leg_x<Tf32, 64, 64>(g, w, extra, x, p);
}
KERNEL(128) conv_x_tf32_128x64(const float* g, const float4* w, const float* extra, float* x, Conv p) {
    leg_x<Tf32, 128, 64>(g, w, extra, x, p);
}
KERNEL(128) conv_x_tf32_128(const float* g, const float4* w, const float* extra, float* x, Conv p) {
    leg_x<Tf32, 128, 128>(g, w, extra, x, p);
}
KERNEL(256) conv_x_bf16_64(const float* g, const uint2* w, const float* extra, float* x, Conv p) {
    leg_x<Bf16, 64, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_bf16_128x64(const float* g, const uint2* w, const float* extra, float* x, Conv p) {
    leg_x<Bf16, 128, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_bf16_128(const float* g, const uint2* w, const float* extra, float* x, Conv p) {
    leg_x<Bf16, 128, 128>(g, w, extra, x, p);
}
KERNEL(128) conv_w_tf32_64(const float* x, const float* g, float* w, Conv p) {
    leg_w<Tf32, 64, 64>(x, g, w, p);
}
KERNEL(128) conv_w_tf32_128x64(const float* x, const float* g, float* w, Conv p) {
    leg_w<Tf32, 128, 64>(x, g, w, p);
}
KERNEL(128) conv_w_tf32_128(const float* x, const float* g, float* w, Conv p) {
    leg_w<Tf32, 128, 128>(x, g, w, p);
}
KERNEL(256) conv_w_bf16_64(const float* x, const float* g, float* w, Conv p) {
    leg_w<Bf16, 64, 64>(x, g, w, p);
}
KERNEL(256) conv_w_bf16_128x64(const float* x, const float* g, float* w, Conv p) {
    leg_w<Bf16, 128, 64>(x, g, w, p);
}
KERNEL(256) conv_w_bf16_128(const float* x, const float* g, float* w, Conv p) {
    leg_w<Bf16, 128, 128>(x, g, w, p);
}
