// The matrices that a convolution multiplies, read in place: no unfolded image in memory.
//
// x [N, H, W, CI] * w [KH, KW, CI, CO] = y [N, OH, OW, CO], channels last. Each operand is a cursor
// as `gemm.cuh` asks: it knows its row or column, and steps along k. Four channels are one load
// where their number is a multiple of four. `conv_mma.cuh` has the same operands for tensor cores, without `Cursor` in their
// names: there channels come in groups and offsets fit a word, here both are free.
//
// A periodic border is no branch: places one period off are brought back by two minima, and a period
// of 0 leaves the places of zeros where no extent reaches. Of a periodic window x is stride times y,
// so y is as periodic, and a parity class of x has the same taps all around.
#pragma once
#include "common.cuh"
#include "params.cuh"

// Four consecutive numbers of a row of `length`, from `at`; 0 beyond the row.
DEVICE float4 four_of(const float* row, u32 at, u32 length) {
    if (length % 4 == 0) return *reinterpret_cast<const float4*>(row + at);
    return make_float4(row[at], at + 1 < length ? row[at + 1] : 0.0f, at + 2 < length ? row[at + 2] : 0.0f,
                       at + 3 < length ? row[at + 3] : 0.0f);
}

// The place on an axis that `at` is, up to one extent beyond either end (below zero it is huge).
DEVICE u32 wrapped(u32 at, u32 extent, const Conv& p) {
    const u32 period = extent & p.periodic, above = least(at, at + period);
    return least(above, above - period);
}

DEVICE float4 no_four() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }

// A number k of (tap row, tap column, channel), that can be advanced.
struct Tap {
    u32 ky, kx, c;

    MEMBER void set(u32 k, u32 width, u32 channels) {
        c = k % channels;
        kx = k / channels % width;
        ky = k / channels / width;
    }
    MEMBER void advance(u32 by, u32 width, u32 channels) {
        c += by;
        while (c >= channels) {
            c -= channels;
            if (++kx == width) kx = 0, ++ky;
        }
    }
};

// ---- leg Y (forward, im2col): rows are output pixels, k is (ky, kx, ci) --------------------

// A window of x.
struct Im2colCursor {
    enum { ALONG_K = 1 };
    const float* image;
    const Conv* p;
    Tap tap;
    i32 top, left;
    u32 k, end;
    bool inside;

    MEMBER Im2colCursor() {}
    MEMBER Im2colCursor(const float* x, const Conv& conv, u32 pixel, u32 first, u32 last) : p(&conv), k(first), end(last) {
        inside = pixel < conv.n * conv.oh * conv.ow;
        const u32 ox = pixel % conv.ow, oy = pixel / conv.ow % conv.oh, n = pixel / conv.ow / conv.oh;
        top = (i32)oy * conv.sh - conv.ph;
        left = (i32)ox * conv.sw - conv.pw;
        image = x + (u64)n * conv.h * conv.w * conv.ci;
        tap.set(first, conv.kw, conv.ci);
    }
    MEMBER const float* pixel(const Tap& t) const {
        const u32 y = wrapped(top + t.ky, p->h, *p), x = wrapped(left + t.kx, p->w, *p);
        return y < p->h && x < p->w ? image + ((u64)y * p->w + x) * p->ci : nullptr;
    }
    MEMBER float4 load() const {
        if (!inside || k >= end) return no_four();
        if (p->ci % 4 == 0) {
            const float* from = pixel(tap);
            return from ? *reinterpret_cast<const float4*>(from + tap.c) : no_four();
        }
        float v[4];
        Tap t = tap;
        UNROLL for (u32 i = 0; i < 4; ++i) {
            const float* from = k + i < end ? pixel(t) : nullptr;
            v[i] = from ? from[t.c] : 0.0f;
            t.advance(1, p->kw, p->ci);
        }
        return make_float4(v[0], v[1], v[2], v[3]);
    }
    MEMBER void advance(u32 by = 16) {
        k += by;
        tap.advance(by, p->kw, p->ci);
    }
};

