// A matrix product by the tensor cores of compute capability 9.0: the core of the legs of a convolution there, of
// operands in bf16 here, and in tf32 in gemm_wgmma_tf32.cuh.
//
// C [M, N] = A [M, K] B [K, N], operands and stores as those of gemm.cuh. A block of two warpgroups computes a
// tile of ROWS x COLUMNS, each half of its rows, by wgmma. K goes by slices of 64 numbers through shared memory,
// which every thread helps to copy by cp.async, several ahead; a slice's products still run while the next slice's
// begin, so that one more slice is held.
// An operand's slice is of atoms of eight rows of 128 bytes, as wgmma reads them: rows of k (along_k), or for each
// k a row of 64 outer indices. Chunks of 16 bytes change places within eight rows, which is the tensor cores' own
// swizzle: copies and products touch all banks once.
// Sums run over k from first to last, sixteen at a time, in registers.
#pragma once
#include "slices.cuh"
#include "gemm_mma.cuh"
#ifdef __CUDACC__
#include "wgmma.cuh"
#else
#include "host/wgmma.hpp"
#endif

struct WideBf16 {
    typedef u32 Offset;
    typedef uint4 Group, Filter;
    enum { SLICE = 64, BYTES = 2, THREADS = 256 };
    template <bool a_along_k, bool b_along_k, u32 count>
    DEVICE void multiply(float (&sum)[count][4], u64 a, u64 b) { wgmma_bf16<a_along_k, b_along_k>(sum, a, b); }
};

#define ATOM_ROW 128
// Rows across k of an atom.
#define ATOM_OUTER 64

template <>
struct Place<WideBf16> {
    template <u32 TILE, bool along_k>
    DEVICE u32 of(u32 outer, u32 k) {
        const u32 row = along_k ? outer : outer / ATOM_OUTER * WideBf16::SLICE + k;
        const u32 across = along_k ? k : outer % ATOM_OUTER;
        return row * ATOM_ROW + (across / 8 ^ row % 8) * 16 + across % 8 * 2;
    }
};

// Parts of a slice that an instruction takes: 32 bytes of k.
#define PARTS 4

// The descriptor of the numbers of k that are the `part`th of a slice, from row `outer` on.
template <typename Number, bool along_k>
DEVICE u64 operand_of(const u8* slice, u32 outer, u32 part) {
    const u32 apart = (u32)Number::SLICE * ATOM_ROW;
    if (along_k) return wgmma_matrix(slice + outer * ATOM_ROW + part * 32, 0);
    return wgmma_matrix(slice + outer / ATOM_OUTER * apart + part * (apart / PARTS), apart);
}

// Slices in shared memory, by which the launch counts its bytes (src/device/gpu/conv/wide.rs): 192 KiB, for one block a
// multiprocessor or for two of the smallest tile.
#define WIDE_STAGES(rows, columns) ((rows) + (columns) == 256 ? 6 : 4)

// The part of a tile that a warpgroup computes: HIGH times 64 rows.
template <typename Number, u32 ROWS, u32 COLUMNS>
struct Wide {
    enum { HIGH = ROWS / 128, CHUNKS = COLUMNS / 8 };
    float sum[HIGH][CHUNKS][4];

    MEMBER Wide() {
        UNROLL for (u32 i = 0; i < HIGH; ++i)
            UNROLL for (u32 j = 0; j < CHUNKS; ++j) UNROLL for (u32 k = 0; k < 4; ++k) sum[i][j][k] = 0.0f;
    }
    MEMBER static u32 row() { return threadIdx.x / 128 * (64 * HIGH); }

    // Begins the products of a slice.
    template <bool a_along_k, bool b_along_k>
    MEMBER void multiply(const u8* slice_a, const u8* slice_b) {
        wgmma_begin();
        UNROLL for (u32 k = 0; k < PARTS; ++k)
            UNROLL for (u32 i = 0; i < HIGH; ++i)
                Number::template multiply<a_along_k, b_along_k>(sum[i],
                                                                operand_of<Number, a_along_k>(slice_a, row() + 64 * i, k),
                                                                operand_of<Number, b_along_k>(slice_b, 0, k));
        wgmma_commit();
    }
    MEMBER void settle() {
        UNROLL for (u32 i = 0; i < HIGH; ++i) wgmma_settle(sum[i]);
    }
    template <typename Store>
    MEMBER void store(const Store& to, u32 m, u32 n, u32 columns) const {
        // Eight times eight columns at a time: what they need lies in registers too.
        const u32 first = m + row() + threadIdx.x / WARP % 4 * 16;
        UNROLL for (u32 i = 0; i < HIGH; ++i)
            UNROLL for (u32 j = 0; j < CHUNKS; j += 8)
                store_rows(reinterpret_cast<const float(&)[8][4]>(sum[i][j]), to, first + 64 * i, n + 8 * j, columns);
    }
};

// The tile at (row, column) of A B over `depth` numbers k, as gemm_mma.cuh has it.
template <>
struct Gemm<WideBf16> {
    template <u32 ROWS, u32 COLUMNS, typename A, typename B, typename Store>
    DEVICE void tile(const A& a, const void* data_a, const B& b, const void* data_b, const Store& store, u32 row,
                     u32 column, u32 columns, u32 depth) {
        const u32 stages = WIDE_STAGES(ROWS, COLUMNS);
        DYNAMIC_SHARED(u8, memory);
        Feed<WideBf16, A, ROWS> feed_a(a, data_a, row);
        Feed<WideBf16, B, COLUMNS> feed_b(b, data_b, column);
        Wide<WideBf16, ROWS, COLUMNS> part;
        const u32 second = ROWS * ATOM_ROW, both = (ROWS + COLUMNS) * ATOM_ROW;
        const u32 steps = (depth + WideBf16::SLICE - 1) / WideBf16::SLICE;
        UNROLL for (u32 step = 0; step < stages - 2; ++step) {
            if (step < steps) {
                feed_a.send(memory + step * both);
                feed_b.send(memory + step * both + second);
            }
            copy_commit();
        }
        u32 now = 0, next = stages - 2;
        part.settle();
        for (u32 step = 0; step < steps; ++step) {
            // All threads' copies of this slice have landed, and the products of the slice before last are done, whose
            // memory comes next.
            copy_wait<stages - 3>();
            wgmma_publish();
            __syncthreads();
            part.template multiply<A::ALONG_K, B::ALONG_K>(memory + now * both, memory + now * both + second);
            if (step + stages - 2 < steps) {
                feed_a.send(memory + next * both);
                feed_b.send(memory + next * both + second);
            }
            copy_commit();
            wgmma_wait<1>();
            now = now + 1 == stages ? 0 : now + 1;
            next = next + 1 == stages ? 0 : next + 1;
        }
        wgmma_wait<0>();
        part.settle();
        part.store(store, row, column, columns);
    }
};
