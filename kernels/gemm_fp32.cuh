// A register-tiled matrix product in full single precision: the portable core of matmul and of all legs of a
// convolution. Any device.
//
// A block of 256 threads computes a tile of 16 TM x 16 TN, each thread TM x TN of it in groups of four; K goes by 16
// through shared memory, twice, so that the next slice is on its way while this one is used. Sums run over k from first
// to last, in registers. Operands may have groups of four that are not whole (gemm.cuh).
#pragma once
#include "slices.cuh"

struct Fp32 {
    typedef u64 Offset;
    typedef float4 Group, Filter;
    enum { SLICE = 16, THREADS = 256 };  // numbers of k in a slice, threads of a block
};

// Rows are padded by four numbers: of the transposing writes of a warp two then meet at a bank, not four.
#define ROW(T) (16 * (T) + 4)

// The part of an operand's slices that this thread brings, of a tile of 16 T, through registers.
template <typename Operand, u32 T>
struct Fetch : Feed<Fp32, Operand, 16 * T> {
    float4 held[T / 4];

    MEMBER Fetch(const Operand& operand, const void* memory, u32 outer)
        : Feed<Fp32, Operand, 16 * T>(operand, memory, outer) {}

    // The group of pass i.
    MEMBER float4 group(u32 i) const {
        typename Operand::Offset offset;
        typename Operand::Line line = this->lines[Operand::ALONG_K ? i : 0];
        if (this->from.fours()) return this->from.at(line, offset) ? *this->at(offset) : no_four();
        Operand one = this->from;
        const float* const data = reinterpret_cast<const float*>(this->data);
        float v[4];
        UNROLL for (u32 j = 0; j < 4; ++j) {
            v[j] = one.at(line, offset) ? data[offset] : 0.0f;
            if constexpr (Operand::ALONG_K) one.advance(1);
            else line = one.after(line);
        }
        return make_float4(v[0], v[1], v[2], v[3]);
    }
    // Begins to read the next slice.
    MEMBER void fetch() {
        UNROLL for (u32 i = 0; i < T / 4; ++i) {
            held[i] = group(i);
            this->move(i);
        }
    }
    // What was read, to a slice [SLICE][16 T].
    MEMBER void deposit(float* slice) const {
        UNROLL for (u32 i = 0; i < T / 4; ++i) {
            float* const to = slice + this->k_of(i) * ROW(T) + this->outer_of(i);
            if (!Operand::ALONG_K) *reinterpret_cast<float4*>(to) = held[i];
            else to[0] = held[i].x, to[ROW(T)] = held[i].y, to[2 * ROW(T)] = held[i].z, to[3 * ROW(T)] = held[i].w;
        }
    }
};

// The tile at (row, column) of A B over `depth` numbers k; `a` and `b` are at the first of them, over the memory at `data_a`
// and `data_b`.
template <>
struct Gemm<Fp32> {
    template <u32 ROWS, u32 COLUMNS, typename A, typename B, typename Store>
    DEVICE void tile(const A& a, const void* data_a, const B& b, const void* data_b, const Store& store, u32 row,
                     u32 column, u32 columns, u32 depth) {
        enum { TM = ROWS / 16, TN = COLUMNS / 16, SLICE = Fp32::SLICE };
        ALIGNED_SHARED(float, memory, 2 * SLICE * (ROW(TM) + ROW(TN)));
        float* const slices_a = memory;
        float* const slices_b = memory + 2 * SLICE * ROW(TM);
        Fetch<A, TM> fetch_a(a, data_a, row);
        Fetch<B, TN> fetch_b(b, data_b, column);
        const u32 ty = threadIdx.x / 16, tx = threadIdx.x % 16;
        float sum[TM][TN];
        UNROLL for (u32 i = 0; i < TM; ++i) UNROLL for (u32 j = 0; j < TN; ++j) sum[i][j] = 0.0f;

        const u32 steps = (depth + SLICE - 1) / SLICE;
        if (steps > 0) {
            fetch_a.fetch();
            fetch_b.fetch();
            fetch_a.deposit(slices_a);
            fetch_b.deposit(slices_b);
        }
        __syncthreads();
        for (u32 step = 0; step < steps; ++step) {
            const u32 now = step % 2, next = 1 - now;
            if (step + 1 < steps) {
                fetch_a.fetch();
                fetch_b.fetch();
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
                fetch_a.deposit(slices_a + next * SLICE * ROW(TM));
                fetch_b.deposit(slices_b + next * SLICE * ROW(TN));
            }
            __syncthreads();
        }

        UNROLL for (u32 j = 0; j < TN; j += 4) {
            const u32 n = column + 16 * j + 4 * tx;
            if (n >= columns) continue;
            const float4 needs = store.column(n);
            UNROLL for (u32 i = 0; i < TM; ++i) {
                const typename Store::Offset start = store.start(row + 64 * (i / 4) + 4 * ty + i % 4);
                if (start == nowhere<typename Store::Offset>()) continue;
                const float4 four = make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
                finish(store, start, n, four, needs);
            }
        }
    }
};