// A matrix [K, CO]: the filter of leg y, the cotangents of leg w.
struct ChannelsCursor {
    enum { ALONG_K = 0 };
    const float* from;
    u32 column, columns, k, end;

    MEMBER ChannelsCursor() {}
    MEMBER ChannelsCursor(const float* w, const Conv& p, u32 co, u32 first, u32 last)
        : from(w + (u64)first * p.co), column(co), columns(p.co), k(first), end(last) {}
    MEMBER float4 load() const { return column < columns && k < end ? four_of(from, column, columns) : no_four(); }
    MEMBER void advance(u32 by = 16) {
        k += by;
        from += (u64)by * columns;
    }
};

// ---- leg X (dgrad), by parity: rows are the pixels of x that one set of taps reaches -------

// Stride and padding decide which taps meet a pixel of x: rows y with y = py (mod sh) meet the
// taps ky = ky0 + sh j. Every class is a dense product of its own.
struct Parity {
    u32 py, px, ky0, kx0, taps_y, taps_x, height, width;

    MEMBER Parity() {}
    MEMBER Parity(const Conv& p, u32 which) {
        py = which / p.sw, px = which % p.sw;
        ky0 = (py + p.ph) % p.sh, kx0 = (px + p.pw) % p.sw;
        taps_y = ky0 < p.kh ? (p.kh - ky0 + p.sh - 1) / p.sh : 0;
        taps_x = kx0 < p.kw ? (p.kw - kx0 + p.sw - 1) / p.sw : 0;
        height = py < p.h ? (p.h - py + p.sh - 1) / p.sh : 0;
        width = px < p.w ? (p.w - px + p.sw - 1) / p.sw : 0;
    }
    MEMBER u32 rows(const Conv& p) const { return p.n * height * width; }
    MEMBER u32 depth(const Conv& p) const { return taps_y * taps_x * p.co; }
};

// The cotangents g that meet a pixel of x; k is (jy, jx, co).
struct DgradCursor {
    enum { ALONG_K = 1 };
    const float* image;
    const Conv* p;
    Tap tap;
    i32 bottom, right;
    u32 k, end, taps_x;
    bool inside;

    MEMBER DgradCursor() {}
    MEMBER void set(const float* g, const Conv& conv, const Parity& parity, u32 row, u32 first, u32 last) {
        p = &conv, k = first, end = last, taps_x = parity.taps_x;
        inside = row < parity.rows(conv);
        const u32 width = parity.width > 0 ? parity.width : 1, height = parity.height > 0 ? parity.height : 1;
        const u32 x = parity.px + conv.sw * (row % width), y = parity.py + conv.sh * (row / width % height);
        const u32 n = row / width / height;
        bottom = (i32)(y + conv.ph - parity.ky0) / conv.sh;
        right = (i32)(x + conv.pw - parity.kx0) / conv.sw;
        image = g + (u64)n * conv.oh * conv.ow * conv.co;
        tap.set(first, taps_x > 0 ? taps_x : 1, conv.co);
    }
    MEMBER const float* pixel(const Tap& t) const {
        const u32 y = wrapped(bottom - t.ky, p->oh, *p), x = wrapped(right - t.kx, p->ow, *p);
        return y < p->oh && x < p->ow ? image + ((u64)y * p->ow + x) * p->co : nullptr;
    }
    MEMBER float4 load() const {
        if (!inside || k >= end) return no_four();
        if (p->co % 4 == 0) {
            const float* from = pixel(tap);
            return from ? *reinterpret_cast<const float4*>(from + tap.c) : no_four();
        }
        float v[4];
        Tap t = tap;
        UNROLL for (u32 i = 0; i < 4; ++i) {
            const float* from = k + i < end ? pixel(t) : nullptr;
            v[i] = from ? from[t.c] : 0.0f;
            t.advance(1, taps_x, p->co);
        }
        return make_float4(v[0], v[1], v[2], v[3]);
    }
    MEMBER void advance(u32 by = 16) {
        k += by;
        tap.advance(by, taps_x, p->co);
    }
};

