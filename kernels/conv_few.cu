// Legs y and x of a convolution whose result has up to 8 channels, in full single precision.
//
// Formula: as conv.cu. Tiles of a product have 64 columns at least; here a thread keeps all channels
// of its pixels.
// Launch: a tile of 16 x 32 pixels of one image (of one parity class of leg x) a block, four pixels a
// thread, 128 threads; grid x runs over classes, then tiles, then images, so that the classes of a
// place share what they read in cache. Eight channels of the source at a time lie in shared memory
// (dynamic: 48 B a place of the tile and its rim, and the filter). Leg y at a stride, and taps that
// shared memory does not hold: a warp per pixel, 256 threads.
// Traffic: the source once a class and tile, a few per cent more for rims; bound by memory, where the
// source has many channels by shared memory (20 cycles for 16 of multiply-adds).
// Order: eight channels, tap by tap, channel by channel, then the next eight; of the warp per pixel
// every 32nd term, then lanes.
#include "conv_stores.cuh"

#define FEW_ROWS 16
#define FEW_COLUMNS 32
#define FEW_CHANNELS 8
// Numbers from one place to the next in shared memory: eight threads then read all banks once.
#define FEW_STEP 12
#define FEW_THREADS 128
// Pixels of a thread, and how far they are apart.
#define FEW_PIXELS 4
#define FEW_APART (FEW_COLUMNS / FEW_PIXELS)

// A leg as a plain correlation: the result at (row, column) meets the sources from there on, as many as
// there are taps. Everything lies at even steps, which count modulo 2^32.
struct Few {
    u32 rows, columns;            // results of the tile that there are
    u32 taps_y, taps_x;
    u32 height, width, channels;  // of the source
    u32 line, top, left;          // row of the source that the image begins at; the tile's corner in it
    u32 weight, weight_y, weight_x, weight_channel, weight_output;
    u32 pixel, pixel_y, pixel_x;  // of the result
    u32 outputs;                  // channels of the result
};

// The first row and column of this block's tile, and its image.
struct FewTile {
    u32 image, row, column;

    MEMBER FewTile(u32 block, u32 rows, u32 columns) {
        const u32 across = (columns + FEW_COLUMNS - 1) / FEW_COLUMNS, down = (rows + FEW_ROWS - 1) / FEW_ROWS;
        column = block % across * FEW_COLUMNS;
        row = block / across % down * FEW_ROWS;
        image = block / across / down;
    }
};

// How many of the tile's results there are along an axis.
DEVICE u32 few_left(u32 extent, u32 first) { return extent > first ? extent - first : 0; }

// Leg y at stride 1: results are the pixels of y.
DEVICE Few few_y(const Conv& p) {
    const FewTile tile(blockIdx.x, p.oh, p.ow);
    Few leg;
    leg.rows = few_left(p.oh, tile.row), leg.columns = few_left(p.ow, tile.column);
    leg.taps_y = p.kh, leg.taps_x = p.kw;
    leg.height = p.h, leg.width = p.w, leg.channels = p.ci, leg.outputs = p.co;
    leg.line = tile.image * p.h, leg.top = tile.row - p.ph, leg.left = tile.column - p.pw;
    leg.weight = 0, leg.weight_y = p.kw * p.ci * p.co, leg.weight_x = p.ci * p.co;
    leg.weight_channel = p.co, leg.weight_output = 1;
    leg.pixel = (tile.image * p.oh + tile.row) * p.ow + tile.column, leg.pixel_y = p.ow, leg.pixel_x = 1;
    return leg;
}

