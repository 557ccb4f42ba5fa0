// Legs y and w of a convolution whose x has up to four channels, on tensor cores, in bf16: of images.
//
// Formula: as conv.cu, with both factors of every product rounded to 8 bits; sums, x and filters are single precision
// in memory.
// Needs: compute capability 8.0; CI at most four, a filter of at most 4 x 4 taps, CO a multiple of eight; tensors of
// fewer than 2^32 numbers. Others take conv_mma.cu, after a copy that makes their channels fours.
// Launch: 256 threads; grid y runs over 64 channels of y each. Leg y: a warp takes 16 pixels of a row of y after
// another, grid x is as many blocks as are resident. Leg w: a block sums some rows of y (grid x, pieces), a warp every
// fourth of them for two rows of taps.
// Traffic: x from cache after its first touch, y or g once, 2 or 4 B a number; bound by memory.
// Order: leg y row of taps by row of taps; leg w every fourth row's pixels in the order of the instructions, then
// the warps, then the pieces.
// Source: PTX ISA, "Matrix multiply-accumulate operation using mma instruction", "cp.async". Four taps of a row with
// four channels are the 16 numbers that an mma sums. Which of its columns is which channel is free: here those of a
// lane are neighbours in memory, so that nothing is brought in order through shared memory.
#include "conv_stores.cuh"
#include "slices.cuh"

#define IMAGE_TAPS 4
#define IMAGE_CHANNELS 64
#define IMAGE_THREADS 256

// The row of x that taps `ky` see of row oy of y; the height of x or more if none.
DEVICE u32 seen_row(u32 oy, u32 ky, const Conv& p) { return wrapped(oy * p.sh - p.ph + ky, p.h, p); }

// Eight numbers of either type, from the one with that index on.
DEVICE void read_eight(const void* from, u32 at, u32 bf16, float (&to)[8]) {
    if (!bf16) {
        const float4* const four = static_cast<const float4*>(from) + at / 4;
        const float4 a = four[0], b = four[1];
        to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w, to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
        return;
    }
    const uint4 pairs = static_cast<const uint4*>(from)[at / 8];
    const u32 words[4] = {pairs.x, pairs.y, pairs.z, pairs.w};
    UNROLL for (u32 k = 0; k < 8; ++k) to[k] = __uint_as_float(k % 2 ? words[k / 2] & 0xffff0000u : words[k / 2] << 16);
}

DEVICE void write_eight(void* to, u32 at, u32 bf16, const float (&v)[8]) {
    if (!bf16) {
        float4* const four = static_cast<float4*>(to) + at / 4;
        four[0] = make_float4(v[0], v[1], v[2], v[3]), four[1] = make_float4(v[4], v[5], v[6], v[7]);
        return;
    }
    static_cast<uint4*>(to)[at / 8] =
        make_uint4(bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3]), bf16_pair(v[4], v[5]), bf16_pair(v[6], v[7]));
}

// What a store does to four numbers (conv_stores.cuh), to eight, and where they go.
DEVICE void put_eight(void* y, const void* extra, u32 at, u32 channel, float (&v)[8], const Conv& p) {
    float needs[8];
    const bool masked = p.activate == GATED;
    if (p.activate) read_eight(extra, masked ? at : channel, masked && p.gate_bf16, needs);
    const float slope = p.activate >= 2 ? p.slope : 1.0f;
    UNROLL for (u32 k = 0; k < 8; ++k) {
        if (p.activate && !masked) v[k] += needs[k];
        v[k] = (masked ? needs[k] : v[k]) > 0.0f ? v[k] : slope * v[k];
    }
    write_eight(y, at, p.result_bf16, v);
}

// ---- leg y: rows are pixels, k is (kx, ci) of one row of taps, a tap a lane -----------------

// The filter as fragments, four for eight columns each: [ky, 4, lane]. Column c of eight number j is channel
// 16 (c / 2) + 2 j + c % 2.
DEVICE void image_filter(uint4* filter, const float* w, u32 base, const Conv& p) {
    for (u32 i = threadIdx.x; i < p.kh * 16 * WARP; i += IMAGE_THREADS) {
        const u32 word = i % 4, lane = i / 4 % WARP, quad = i / 4 / WARP % 4, ky = i / 16 / WARP;
        const u32 column = lane / 4, kx = lane % 4, c = word % 2 * 2, j = 2 * quad + word / 2;
        const u32 channel = base + column / 2 * 16 + 2 * j + column % 2;
        float pair[2];
        UNROLL for (u32 k = 0; k < 2; ++k) {
            const bool there = kx < p.kw && c + k < p.ci && channel < p.co;
            pair[k] = there ? w[((ky * p.kw + kx) * p.ci + c + k) * p.co + channel] : 0.0f;
        }
        reinterpret_cast<u32*>(filter)[i] = bf16_pair(pair[0], pair[1]);
    }
}

