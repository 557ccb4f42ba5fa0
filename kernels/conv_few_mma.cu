// Leg x of a convolution whose result has up to 8 channels, on tensor cores, in tf32 and bf16.
//
// Formula: as conv.cu, with both factors of every product rounded to 11 (tf32) or 8 (bf16) bits; sums and results are
// single precision.
// Two sums, one after the other. Of every row of g that meets a row of x, all taps and channels of the filter's row
// times each column: [KW CI, CO] [CO, columns of g], so that neither a stride nor few channels leave a product of
// zeros. Then a number of x sums what the columns beside it have for it.
// Needs: compute capability 8.0; CO a multiple of eight, of four in tf32; at most 32 numbers in a stride's columns of x;
// tensors of fewer than 2^32 numbers. Others take conv_few.cu.
// Launch: a warp computes a row of x in 64 strides of columns, eight rows a block (256), whose rows share what they
// read in cache; grid x runs over rows, then images, grid y over the strips of a row. The second sum goes through
// shared memory (dynamic: 4 KW CI B a column of g and warp, and a rim), which only the warp's own lanes share.
// Traffic: g once, 4 B a number, or 2 where it is stored so, and x; bound by memory.
// Order: taps of a column from first to last, with channels in the order of the instructions; then along the row.
// Source: PTX ISA, "Matrix multiply-accumulate operation using mma instruction". Which channels an mma takes
// together is free where both factors agree: a lane reads eight (tf32: four) neighbours of them at once, for two mma, and
// no factor goes through shared memory.
#include "conv_stores.cuh"
#include "slices.cuh"

#define FEW_WARPS 8
// Strides of x in a strip: as many columns of g, but for the rim.
#define FEW_STRIDES 64
// Numbers of the filter's row that a warp multiplies at a time, by 8 EIGHTS columns of g.
#define FEW_NUMBERS 16

// What a lane reads at once as four words of fragments: the at-th eight numbers in bf16, or four in tf32.
struct FewBf16 {
    enum { GROUP = 8 };
    DEVICE uint4 at(const uint4* from, u32 at) { return from[at]; }
    DEVICE uint4 at(const float4* from, u32 at) {
        const uint2 low = bf16_four(from[2 * at]), high = bf16_four(from[2 * at + 1]);
        return make_uint4(low.x, low.y, high.x, high.y);
    }
    DEVICE void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) { mma_bf16(sum, a, b0, b1); }
};
struct FewTf32 {
    enum { GROUP = 4 };
    DEVICE uint4 at(const float4* from, u32 at) { return tf32_four(from[at]); }
    DEVICE void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) { mma_tf32(sum, a, b0, b1); }
};

// A warp's part of x: the columns from `first` to `last` of a row, and the columns of g that they meet, from `left`
// on, counted modulo 2^32.
struct Strip {
    u32 image, y, first, last, left, columns;

    MEMBER explicit Strip(const Conv& p) {
        const u32 stride = p.sw, down = (p.h + FEW_WARPS - 1) / FEW_WARPS;
        image = blockIdx.x / down, y = blockIdx.x % down * FEW_WARPS + threadIdx.x / WARP;
        first = blockIdx.y * FEW_STRIDES * stride, last = least(first + FEW_STRIDES * stride, p.w) - 1;
        left = (first + p.pw + stride * (p.kw + 1) - p.kw) / stride - p.kw;
        u32 right = (last + p.pw) / stride;
        if (!p.periodic) left = (i32)left < 0 ? 0 : left, right = least(right, p.ow - 1);
        columns = (i32)(right - left) < 0 ? 0 : right - left + 1;
    }
};

// Numbers from one row of the first sums to the next: columns of g that a strip meets at most. All lanes' pairs then
// lie in different banks.
DEVICE u32 few_step(const Conv& p) {
    const u32 most = (least(FEW_STRIDES * p.sw, p.w) + p.kw - 2) / p.sw + 1;
    return ((p.periodic ? most : least(most, p.ow)) + 7) / 8 * 8 | 8;
}