// Leg x: results are the pixels of one class of x, met by the class's taps from last to first.
DEVICE Few few_x(const Conv& p) {
    const u32 sh = p.sh, sw = p.sw, classes = sh * sw;
    const Parity parity(p, blockIdx.x % classes);
    // Every class has the tiles of the largest.
    const FewTile tile(blockIdx.x / classes, (p.h + sh - 1) / sh, (p.w + sw - 1) / sw);
    const u32 y = parity.py + sh * tile.row, x = parity.px + sw * tile.column;
    const u32 last_y = parity.taps_y - 1, last_x = parity.taps_x - 1;
    Few leg;
    leg.rows = few_left(parity.height, tile.row), leg.columns = few_left(parity.width, tile.column);
    leg.taps_y = parity.taps_y, leg.taps_x = parity.taps_x;
    leg.height = p.oh, leg.width = p.ow, leg.channels = p.co, leg.outputs = p.ci;
    leg.line = tile.image * p.oh;
    leg.top = (y + p.ph - parity.ky0) / sh - last_y, leg.left = (x + p.pw - parity.kx0) / sw - last_x;
    const u32 tap = p.ci * p.co, row = p.kw * tap;
    leg.weight = (parity.ky0 + sh * last_y) * row + (parity.kx0 + sw * last_x) * tap;
    leg.weight_y = 0 - sh * row, leg.weight_x = 0 - sw * tap, leg.weight_channel = 1, leg.weight_output = p.co;
    leg.pixel = (tile.image * p.h + y) * p.w + x, leg.pixel_y = sh * p.w, leg.pixel_x = sw;
    return leg;
}

// Eight channels from `first` of the sources that the tile meets, [place, FEW_STEP]; a warp a row.
DEVICE void few_source(const Few& leg, const float* source, u32 first, float* tile, const Conv& p) {
    const u32 across = FEW_COLUMNS + leg.taps_x - 1, lane = threadIdx.x % WARP, channel = first + lane % 2 * 4;
    float* to = tile + (threadIdx.x / WARP * across + lane / 2) * FEW_STEP + lane % 2 * 4;
    for (u32 row = threadIdx.x / WARP; row < FEW_ROWS + leg.taps_y - 1; row += FEW_THREADS / WARP) {
        const u32 y = wrapped(leg.top + row, leg.height, p);
        const float* const line = source + (u64)(leg.line + y) * leg.width * leg.channels;
        ROLLED for (u32 column = lane / 2; column < across; column += WARP / 2) {
            const u32 x = wrapped(leg.left + column, leg.width, p);
            const bool inside = y < leg.height && x < leg.width && channel < leg.channels;
            *reinterpret_cast<float4*>(to + (column - lane / 2) * FEW_STEP) =
                inside ? four_of(line + x * leg.channels, channel, leg.channels) : no_four();
        }
        to += FEW_THREADS / WARP * across * FEW_STEP;
    }
}

// All taps of these channels, [tap, FEW_CHANNELS, OUTPUTS].
template <u32 OUTPUTS>
DEVICE void few_filter(const Few& leg, const float* w, u32 first, float* filter) {
    ROLLED for (u32 i = threadIdx.x; i < leg.taps_y * leg.taps_x * FEW_CHANNELS * OUTPUTS; i += FEW_THREADS) {
        const u32 output = i % OUTPUTS, channel = first + i / OUTPUTS % FEW_CHANNELS;
        const u32 tap = i / OUTPUTS / FEW_CHANNELS, y = tap / leg.taps_x, x = tap - y * leg.taps_x;
        const u32 at = leg.weight + y * leg.weight_y + x * leg.weight_x;
        filter[i] = output < leg.outputs && channel < leg.channels
                        ? w[at + channel * leg.weight_channel + output * leg.weight_output]
                        : 0.0f;
    }
}

