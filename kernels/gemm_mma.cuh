// A matrix product on tensor cores, whose operands say for themselves where their numbers lie: the
// core of matmul and of all legs of a convolution in tf32 and bf16. Compute capability 8.0.
//
// C [M, N] = A [M, K] B [K, N]. A block computes a tile of 128 x 128, 128 x 64 or 64 x 64 by
// mma.sync, each warp a part of it. K goes by slices of 64 bytes through shared memory:
//   tf32: 4 warps; 16 numbers of 32 bits, copied by cp.async two slices ahead (three in
//         memory) and rounded to nearest on the way into the multiplier, which large parts make
//         rarer;
//   bf16: 8 warps; 32 numbers, loaded as 32 bits one slice ahead into registers, rounded to
//         nearest, stored as 16 bits (two slices in memory). More warps, since those registers are
//         shared out among them;
//   bf16 in memory already: 8 warps; 32 numbers, copied by cp.async as those of tf32.
// Global memory holds single precision otherwise, but for the filters of bf16, which are rounded once for all.
// An operand's slice keeps the order of its memory: rows of 64 bytes of k (along_k), or for each k
// a row of the tile's outer index. Chunks of 16 bytes change places within their row (`place`), so
// that copies, ldmatrix and plain loads of a fragment each touch all 32 banks once.
// Sums run over k from first to last in the order of the instructions, in registers.
//
// Groups of operands are whole (gemm.cuh).
#pragma once
#include "slices.cuh"

// ---- from shared memory to the multiplier --------------------------------------------------

// Which operand of mma a fragment is. It says which half of 16 outer indices and of 32 bytes of k
// each word holds: of a, outer first, as one mma takes them; of b, k first, for two mma side by side.
struct AsA {
    DEVICE u32 outer_half(u32 word) { return word % 2; }
    DEVICE u32 k_half(u32 word) { return word / 2; }
};
struct AsB {
    DEVICE u32 outer_half(u32 word) { return word / 2; }
    DEVICE u32 k_half(u32 word) { return word % 2; }
};

// 16 outer indices from `outer` and 32 bytes of k: the first (0) or second (1) of a slice.
template <typename As, typename Number, u32 TILE, bool along_k>
DEVICE void fragment(const u8* slice, u32 outer, u32 part, u32 (&f)[4]) {
    const u32 lane = threadIdx.x % WARP, half = Number::SLICE / 4, first = 2 * half * part;
    // The 8 x 16 bytes of a word begin at (outer + 8 outer_half, first + half k_half).
    const u32 m = outer + 8 * As::outer_half(lane / 8), k = first + half * As::k_half(lane / 8);
    if (along_k) {
        ldmatrix(f, slice + Place<Number>::template of<TILE, along_k>(m + lane % 8, k));
    } else if (Number::BYTES == 2) {
        ldmatrix_transposed(f, slice + Place<Number>::template of<TILE, along_k>(m, k + lane % 8));
    } else {
        UNROLL for (u32 word = 0; word < 4; ++word) {
            const u32 row = outer + 8 * As::outer_half(word) + lane / 4;
            const u32 depth = first + half * As::k_half(word) + lane % 4;
            f[word] = *reinterpret_cast<const u32*>(slice + Place<Number>::template of<TILE, along_k>(row, depth));
        }
    }
    if (Number::BYTES == 4) {
        UNROLL for (u32 word = 0; word < 4; ++word) f[word] = tf32_of(__uint_as_float(f[word]));
    }
}

// Stores 16 rows from m on, eight columns after eight columns from n on, as a warp holds them after mma. Neighbouring
// lanes exchange halves of two times eight columns first, so that a lane has four numbers in a row, and four lanes 64
// bytes. Gates are read a row ahead.
template <u32 CHUNKS, typename Store>
DEVICE void store_rows(const float (&sum)[CHUNKS][4], const Store& to, u32 m, u32 n, u32 columns) {
    const u32 lane = threadIdx.x % WARP, odd = lane % 2;
    m += lane / 4, n += odd * 8 + lane % 4 / 2 * 4;
    float4 needs[CHUNKS / 2], gates[CHUNKS / 2];
    UNROLL for (u32 j = 0; j < CHUNKS / 2; ++j) needs[j] = to.column(n + 16 * j);
    UNROLL for (u32 half = 0; half < 2; ++half) {
        const typename Store::Offset start = to.start(m + 8 * half), none = nowhere<typename Store::Offset>();
        if (to.is_gated() && start != none)
            UNROLL for (u32 j = 0; j < CHUNKS / 2; ++j)
                if (n + 16 * j < columns) gates[j] = to.gate(start, n + 16 * j);
        UNROLL for (u32 j = 0; j < CHUNKS / 2; ++j) {
            const float* const first = sum[2 * j] + half * 2;
            const float* const second = sum[2 * j + 1] + half * 2;
            const float x = __shfl_xor_sync(FULL_WARP, odd ? first[0] : second[0], 1);
            const float y = __shfl_xor_sync(FULL_WARP, odd ? first[1] : second[1], 1);
            const float4 four = odd ? make_float4(x, y, second[0], second[1]) : make_float4(first[0], first[1], x, y);
            if (start != none && n + 16 * j < columns) to.put(start, n + 16 * j, four, needs[j], gates[j]);
        }
    }
}

// The part of a tile that one warp computes: UM x UN units of 16 x 16. Parts are as square as may be.
template <typename Number, u32 ROWS, u32 COLUMNS>
struct Part {
    enum {
        WARPS = (u32)Number::THREADS / WARP,
        ACROSS = ROWS > COLUMNS ? 2 : WARPS / 2,  // warps along a row of the tile
        UM = ROWS / 16 / (WARPS / ACROSS),
        UN = COLUMNS / 16 / ACROSS
    };
    float sum[UM][2 * UN][4];

