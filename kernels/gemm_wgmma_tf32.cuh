// A matrix product in tf32 by the tensor cores of compute capability 9.0, as gemm_wgmma.cuh has it in bf16.
//
// Their instruction takes operands in tf32 along k alone, and does not round: it cuts off the bits beyond. So numbers go
// through registers on their way to shared memory, where they are rounded to nearest, and turned where memory has them
// across k. K goes by slices of 32 numbers, one ahead in registers. An operand's slice is of rows of k (along_k), in
// atoms of eight rows of 128 bytes whose chunks of 16 bytes change places. Warps write all banks at once: eight lanes
// that follow each other, to eight different chunks.
// Sums run over k from first to last, eight at a time, in registers.
#pragma once
#include "gemm_wgmma.cuh"

struct WideTf32 {
    typedef u32 Offset;
    typedef float4 Group, Filter;
    enum { SLICE = 32, BYTES = 4, THREADS = 256 };
    template <bool, bool, u32 count>
    DEVICE void multiply(float (&sum)[count][4], u64 a, u64 b) { wgmma_tf32(sum, a, b); }
};

// Slices in shared memory: one is written, one multiplied, and another warpgroup may still be at the one before.
#define TF32_STAGES 3

// Where chunk `chunk` of a row of a slice lies.
DEVICE u32 chunk_of(u32 row, u32 chunk) { return row * ATOM_ROW + (chunk ^ row % 8) * 16; }

// The part of an operand's slices that this thread brings, of an operand that lies along k: chunks of every 32nd row.
template <typename Operand, u32 TILE, bool along_k>
struct Carry {
    enum { LANES = WideTf32::SLICE / 4, STEP = WideTf32::THREADS / LANES, PASSES = TILE / STEP };
    Operand from;
    const float4* data;
    typename Operand::Line lines[PASSES];
    float4 held[PASSES];

    MEMBER Carry(const Operand& operand, const void* memory, u32 outer)
        : from(operand), data(static_cast<const float4*>(memory)) {
        UNROLL for (u32 i = 0; i < PASSES; ++i) lines[i] = from.line(outer + threadIdx.x / LANES + STEP * i);
        from.advance(threadIdx.x % LANES * 4);
    }
    // Begins to read the next slice.
    MEMBER void fetch() {
        UNROLL for (u32 i = 0; i < PASSES; ++i) {
            u32 offset;
            const bool there = from.at(lines[i], offset);
            clear(held[i]);
            if (there) held[i] = data[offset / 4];
        }
        from.advance(WideTf32::SLICE);
    }
    // What was read, to a slice.
    MEMBER void deposit(u8* slice) const {
        UNROLL for (u32 i = 0; i < PASSES; ++i) {
            u8* const to = slice + chunk_of(threadIdx.x / LANES + STEP * i, threadIdx.x % LANES);
            wgmma_bring(to, tf32_four(held[i]));
        }
    }
};

// Of one that lies across k: squares of four rows by four k, of every 128th row. A warp reads 128 bytes of each of its
// k; of tiles of 64 half of the threads are enough.
template <typename Operand, u32 TILE>
struct Carry<Operand, TILE, false> {
    enum { SQUARES = TILE > 128 ? TILE / 128 : 1 };
    Operand from;
    const float4* data;
    typename Operand::Line lines[SQUARES];
    float4 held[SQUARES][4];

    // The first of the rows, and the chunk of k: two and four of them within eight lanes.
    MEMBER static u32 row() {
        const u32 lane = threadIdx.x % WARP;
        return (threadIdx.x / (2 * WARP) * 8 + lane / 8 * 2 + lane % 2) * 4;
    }
    MEMBER static u32 chunk() { return threadIdx.x / WARP % 2 * 4 + threadIdx.x % 8 / 2; }
    MEMBER static bool idle() { return TILE < 128 && row() >= TILE; }

    MEMBER Carry(const Operand& operand, const void* memory, u32 outer)
        : from(operand), data(static_cast<const float4*>(memory)) {
        UNROLL for (u32 i = 0; i < SQUARES; ++i) lines[i] = from.line(outer + row() + 128 * i);
        from.advance(4 * chunk());
    }
    MEMBER void fetch() {
        UNROLL for (u32 k = 0; k < 4; ++k) {
            UNROLL for (u32 i = 0; i < SQUARES; ++i) {
                u32 offset;
                const bool there = from.at(lines[i], offset) && !idle();
                clear(held[i][k]);
                if (there) held[i][k] = data[offset / 4];
            }
            from.advance(k < 3 ? 1 : WideTf32::SLICE - 3);
        }
    }
    MEMBER void deposit(u8* slice) const {
        if (idle()) return;
        UNROLL for (u32 i = 0; i < SQUARES; ++i) {
            const float4(&v)[4] = held[i];
            const float4 turned[4] = {
                make_float4(v[0].x, v[1].x, v[2].x, v[3].x), make_float4(v[0].y, v[1].y, v[2].y, v[3].y),
                make_float4(v[0].z, v[1].z, v[2].z, v[3].z), make_float4(v[0].w, v[1].w, v[2].w, v[3].w)};
            UNROLL for (u32 j = 0; j < 4; ++j)
                wgmma_bring(slice + chunk_of(row() + 128 * i + j, chunk()), tf32_four(turned[j]));
        }
    }
};

// The tile at (row, column) of A B over `depth` numbers k, as gemm_mma.cuh has it.
template <>
struct Gemm<WideTf32> {
    template <u32 ROWS, u32 COLUMNS, typename A, typename B, typename Store>
    DEVICE void tile(const A& a, const void* data_a, const B& b, const void* data_b, const Store& store, u32 row,
                     u32 column, u32 columns, u32 depth) {
        DYNAMIC_SHARED(u8, memory);
        Carry<A, ROWS, A::ALONG_K> carry_a(a, data_a, row);
        Carry<B, COLUMNS, B::ALONG_K> carry_b(b, data_b, column);
        Wide<WideTf32, ROWS, COLUMNS> part;
        const u32 second = ROWS * ATOM_ROW, both = (ROWS + COLUMNS) * ATOM_ROW;
        const u32 steps = (depth + WideTf32::SLICE - 1) / WideTf32::SLICE;
        carry_a.fetch();
        carry_b.fetch();
        u32 now = 0;
        part.settle();
        for (u32 step = 0; step < steps; ++step) {
            // The products of the slice three before, whose memory this is, were done before the last barrier.
            u8* const slice = memory + now * both;
            carry_a.deposit(slice);
            carry_b.deposit(slice + second);
            carry_a.fetch();
            carry_b.fetch();
            wgmma_publish();
            __syncthreads();
            part.template multiply<true, true>(slice, slice + second);
            wgmma_wait<1>();
            now = now + 1 == TF32_STAGES ? 0 : now + 1;
        }
        wgmma_wait<0>();
        part.settle();
        part.store(store, row, column, columns);
    }
};