template <u32 OUTPUTS>
DEVICE void few(const Few& leg, const float* source, const float* w, const float* extra, float* result, const Conv& p) {
    if (leg.rows == 0 || leg.columns == 0) return;  // a whole block at once
    DYNAMIC_SHARED(float, tile);
    const u32 across = FEW_COLUMNS + leg.taps_x - 1;
    float* const filter = tile + (FEW_ROWS + leg.taps_y - 1) * across * FEW_STEP;
    const u32 row = threadIdx.x / FEW_APART, column = threadIdx.x % FEW_APART;
    // How many results this thread has, the first of them, and how far they are apart.
    const u32 mine = row < leg.rows && column < leg.columns ? (leg.columns - column + FEW_APART - 1) / FEW_APART : 0;
    const u32 pixel = leg.pixel + row * leg.pixel_y + column * leg.pixel_x, apart = FEW_APART * leg.pixel_x;
    float sum[FEW_PIXELS][OUTPUTS] = {};
    for (u32 first = 0; first < leg.channels; first += FEW_CHANNELS) {
        few_source(leg, source, first, tile, p);
        few_filter<OUTPUTS>(leg, w, first, filter);
        __syncthreads();
        const float* by = filter;
        for (u32 y = 0; y < leg.taps_y; ++y)
            for (u32 x = 0; x < leg.taps_x; ++x, by += FEW_CHANNELS * OUTPUTS) {
                const float* const from = tile + ((row + y) * across + column + x) * FEW_STEP;
                UNROLL for (u32 quad = 0; quad < FEW_CHANNELS; quad += 4) {
                    float four[FEW_PIXELS][4];
                    UNROLL for (u32 i = 0; i < FEW_PIXELS; ++i) {
                        const float4 v = *reinterpret_cast<const float4*>(from + i * FEW_APART * FEW_STEP + quad);
                        four[i][0] = v.x, four[i][1] = v.y, four[i][2] = v.z, four[i][3] = v.w;
                    }
                    UNROLL for (u32 k = 0; k < 4; ++k) {
                        UNROLL for (u32 c = 0; c < OUTPUTS; c += 4) {
                            const float4 v = *reinterpret_cast<const float4*>(by + (quad + k) * OUTPUTS + c);
                            UNROLL for (u32 i = 0; i < FEW_PIXELS; ++i) {
                                sum[i][c] += four[i][k] * v.x, sum[i][c + 1] += four[i][k] * v.y;
                                sum[i][c + 2] += four[i][k] * v.z, sum[i][c + 3] += four[i][k] * v.w;
                            }
                        }
                    }
                }
            }
        __syncthreads();
    }
    const Fours<u64> to = {result, extra, &p, leg.outputs};
    float4 needs[OUTPUTS / 4];
    UNROLL for (u32 c = 0; c < OUTPUTS; c += 4) needs[c / 4] = to.column(c);
    UNROLL for (u32 i = 0; i < FEW_PIXELS; ++i) {
        if (i >= mine) break;
        const u64 start = (u64)(pixel + i * apart) * leg.outputs;
        UNROLL for (u32 c = 0; c < OUTPUTS; c += 4) {
            const float4 four = make_float4(sum[i][c], sum[i][c + 1], sum[i][c + 2], sum[i][c + 3]);
            if (c < leg.outputs) finish(to, start, c, four, needs[c / 4]);
        }
    }
}

KERNEL(128) conv_y_few_4(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    few<4>(few_y(p), x, w, extra, y, p);
}
KERNEL(128) conv_y_few_8(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    few<8>(few_y(p), x, w, extra, y, p);
}
KERNEL(128) conv_x_few_4(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    few<4>(few_x(p), g, w, extra, x, p);
}
KERNEL(128) conv_x_few_8(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    few<8>(few_x(p), g, w, extra, x, p);
}

// ---- a warp per pixel ------------------------------------------------------------------------

#define FEW 8

// A warp per output pixel with up to 8 channels: lanes share the taps and input channels.
KERNEL(256) conv_y_few(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
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
    UNROLL for (u32 c = 0; c < FEW; ++c)
        if (c < p.co) sum[c] = warp_sum(sum[c]);
    const u32 c = 4 * lane;
    if (c >= p.co) return;
    const float4 four = lane ? make_float4(sum[4], sum[5], sum[6], sum[7]) : make_float4(sum[0], sum[1], sum[2], sum[3]);
    const FoursY<u64> to(y, extra, p);
    finish(to, pixel * p.co, c, four, to.column(c));
}