    MEMBER Part() {
        UNROLL for (u32 i = 0; i < UM; ++i)
            UNROLL for (u32 j = 0; j < 2 * UN; ++j) UNROLL for (u32 k = 0; k < 4; ++k) sum[i][j][k] = 0.0f;
    }
    MEMBER static u32 row() { return threadIdx.x / WARP / ACROSS * (16 * UM); }
    MEMBER static u32 column() { return threadIdx.x / WARP % ACROSS * (16 * UN); }

    template <bool a_along_k, bool b_along_k>
    MEMBER void multiply(const u8* slice_a, const u8* slice_b) {
        UNROLL for (u32 k = 0; k < 2; ++k) {
            u32 a[UM][4], b[UN][4];
            UNROLL for (u32 i = 0; i < UM; ++i)
                fragment<AsA, Number, ROWS, a_along_k>(slice_a, row() + 16 * i, k, a[i]);
            UNROLL for (u32 j = 0; j < UN; ++j)
                fragment<AsB, Number, COLUMNS, b_along_k>(slice_b, column() + 16 * j, k, b[j]);
            UNROLL for (u32 i = 0; i < UM; ++i) UNROLL for (u32 j = 0; j < 2 * UN; ++j)
                Number::multiply(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }

    template <typename Store>
    MEMBER void store(const Store& to, u32 m, u32 n, u32 columns) const {
        UNROLL for (u32 i = 0; i < UM; ++i) store_rows(sum[i], to, m + row() + 16 * i, n + column(), columns);
    }
};

// ---- the loop over k -----------------------------------------------------------------------

// Bytes of one slice of both operands, in shared memory one after the other.
#define SLICES(rows, columns) (((rows) + (columns)) * SLICE_BYTES)

// Slices by cp.async, STAGES - 1 ahead. A barrier says both that all threads' copies of this slice
// have landed and that all warps have read the slice whose memory comes next.
template <typename Number, typename A, typename B, u32 ROWS, u32 COLUMNS>
DEVICE void walk_slices(Feed<Number, A, ROWS>& a, Feed<Number, B, COLUMNS>& b, Part<Number, ROWS, COLUMNS>& part,
                        u32 steps, u8* memory) {
    const u32 stages = Number::STAGES, second = ROWS * SLICE_BYTES, both = SLICES(ROWS, COLUMNS);
    UNROLL for (u32 step = 0; step < stages - 1; ++step) {
        if (step < steps) {
            a.send(memory + step * both);
            b.send(memory + step * both + second);
        }
        copy_commit();
    }
    u32 now = 0, next = stages - 1;
    for (u32 step = 0; step < steps; ++step) {
        copy_wait<stages - 2>();
        __syncthreads();
        if (step + stages - 1 < steps) {
            a.send(memory + next * both);
            b.send(memory + next * both + second);
        }
        copy_commit();
        part.template multiply<A::ALONG_K, B::ALONG_K>(memory + now * both, memory + now * both + second);
        now = now + 1 == stages ? 0 : now + 1;
        next = next + 1 == stages ? 0 : next + 1;
    }
}

// Slices through registers, one ahead.
template <typename A, typename B, u32 ROWS, u32 COLUMNS>
DEVICE void walk_slices(Feed<Bf16, A, ROWS>& a, Feed<Bf16, B, COLUMNS>& b, Part<Bf16, ROWS, COLUMNS>& part, u32 steps,
                        u8* memory) {
    const u32 second = ROWS * SLICE_BYTES, both = SLICES(ROWS, COLUMNS);
    typename A::Group held_a[Feed<Bf16, A, ROWS>::PASSES];
    typename B::Group held_b[Feed<Bf16, B, COLUMNS>::PASSES];
    if (steps > 0) {
        a.fetch(held_a);
        b.fetch(held_b);
        a.deposit(held_a, memory);
        b.deposit(held_b, memory + second);
    }
    __syncthreads();
    for (u32 step = 0; step < steps; ++step) {
        u8* const now = memory + step % 2 * both;
        u8* const next = memory + (step + 1) % 2 * both;
        if (step + 1 < steps) {
            a.fetch(held_a);
            b.fetch(held_b);
        }
        part.template multiply<A::ALONG_K, B::ALONG_K>(now, now + second);
        if (step + 1 < steps) {
            a.deposit(held_a, next);
            b.deposit(held_b, next + second);
        }
        __syncthreads();
    }
}

// The tile at (row, column) of A B over `depth` numbers k; `a` and `b` are at the first of them, over
// the memory at `data_a` and `data_b`.
// `conv_wgmma.cu` and its like have another for theirs.
template <typename Number>
struct Gemm {
    template <u32 ROWS, u32 COLUMNS, typename A, typename B, typename Store>
    DEVICE void tile(const A& a, const void* data_a, const B& b, const void* data_b, const Store& store, u32 row,
                     u32 column, u32 columns, u32 depth) {
        ALIGNED_SHARED(uint4, memory, Number::STAGES * SLICES(ROWS, COLUMNS) / 16);
        Feed<Number, A, ROWS> feed_a(a, data_a, row);
        Feed<Number, B, COLUMNS> feed_b(b, data_b, column);
        Part<Number, ROWS, COLUMNS> part;
        walk_slices(feed_a, feed_b, part, (depth + Number::SLICE - 1) / Number::SLICE, reinterpret_cast<u8*>(memory));
        part.store(store, row, column, columns);
    }
};
