// A register-tiled matrix product whose operands say for themselves where their numbers lie: the
// portable core of matmul and of all legs of a convolution. Any device, full single precision.
//
// C [M, N] = A [M, K] B [K, N]. A block of 256 threads computes a tile of 16 T x 16 T, each thread
// T x T of it in groups of four; K goes by 16 through shared memory, twice, so that the next
// slice is on its way while this one is used. Sums run over k from first to last, in registers.
//
// An operand is a type with
//   ALONG_K       whether four consecutive k (rather than four rows or columns) are read at once;
//   Operand(params, outer, k)   a cursor at a row or column and a k;
//   float4 load() const         the four numbers there, 0 beyond the matrix;
//   void advance()              moves on by 16 in k.
#pragma once
#include "common.cuh"

#define SLICE 16

// What thread `t` reads of one slice: T / 4 groups of four numbers.
template <typename Operand, u32 T>
struct Fetch {
    Operand cursors[T / 4];
    float4 held[T / 4];
};

template <typename Operand, u32 T>
DEVICE void fetch(Fetch<Operand, T>& f) {
    UNROLL for (u32 i = 0; i < T / 4; ++i) {
        f.held[i] = f.cursors[i].load();
        f.cursors[i].advance();
    }
}

// Where group i of this thread begins in a slice [SLICE][16 T]: outer index and k.
template <typename Operand>
DEVICE u32 outer_of(u32 i) {
    return Operand::ALONG_K ? threadIdx.x / 4 + 64 * i : threadIdx.x % 16 * 4 + 64 * i;
}
template <typename Operand>
DEVICE u32 k_of() {
    return Operand::ALONG_K ? threadIdx.x % 4 * 4 : threadIdx.x / 16;
}

// Rows are padded by four numbers: the transposing writes then meet in two banks, not in sixteen.
#define ROW(T) (16 * (T) + 4)

template <typename Operand, u32 T>
DEVICE void deposit(const Fetch<Operand, T>& f, float* slice) {
    UNROLL for (u32 i = 0; i < T / 4; ++i) {
        const u32 outer = outer_of<Operand>(i), k = k_of<Operand>();
        if (Operand::ALONG_K) {
            slice[(k + 0) * ROW(T) + outer] = f.held[i].x;
            slice[(k + 1) * ROW(T) + outer] = f.held[i].y;
            slice[(k + 2) * ROW(T) + outer] = f.held[i].z;
            slice[(k + 3) * ROW(T) + outer] = f.held[i].w;
        } else {
            *reinterpret_cast<float4*>(slice + k * ROW(T) + outer) = f.held[i];
        }
    }
}

// Numbers of shared memory that a product with tiles of 16 TM x 16 TN needs.
#define GEMM_SHARED(TM, TN) (2 * SLICE * (ROW(TM) + ROW(TN)))

// The tile at (row, column) of A B over k in [begin, end); Store::row(m) is where row m goes (null
// beyond the result) and Store::finish what is done to a number on the way.
template <typename A, typename B, typename Store, u32 TM, u32 TN, typename Params>
DEVICE void gemm(const float* a, const float* b, const Store& store, const Params& p, u32 row, u32 column,
                 u32 columns, u32 begin, u32 end, float* memory) {
    Fetch<A, TM> fa;
    Fetch<B, TN> fb;
    UNROLL for (u32 i = 0; i < TM / 4; ++i) fa.cursors[i] = A(a, p, row + outer_of<A>(i), begin + k_of<A>(), end);
    UNROLL for (u32 i = 0; i < TN / 4; ++i) fb.cursors[i] = B(b, p, column + outer_of<B>(i), begin + k_of<B>(), end);
    float* const slices_a = memory;
    float* const slices_b = memory + 2 * SLICE * ROW(TM);
    const u32 ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    float sum[TM][TN];
    UNROLL for (u32 i = 0; i < TM; ++i) UNROLL for (u32 j = 0; j < TN; ++j) sum[i][j] = 0.0f;

    const u32 steps = (end - begin + SLICE - 1) / SLICE;
    if (steps > 0) {
        fetch(fa);
        fetch(fb);
        deposit(fa, slices_a);
        deposit(fb, slices_b);
    }
    __syncthreads();
    for (u32 step = 0; step < steps; ++step) {
        const u32 now = step % 2, next = 1 - now;
        if (step + 1 < steps) {
            fetch(fa);
            fetch(fb);
        }
        const float* const slice_a = slices_a + now * SLICE * ROW(TM);
        const float* const slice_b = slices_b + now * SLICE * ROW(TN);
        UNROLL for (u32 k = 0; k < SLICE; ++k) {
            float u[TM], v[TN];
            UNROLL for (u32 i = 0; i < TM / 4; ++i) {
                const float4 four = *reinterpret_cast<const float4*>(slice_a + k * ROW(TM) + 64 * i + 4 * ty);
                u[4 * i] = four.x, u[4 * i + 1] = four.y, u[4 * i + 2] = four.z, u[4 * i + 3] = four.w;
            }
            UNROLL for (u32 j = 0; j < TN / 4; ++j) {
                const float4 four = *reinterpret_cast<const float4*>(slice_b + k * ROW(TN) + 64 * j + 4 * tx);
                v[4 * j] = four.x, v[4 * j + 1] = four.y, v[4 * j + 2] = four.z, v[4 * j + 3] = four.w;
            }
            UNROLL for (u32 i = 0; i < TM; ++i) UNROLL for (u32 j = 0; j < TN; ++j) sum[i][j] += u[i] * v[j];
        }
        if (step + 1 < steps) {
            deposit(fa, slices_a + next * SLICE * ROW(TM));
            deposit(fb, slices_b + next * SLICE * ROW(TN));
        }
        __syncthreads();
    }

    UNROLL for (u32 i = 0; i < TM; ++i) {
        float* const to = store.row(row + 64 * (i / 4) + 4 * ty + i % 4);
        if (!to) continue;
        UNROLL for (u32 j = 0; j < TN; j += 4) {
            const u32 n = column + 16 * j + 4 * tx;
            float four[4];
            UNROLL for (u32 k = 0; k < 4; ++k) four[k] = n + k < columns ? store.passed(store.finish(sum[i][j + k], n + k), to, n + k) : 0.0f;
            if (columns % 4 == 0 && n < columns) {
                *reinterpret_cast<float4*>(to + n) = make_float4(four[0], four[1], four[2], four[3]);
            } else {
                UNROLL for (u32 k = 0; k < 4; ++k)
                    if (n + k < columns) to[n + k] = four[k];
            }
        }
    }
}