// w of one parity class as [(jy, jx, co), CI].
struct DgradFilterCursor {
    enum { ALONG_K = 1 };
    const float* w;
    const Conv* p;
    Tap tap;
    u32 ci, k, end, ky0, kx0, taps_x;

    MEMBER DgradFilterCursor() {}
    MEMBER void set(const float* filter, const Conv& conv, const Parity& parity, u32 column, u32 first, u32 last) {
        w = filter, p = &conv, ci = column, k = first, end = last;
        ky0 = parity.ky0, kx0 = parity.kx0, taps_x = parity.taps_x;
        tap.set(first, taps_x > 0 ? taps_x : 1, conv.co);
    }
    MEMBER const float* at(const Tap& t) const {
        const u32 ky = ky0 + p->sh * t.ky, kx = kx0 + p->sw * t.kx;
        return w + (((u64)ky * p->kw + kx) * p->ci + ci) * p->co + t.c;
    }
    MEMBER float4 load() const {
        if (ci >= p->ci || k >= end) return no_four();
        if (p->co % 4 == 0) return *reinterpret_cast<const float4*>(at(tap));
        float v[4];
        Tap t = tap;
        UNROLL for (u32 i = 0; i < 4; ++i) {
            v[i] = k + i < end ? *at(t) : 0.0f;
            t.advance(1, taps_x, p->co);
        }
        return make_float4(v[0], v[1], v[2], v[3]);
    }
    MEMBER void advance(u32 by = 16) {
        k += by;
        tap.advance(by, taps_x, p->co);
    }
};

// ---- leg W (wgrad): rows are (ky, kx, ci), k is the output pixel ---------------------------

// A pixel of y that can be advanced.
struct Pixel {
    u32 n, y, x;

    MEMBER void set(u32 pixel, const Conv& p) {
        x = pixel % p.ow;
        y = pixel / p.ow % p.oh;
        n = pixel / p.ow / p.oh;
    }
    MEMBER void advance(u32 by, const Conv& p) {
        x += by;
        while (x >= p.ow) {
            x -= p.ow;
            if (++y == p.oh) y = 0, ++n;
        }
    }
};

// What a tap and channel see of x, pixel by pixel.
struct WgradCursor {
    enum { ALONG_K = 0 };
    const float* x;
    const Conv* p;
    Pixel pixel;
    Tap tap;  // of the first of four rows
    u32 row, k, end;

    MEMBER WgradCursor() {}
    MEMBER WgradCursor(const float* image, const Conv& conv, u32 first_row, u32 first, u32 last)
        : x(image), p(&conv), row(first_row), k(first), end(last) {
        pixel.set(first, conv);
        tap.set(first_row, conv.kw, conv.ci);
    }
    MEMBER const float* at(const Tap& t) const {
        const u32 iy = wrapped(pixel.y * p->sh - p->ph + t.ky, p->h, *p);
        const u32 ix = wrapped(pixel.x * p->sw - p->pw + t.kx, p->w, *p);
        return iy < p->h && ix < p->w ? x + (((u64)pixel.n * p->h + iy) * p->w + ix) * p->ci + t.c : nullptr;
    }
    MEMBER float4 load() const {
        const u32 rows = p->kh * p->kw * p->ci;
        if (row >= rows || k >= end) return no_four();
        if (p->ci % 4 == 0) {
            const float* from = at(tap);
            return from ? *reinterpret_cast<const float4*>(from) : no_four();
        }
        float v[4];
        Tap t = tap;
        UNROLL for (u32 i = 0; i < 4; ++i) {
            const float* from = row + i < rows ? at(t) : nullptr;
            v[i] = from ? *from : 0.0f;
            t.advance(1, p->kw, p->ci);
        }
        return make_float4(v[0], v[1], v[2], v[3]);
    }
    MEMBER void advance(u32 by = 16) {
        k += by;
        pixel.advance(by, *p);
    }
};
