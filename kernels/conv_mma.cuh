// The operands of a convolution's legs on tensor cores, and the legs: what `conv_mma.cu` and
// `conv_stored_mma.cu` share.
//
// Groups of numbers, four or eight of them, are of neighbouring channels: within or beyond an image as a whole.
#pragma once
#include "conv_stores.cuh"
#include "gemm_mma.cuh"

// A place no image reaches, nor one period of it: rows beyond the matrix see only zeros.
#define BEYOND 0x80000000u

// ---- leg y (forward, im2col): rows are output pixels, k is (ky, kx, ci) --------------------

// Windows of x.
template <typename Numbers>
struct Im2col {
    typedef Numbers Group;
    enum { ALONG_K = 1 };
    struct Line {
        u32 image, top, left;  // the row of x that an image begins at, and the window's corner in it
    };
    const Conv* p;
    Tap tap;
    u32 k, end;

    MEMBER Im2col(const Conv& conv, u32 first, u32 last) : p(&conv), k(first), end(last) {
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
template <typename Numbers>
struct Dgrad {
    typedef Numbers Group;
    enum { ALONG_K = 1 };
    struct Line {
        u32 image, bottom, right;  // as of Im2col, in g
    };
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER Dgrad(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
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
struct DgradFilter {
    typedef Numbers Group;
    enum { ALONG_K = 1 };
    typedef u32 Line;
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER DgradFilter(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
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
template <typename Numbers>
struct Wgrad {
    typedef Numbers Group;
    enum { ALONG_K = 0 };
    struct Line {
        u32 down, right, channel;  // from a pixel's place in x
    };
    const Conv* p;
    Pixel pixel;
    u32 k, end;

    MEMBER Wgrad(const Conv& conv, u32 first, u32 last) : p(&conv), k(first), end(last) {
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

// ---- results -------------------------------------------------------------------------------

// Four neighbouring numbers of a result on their way out: what `activated` and `gated` do, all of it at once and with
// few branches; results and gates may lie in bf16.
struct Fours {
    void* result;
    const void* extra;  // bias or gate
    const Conv* p;
    u32 columns;

    // The bias of all four; adding -0 changes nothing.
    MEMBER float4 column(u32 n) const {
        if (p->activate == 0 || is_gated() || n >= columns) return make_float4(-0.0f, -0.0f, -0.0f, -0.0f);
        return four_of(static_cast<const float*>(extra), n, columns);
    }
    MEMBER bool is_gated() const { return p->activate == GATED; }
    // The gate of all four.
    MEMBER float4 gate(u32 start, u32 n) const {
        if (!p->gate_bf16) return four_of(static_cast<const float*>(extra) + start, n, columns);
        const uint2 v = *reinterpret_cast<const uint2*>(static_cast<const u16*>(extra) + (u64)start + n);
        return make_float4(__uint_as_float(v.x << 16), __uint_as_float(v.x & 0xffff0000u), __uint_as_float(v.y << 16),
                           __uint_as_float(v.y & 0xffff0000u));
    }
    MEMBER void put(u32 start, u32 n, float4 v, float4 bias, float4 gates) const {
        v.x += bias.x, v.y += bias.y, v.z += bias.z, v.w += bias.w;
        const float4 sign = is_gated() ? gates : v;
        const float slope = p->activate >= 2 ? p->slope : 1.0f;
        v.x = sign.x > 0.0f ? v.x : slope * v.x, v.y = sign.y > 0.0f ? v.y : slope * v.y;
        v.z = sign.z > 0.0f ? v.z : slope * v.z, v.w = sign.w > 0.0f ? v.w : slope * v.w;
        if (p->result_bf16) *reinterpret_cast<uint2*>(static_cast<u16*>(result) + (u64)start + n) = bf16_four(v);
        else store_four(static_cast<float*>(result), start, n, columns, v);
    }
};

struct FoursY : Fours {
    MEMBER FoursY(float* y, const float* extra, const Conv& conv) : Fours{y, extra, &conv, conv.co} {}
    MEMBER u32 start(u32 m) const { return m < p->n * p->oh * p->ow ? m * p->co : NOWHERE; }
};

struct FoursX : Fours {
    Parity parity;
    MEMBER FoursX(float* x, const float* extra, const Conv& conv, const Parity& of)
        : Fours{x, extra, &conv, conv.ci}, parity(of) {}
    MEMBER u32 start(u32 m) const {
        if (m >= parity.rows(*p)) return NOWHERE;
        const u32 column = parity.px + p->sw * (m % parity.width), rest = m / parity.width;
        const u32 line = parity.py + p->sh * (rest % parity.height), image = rest / parity.height;
        return ((image * p->h + line) * p->w + column) * p->ci;
    }
};

struct FoursW {
    float* w;
    const Conv* p;
    MEMBER u32 start(u32 m) const { return m < p->kh * p->kw * p->ci ? m * p->co : NOWHERE; }
    MEMBER float4 column(u32) const { return no_four(); }
    MEMBER bool is_gated() const { return false; }
    MEMBER float4 gate(u32, u32) const { return no_four(); }
    MEMBER void put(u32 start, u32 n, float4 v, float4, float4) const { store_four(w, start, n, p->co, v); }
};

// ---- legs ----------------------------------------------------------------------------------

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_y(const void* x, const void* w, const float* extra, float* y, const Conv& p) {
    // Of several pieces of k each has a result of its own, which `conv_pieces.cu` adds up and finishes.
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.kh * p.kw * p.ci);
    const FoursY store(y + (u64)blockIdx.z * p.n * p.oh * p.ow * p.co, extra, p);
    const Im2col<typename Number::Group> a(p, begin, end);
    const Channels<typename Number::Filter> b(p, begin, end);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, x, b, w, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.co,
                                               end - begin);
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_x(const void* g, const void* w, const float* extra, float* x, const Conv& p) {
    const Parity parity(p, blockIdx.z);
    if (blockIdx.x * ROWS >= parity.rows(p)) return;  // a whole block at once
    const FoursX store(x, extra, p, parity);
    const Dgrad<typename Number::Group> a(p, parity);
    const DgradFilter<typename Number::Filter> b(p, parity);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, g, b, w, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.ci,
                                               parity.depth(p));
}

template <typename Number, u32 ROWS, u32 COLUMNS>
DEVICE void leg_w(const void* x, const void* g, float* w, const Conv& p) {
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.n * p.oh * p.ow);
    const FoursW store = {w + (u64)blockIdx.z * p.kh * p.kw * p.ci * p.co, &p};
    const Wgrad<typename Number::Group> a(p, begin, end);
    const Channels<typename Number::Group> b(p, begin, end);
    Gemm<Number>::template tile<ROWS, COLUMNS>(a, x, b, g, store, blockIdx.x * ROWS, blockIdx.y * COLUMNS, p.co,
                                               end - begin);
}