// The first sums of the columns of g from `from` on, for the numbers of the filter's row from n on. What lies beyond
// the strip or the row is read from within and left out: no other sum has a part of it.
template <typename Number, u32 EIGHTS, typename Group, typename Filter>
DEVICE void few_columns(const Strip& strip, const Group* g, const Filter* w, u32 from, u32 n, float* to, const Conv& p) {
    const u32 lane = threadIdx.x % WARP, row = lane / 4, groups = p.co / Number::GROUP, numbers = p.kw * p.ci;
    // Where a lane's columns begin in a row of g, and its numbers in one of the filter.
    u32 at[EIGHTS], by[2];
    UNROLL for (u32 i = 0; i < EIGHTS; ++i) {
        const u32 column = strip.left + least(from + 8 * i + row, strip.columns - 1);
        at[i] = unknown(least(wrapped(column, p.ow, p), p.ow - 1) * groups);
    }
    UNROLL for (u32 half = 0; half < 2; ++half) by[half] = unknown(least(n + 8 * half + row, numbers - 1) * groups);
    float sum[EIGHTS][4] = {};
    u32 ky = (strip.y + p.ph) % p.sh, line = (strip.y + p.ph) / p.sh;
    for (; ky < p.kh; ky += p.sh, --line) {
        const u32 place = wrapped(line, p.oh, p);
        if (place >= p.oh) continue;  // a whole warp at once
        const u32 source = (strip.image * p.oh + place) * p.ow * groups, filter = ky * numbers * groups;
        ROLLED for (u32 k = 0; k < groups; k += 4) {
            const bool there = k + lane % 4 < groups;
            const u32 mine = there ? k + lane % 4 : 0;
            uint4 a[2], b[EIGHTS];
            UNROLL for (u32 i = 0; i < EIGHTS; ++i) b[i] = Number::at(g, source + mine + at[i]);
            UNROLL for (u32 half = 0; half < 2; ++half) a[half] = Number::at(w, filter + mine + by[half]);
            if (k + 4 > groups) {  // a whole warp at once: some lanes are past the last channel
                UNROLL for (u32 i = 0; i < EIGHTS; ++i) b[i] = there ? b[i] : make_uint4(0, 0, 0, 0);
                UNROLL for (u32 half = 0; half < 2; ++half) a[half] = there ? a[half] : make_uint4(0, 0, 0, 0);
            }
            const u32 first[4] = {a[0].x, a[1].x, a[0].y, a[1].y}, second[4] = {a[0].z, a[1].z, a[0].w, a[1].w};
            UNROLL for (u32 i = 0; i < EIGHTS; ++i) Number::multiply(sum[i], first, b[i].x, b[i].y);
            UNROLL for (u32 i = 0; i < EIGHTS; ++i) Number::multiply(sum[i], second, b[i].z, b[i].w);
        }
    }
    const u32 step = few_step(p);
    to += (n + row) * step + from + lane % 4 * 2;
    UNROLL for (u32 i = 0; i < EIGHTS; ++i) {
        if (from + 8 * i >= strip.columns) break;  // a whole warp at once
        UNROLL for (u32 half = 0; half < 2; ++half) {
            const float2 pair = make_float2(sum[i][2 * half], sum[i][2 * half + 1]);
            if (n + 8 * half + row < numbers) *reinterpret_cast<float2*>(to + 8 * half * step + 8 * i) = pair;
        }
    }
}

// The second sums, and what is done to them. Lanes take all numbers of some strides of x together, a lane always the
// same of them, four times at once.
DEVICE void few_row(const Strip& strip, const float* sums, const float* extra, float* x, const Conv& p) {
    const u32 lane = threadIdx.x % WARP, stride = p.sw, step = few_step(p);
    const u32 strides = WARP / (stride * p.ci), numbers = strides * stride * p.ci;
    if (lane >= numbers) return;
    const u32 column = lane / p.ci, channel = lane - column * p.ci;
    u32 source = (strip.first + column + p.pw) / stride;
    const u32 tap = strip.first + column + p.pw - source * stride;
    source -= strip.left;
    const bool biased = p.activate == 1 || p.activate == 2, masked = p.activate == GATED;
    const float bias = biased ? extra[channel] : -0.0f, slope = p.activate >= 2 ? p.slope : 1.0f;
    const u32 begin = ((strip.image * p.h + strip.y) * p.w + strip.first) * p.ci;
    const u32 end = begin + (strip.last + 1 - strip.first) * p.ci;
    sums += (tap * p.ci + channel) * step;
    for (u32 i = begin + lane; i < end; i += 4 * numbers, source += 4 * strides) {
        float sum[4] = {};
        const float* from = sums;
        u32 at = source;
        for (u32 kx = tap; kx < p.kw; kx += stride, --at, from += stride * p.ci * step)
            UNROLL for (u32 j = 0; j < 4; ++j)
                sum[j] += at + j * strides < strip.columns ? from[at + j * strides] : 0.0f;
        UNROLL for (u32 j = 0; j < 4; ++j) {
            const u32 to = i + j * numbers;
            if (to >= end) break;
            const float value = sum[j] + bias, sign = masked ? extra[to] : value;
            x[to] = sign > 0.0f ? value : slope * value;
        }
    }
}

template <typename Number, u32 EIGHTS, typename Group, typename Filter>
DEVICE void few(const Group* g, const Filter* w, const float* extra, float* x, const Conv& p) {
    const Strip strip(p);
    if (strip.y >= p.h) return;  // a whole warp at once
    DYNAMIC_SHARED(float, memory);
    float* const sums = memory + threadIdx.x / WARP * (p.kw * p.ci * few_step(p));
    for (u32 from = 0; from < strip.columns; from += 8 * EIGHTS)
        for (u32 n = 0; n < p.kw * p.ci; n += FEW_NUMBERS) few_columns<Number, EIGHTS>(strip, g, w, from, n, sums, p);
    __syncwarp();
    few_row(strip, sums, extra, x, p);
}

KERNEL(256) conv_x_bf16_few(const float4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    few<FewBf16, 5>(g, w, extra, x, p);
}
KERNEL(256) conv_x_stored_bf16_few(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    few<FewBf16, 8>(g, w, extra, x, p);
}
KERNEL(256) conv_x_tf32_few(const float4* g, const float4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    few<FewTf32, 8>(g, w, extra, x, p);
}