KERNEL(256) conv_y_bf16_image(const float* x, const float* w, const void* extra, void* y, Conv p) {
    begin_kernel();
    ALIGNED_SHARED(uint4, filter, IMAGE_TAPS * 4 * WARP);
    const u32 base = blockIdx.y * IMAGE_CHANNELS, lane = threadIdx.x % WARP, row = lane / 4, tap = lane % 4;
    image_filter(filter, w, base, p);
    __syncthreads();
    const u32 groups = (p.ow + 15) / 16, warps = IMAGE_THREADS / WARP;
    for (u32 i = blockIdx.x * warps + threadIdx.x / WARP; i < p.n * p.oh * groups; i += gridDim.x * warps) {
        const u32 line = i / groups, first = i % groups * 16 + row, image = line / p.oh, oy = line % p.oh;
        // Where a lane's tap sees its pixels.
        u32 at[2];
        UNROLL for (u32 half = 0; half < 2; ++half)
            at[half] = tap < p.kw ? wrapped((first + 8 * half) * p.sw - p.pw + tap, p.w, p) : BEYOND;
        float sum[8][4] = {};
        ROLLED for (u32 ky = 0; ky < p.kh; ++ky) {
            const u32 from = seen_row(oy, ky, p);
            if (from >= p.h) continue;  // a whole warp at once
            u32 a[4];
            UNROLL for (u32 half = 0; half < 2; ++half) {
                const float* const pixel = x + ((image * p.h + from) * p.w + at[half]) * p.ci;
                float v[4];
                UNROLL for (u32 c = 0; c < 4; ++c) v[c] = at[half] < p.w && c < p.ci ? pixel[c] : 0.0f;
                a[half] = bf16_pair(v[0], v[1]), a[2 + half] = bf16_pair(v[2], v[3]);
            }
            UNROLL for (u32 quad = 0; quad < 4; ++quad) {
                const uint4 b = filter[(ky * 4 + quad) * WARP + lane];
                mma_bf16(sum[2 * quad], a, b.x, b.y);
                mma_bf16(sum[2 * quad + 1], a, b.z, b.w);
            }
        }
        UNROLL for (u32 m = 0; m < 2; ++m) UNROLL for (u32 half = 0; half < 2; ++half) {
            const u32 pixel = first + 8 * m, channel = base + 16 * tap + 8 * half;
            if (pixel >= p.ow || channel >= p.co) continue;
            float v[8];
            UNROLL for (u32 k = 0; k < 8; ++k) v[k] = sum[4 * half + k / 2][2 * m + k % 2];
            put_eight(y, extra, (line * p.ow + pixel) * p.co + channel, channel, v, p);
        }
    }
}

// ---- leg w: rows are (kx, ci) of one row of taps, k is pixels, four a lane, eight channels a column -------------

// What a lane multiplies next of g, STAGES - 1 steps of 16 pixels ahead: only itself reads what it copies.
template <typename Group, u32 STAGES>
struct Queue {
    enum { PARTS = 8 / Count<Group>::OF };
    const Group* g;
    uint4* memory;
    const Conv* p;
    u32 line, end, pixel, channel;  // the row of all of y, that beyond the last, the first pixel in it

    MEMBER static u32 slot(u32 stage, u32 i, u32 part) {
        return ((stage * 4 + i) * PARTS + part) * IMAGE_THREADS + threadIdx.x;
    }
    // Every fourth of 16 pixels, from the lane's on; then on to the next 16, of the fourth row from here after the last.
    MEMBER void send(u32 stage) {
        const u32 first = (line * p->ow + pixel) * p->co + channel;
        UNROLL for (u32 i = 0; i < 4; ++i) UNROLL for (u32 part = 0; part < PARTS; ++part) {
            const bool there = line < end && pixel + 4 * i < p->ow && channel < p->co;
            const u32 at = (first + 4 * i * p->co) / Count<Group>::OF + part;
            copy_async_cached(memory + slot(stage, i, part), g + (there ? at : 0), there ? 16 : 0);
        }
        copy_commit();
        pixel += 16;
        if (pixel - threadIdx.x % 4 >= p->ow) pixel = threadIdx.x % 4, line += 4;
    }
    // The words of the i-th pixel's channels.
    MEMBER void read(u32 stage, u32 i, u32 (&to)[4]) const {
        const uint4 v = memory[slot(stage, i, 0)];
        to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
        if (PARTS == 1) return;
        const uint4 next = memory[slot(stage, i, PARTS - 1)];
        const u32 all[8] = {v.x, v.y, v.z, v.w, next.x, next.y, next.z, next.w};
        UNROLL for (u32 k = 0; k < 4; ++k)
            to[k] = bf16_pair(__uint_as_float(all[2 * k]), __uint_as_float(all[2 * k + 1]));
    }
};

