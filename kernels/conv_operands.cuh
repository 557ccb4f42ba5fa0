// The matrices that a convolution multiplies, read in place: no unfolded image in memory.
//
// x [N, H, W, CI] * w [KH, KW, CI, CO] = y [N, OH, OW, CO], channels last. Operands as `gemm.cuh` asks for them, of every
// leg, for `conv.cu` as for tensor cores. Groups of numbers are of neighbouring channels: where the number of channels is a
// multiple of theirs, they are within or beyond an image as a whole.
//
// A periodic border is no branch: places one period off are brought back by two minima, and a period
// of 0 leaves the places of zeros where no extent reaches. Of a periodic window x is stride times y,
// so y is as periodic, and a parity class of x has the same taps all around.
#pragma once
#include "common.cuh"
#include "params.cuh"

// A place no image reaches, nor one period of it: what rows beyond the matrix, and taps that are none, see.
#define BEYOND 0x80000000u

// The place on an axis that `at` is, up to one extent beyond either end (below zero it is huge).
DEVICE u32 wrapped(u32 at, u32 extent, const Conv& p) {
    const u32 period = extent & p.periodic, above = least(at, at + period);
    return least(above, above - period);
}

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

// ---- leg y (forward, im2col): rows are output pixels, k is (ky, kx, ci) --------------------

// Windows of x.
template <typename Number>
struct Im2col {
    typedef typename Number::Group Group;
    typedef typename Number::Offset Offset;
    enum { ALONG_K = 1 };
    struct Line {
        Offset image;   // the row of x that an image begins at
        u32 top, left;  // the window's corner in it
    };
    const Conv* p;
    Tap tap;
    u32 k, end;

    MEMBER Im2col(const Conv& conv, u32 first, u32 last) : p(&conv), k(first), end(last) {
        tap.set(first, conv.kw, conv.ci);
    }
    MEMBER bool fours() const { return p->ci % 4 == 0; }
    MEMBER Line line(u32 row) const {
        Pixel pixel;
        pixel.set(row, *p);
        const u32 top = pixel.y * p->sh - p->ph, left = pixel.x * p->sw - p->pw;
        return {(Offset)pixel.n * p->h, pixel.n < p->n ? top : BEYOND, left};
    }
    MEMBER bool at(const Line& line, Offset& offset) const {
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
template <typename Number, typename Numbers>
struct Channels {
    typedef Numbers Group;
    typedef typename Number::Offset Offset;
    enum { ALONG_K = 0 };
    typedef u32 Line;
    u32 columns, k, end;

    MEMBER Channels(const Conv& p, u32 first, u32 last) : columns(p.co), k(first), end(last) {}
    MEMBER bool fours() const { return columns % 4 == 0; }
    MEMBER Line line(u32 column) const { return column; }
    MEMBER Line after(Line column) const { return column + 1; }
    MEMBER bool at(Line column, Offset& offset) const {
        offset = (Offset)k * columns + column;
        return column < columns && k < end;
    }
    MEMBER void advance(u32 by) { k += by; }
};

// ---- leg x (dgrad), by parity: rows are the pixels of one class, k is (jy, jx, co) ---------

// Stride and padding decide which taps meet a pixel of x: rows y with y = py (mod sh) meet the
// taps ky = ky0 + sh j. Every class is a dense product of its own.
struct Parity {
    u32 py, px, ky0, kx0, taps_y, taps_x, height, width;

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

// The cotangents that meet a pixel of x.
template <typename Number>
struct Dgrad {
    typedef typename Number::Group Group;
    typedef typename Number::Offset Offset;
    enum { ALONG_K = 1 };
    struct Line {
        Offset image;  // as of Im2col, in g
        u32 bottom, right;
    };
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER Dgrad(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
        tap.set(0, 1, conv.co);
    }
    MEMBER bool fours() const { return p->co % 4 == 0; }
    MEMBER Line line(u32 row) const {
        const u32 x = parity->px + p->sw * (row % parity->width), rest = row / parity->width;
        const u32 y = parity->py + p->sh * (rest % parity->height), n = rest / parity->height;
        const u32 bottom = (y + p->ph - parity->ky0) / p->sh, right = (x + p->pw - parity->kx0) / p->sw;
        return {(Offset)n * p->oh, n < p->n ? bottom : BEYOND, right};
    }
    MEMBER bool at(const Line& line, Offset& offset) const {
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
template <typename Number>
struct DgradFilter {
    typedef typename Number::Filter Group;
    typedef typename Number::Offset Offset;
    enum { ALONG_K = 1 };
    typedef u32 Line;
    const Conv* p;
    const Parity* parity;
    Tap tap;
    u32 k, end;

    MEMBER DgradFilter(const Conv& conv, const Parity& of) : p(&conv), parity(&of), k(0), end(of.depth(conv)) {
        tap.set(0, 1, conv.co);
    }
    MEMBER bool fours() const { return p->co % 4 == 0; }
    MEMBER Line line(u32 column) const { return column; }
    MEMBER bool at(Line column, Offset& offset) const {
        const u32 ky = parity->ky0 + p->sh * tap.ky, kx = parity->kx0 + p->sw * tap.kx;
        offset = ((Offset)(ky * p->kw + kx) * p->ci + column) * p->co + tap.c;
        return column < p->ci && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        tap.advance(by, parity->taps_x, p->co);
    }
};

// ---- leg w (wgrad): rows are (ky, kx, ci), k is the output pixel ---------------------------

// What a tap and a group of channels see of x, pixel by pixel.
template <typename Number>
struct Wgrad {
    typedef typename Number::Group Group;
    typedef typename Number::Offset Offset;
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
    MEMBER bool fours() const { return p->ci % 4 == 0; }
    MEMBER Line line(u32 row) const {
        Tap tap;
        tap.set(row, p->kw, p->ci);
        return {tap.ky < p->kh ? tap.ky - p->ph : BEYOND, tap.kx - p->pw, tap.c};
    }
    MEMBER Line after(Line line) const {
        if (++line.channel < p->ci) return line;
        line.channel = 0;
        if (++line.right != p->kw - (u32)p->pw) return line;
        line.right = 0 - (u32)p->pw;
        if (++line.down == p->kh - (u32)p->ph) line.down = BEYOND;
        return line;
    }
    MEMBER bool at(const Line& line, Offset& offset) const {
        const u32 y = wrapped(pixel.y * p->sh + line.down, p->h, *p);
        const u32 x = wrapped(pixel.x * p->sw + line.right, p->w, *p);
        offset = (((Offset)pixel.n * p->h + y) * p->w + x) * p->ci + line.channel;
        return y < p->h && x < p->w && k < end;
    }
    MEMBER void advance(u32 by) {
        k += by;
        pixel.advance(by, *p);
    }
};