template <typename Group, u32 STAGES>
DEVICE void image_w(const float* x, const Group* g, float* w, const Conv& p) {
    DYNAMIC_SHARED(uint4, memory);
    const u32 lane = threadIdx.x % WARP, row = lane / 4, warp = threadIdx.x / WARP, share = warp / 2;
    const u32 base = blockIdx.y * IMAGE_CHANNELS, ky = warp % 2 * 2;
    const u32 rows = p.piece / p.ow, begin = blockIdx.x * rows, end = least(begin + rows, p.n * p.oh);
    Queue<Group, STAGES> queue = {g, memory, &p, begin + share, end, lane % 4, base + 8 * row};
    UNROLL for (u32 stage = 0; stage + 1 < STAGES; ++stage) queue.send(stage);
    // From a pixel of y to what a lane's tap and channel see, of two taps.
    const u32 channel = row % 4, kx = row / 4;
    u32 right[2];
    UNROLL for (u32 half = 0; half < 2; ++half)
        right[half] = unknown(channel < p.ci && kx + 2 * half < p.kw ? lane % 4 * p.sw + kx + 2 * half - p.pw : BEYOND);
    float sum[2][8][4] = {};
    u32 stage = 0;
    for (u32 line = begin + share; line < end; line += 4) {
        const u32 image = line / p.oh, oy = line % p.oh;
        // Where rows of x begin, and their width; 0 of one that is none.
        u32 source[2], width[2];
        UNROLL for (u32 k = 0; k < 2; ++k) {
            const u32 from = seen_row(oy, ky + k, p);
            width[k] = from < p.h && ky + k < p.kh ? p.w : 0;
            source[k] = (image * p.h + from) * p.w * p.ci + channel;
        }
        ROLLED for (u32 first = 0; first < p.ow; first += 16) {
            queue.send((stage + STAGES - 1) % STAGES);
            float v[2][4][2];
            UNROLL for (u32 i = 0; i < 4; ++i) UNROLL for (u32 half = 0; half < 2; ++half) {
                const u32 column = wrapped((first + 4 * i) * p.sw + right[half], p.w, p), at = column * p.ci;
                UNROLL for (u32 k = 0; k < 2; ++k) v[k][i][half] = column < width[k] ? x[source[k] + at] : 0.0f;
            }
            copy_wait<STAGES - 1>();
            u32 words[4][4];
            UNROLL for (u32 i = 0; i < 4; ++i) queue.read(stage, i, words[i]);
            u32 a[2][4];
            UNROLL for (u32 k = 0; k < 2; ++k) UNROLL for (u32 half = 0; half < 2; ++half)
                UNROLL for (u32 i = 0; i < 4; i += 2) a[k][half + i] = bf16_pair(v[k][i][half], v[k][i + 1][half]);
            UNROLL for (u32 j = 0; j < 8; ++j) {
                u32 b[2];
                UNROLL for (u32 i = 0; i < 2; ++i) {
                    const u32 one = words[2 * i][j / 2], next = words[2 * i + 1][j / 2];
                    b[i] = j % 2 ? upper_halves(one, next) : lower_halves(one, next);
                }
                UNROLL for (u32 k = 0; k < 2; ++k) mma_bf16(sum[k][j], a[k], b[0], b[1]);
            }
            stage = (stage + 1) % STAGES;
        }
    }
    copy_wait<0>();
    __syncthreads();
    // The sums of all four shares, as fragments: [ky, 8, lane].
    float4* const total = reinterpret_cast<float4*>(memory);
    for (u32 turn = 0; turn < 4; ++turn) {
        UNROLL for (u32 k = 0; k < 2; ++k) UNROLL for (u32 j = 0; j < 8; ++j) {
            if (share != turn) continue;
            float4* const to = total + ((ky + k) * 8 + j) * WARP + lane;
            const float4 old = turn > 0 ? *to : no_four();
            *to = make_float4(old.x + sum[k][j][0], old.y + sum[k][j][1], old.z + sum[k][j][2], old.w + sum[k][j][3]);
        }
        __syncthreads();
    }
    w += (u64)blockIdx.x * p.kh * p.kw * p.ci * p.co;
    for (u32 i = threadIdx.x; i < p.kh * p.kw * p.ci * IMAGE_CHANNELS; i += IMAGE_THREADS) {
        const u32 channel = i % IMAGE_CHANNELS, number = i / IMAGE_CHANNELS, tap = number / p.ci, kx = tap % p.kw;
        const u32 column = channel / 8, of = (kx % 2 * 4 + number % p.ci) * 4 + column / 2;
        const u32 at = ((tap / p.kw * 8 + channel % 8) * WARP + of) * 4 + kx / 2 * 2 + column % 2;
        if (base + channel < p.co) w[number * p.co + base + channel] = reinterpret_cast<float*>(total)[at];
    }
}

KERNEL(256) conv_w_bf16_image(const float* x, const float4* g, float* w, Conv p) {
    begin_kernel();
    image_w<float4, 2>(x, g, w, p);
}
KERNEL(256) conv_w_stored_bf16_image(const float* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    image_w<uint4, 4>(x, g, w, p);
}
