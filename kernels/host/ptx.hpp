// `ptx.cuh` on a CPU: the same functions as warp collectives, layouts as that file states them.
//
// What hardware is free to do is done the unkind way: a tf32 operand loses the bits the hardware
// does not read, and an asynchronous copy lands only at its wait.
#pragma once
#include "runtime.hpp"

// No kernel runs beside another here; the runtime refuses a thread that returns without having called this.
inline void begin_kernel() { simt::self->began = true; }

// The same number; on a GPU the compiler is not told.
inline unsigned unknown(unsigned value) { return value; }

namespace simt {

// What a lane brings to a matrix product.
struct Fragments {
    float* sum;
    const unsigned* a;
    unsigned b[2];
};

inline float from_bits(unsigned bits) { return __uint_as_float(bits); }

// sum [16, 8] += a [16, K] b [K, 8], k from first to last; shares the result out again.
template <int K>
void product(void** payloads, const float (&a)[16][K], const float (&b)[K][8]) {
    for (int lane = 0; lane < 32; ++lane) {
        float* const sum = static_cast<Fragments*>(payloads[lane])->sum;
        for (int i = 0; i < 4; ++i) {
            const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
            for (int k = 0; k < K; ++k) sum[i] += a[row][k] * b[k][column];
        }
    }
}

inline void product_tf32(void** payloads, unsigned) {
    float a[16][8], b[8][8];
    for (int lane = 0; lane < 32; ++lane) {
        const auto& mine = *static_cast<Fragments*>(payloads[lane]);
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; ++i) a[g + i % 2 * 8][t + i / 2 * 4] = from_bits(mine.a[i] & 0xffffe000u);
        for (int i = 0; i < 2; ++i) b[t + i * 4][g] = from_bits(mine.b[i] & 0xffffe000u);
    }
    product(payloads, a, b);
}

inline void product_bf16(void** payloads, unsigned) {
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; ++lane) {
        const auto& mine = *static_cast<Fragments*>(payloads[lane]);
        const int g = lane / 4, t = lane % 4;
        for (int half = 0; half < 2; ++half) {
            const auto number = [half](unsigned pair) { return from_bits(half ? pair & 0xffff0000u : pair << 16); };
            for (int i = 0; i < 4; ++i) a[g + i % 2 * 8][2 * t + half + i / 2 * 8] = number(mine.a[i]);
            for (int i = 0; i < 2; ++i) b[2 * t + half + i * 8][g] = number(mine.b[i]);
        }
    }
    product(payloads, a, b);
}

// The row of 16 bytes that a lane read, and what it receives.
struct Row {
    unsigned short numbers[8];
    unsigned* to;
};

template <bool transposed>
void share_rows(void** payloads, unsigned) {
    for (int lane = 0; lane < 32; ++lane) {
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; ++i) {
            unsigned word = 0;
            for (int half = 0; half < 2; ++half) {
                const int row = transposed ? 2 * t + half : g, column = transposed ? g : 2 * t + half;
                word |= static_cast<unsigned>(static_cast<Row*>(payloads[8 * i + row])->numbers[column]) << (16 * half);
            }
            static_cast<Row*>(payloads[lane])->to[i] = word;
        }
    }
}

// Each lane reads its own row, before they meet: a read that races is then seen where it happens.
template <bool transposed>
void load_matrices(unsigned* to, const void* row, const char* file, int line) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16) fail("ldmatrix from an address that is not a multiple of 16");
    Row mine{{}, to};
    std::memcpy(mine.numbers, row, 16);
    collect("ldmatrix", 0xffffffffu, &mine, share_rows<transposed>, file, line);
}

}  // namespace simt

// The caller's place, for messages.
#define SIMT_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void mma_tf32(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, SIMT_PLACE) {
    simt::Fragments mine{sum, a, {b0, b1}};
    simt::collect("mma", 0xffffffffu, &mine, simt::product_tf32, file, line);
}

inline void mma_bf16(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, SIMT_PLACE) {
    simt::Fragments mine{sum, a, {b0, b1}};
    simt::collect("mma", 0xffffffffu, &mine, simt::product_bf16, file, line);
}

inline unsigned tf32_of(float value) {
    const unsigned bits = __float_as_uint(value);
    if (std::isnan(value)) return 0x7fffffffu;
    return std::isinf(value) ? bits : (bits + 0x1000u) & 0xffffe000u;
}

inline unsigned bf16_pair(float low, float high) {
    const auto rounded = [](float value) {
        const unsigned bits = __float_as_uint(value);
        return std::isnan(value) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
    };
    return rounded(low) | rounded(high) << 16;
}

inline unsigned lower_halves(unsigned first, unsigned second) { return (first & 0xffffu) | second << 16; }
inline unsigned upper_halves(unsigned first, unsigned second) { return first >> 16 | (second & 0xffff0000u); }

inline void ldmatrix(unsigned (&to)[4], const void* row, SIMT_PLACE) {
    simt::load_matrices<false>(to, row, file, line);
}

inline void ldmatrix_transposed(unsigned (&to)[4], const void* row, SIMT_PLACE) {
    simt::load_matrices<true>(to, row, file, line);
}

inline void copy_async(void* to, const void* from, unsigned valid) {
    if ((reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) % 16)
        simt::fail("an asynchronous copy between addresses that are not multiples of 16");
    simt::async_copy(to, from, 16, valid);
}

inline void copy_async_cached(void* to, const void* from, unsigned valid) { copy_async(to, from, valid); }

inline void copy_commit() { simt::async_commit(); }

template <unsigned left>
void copy_wait() {
    simt::async_wait(left);
}
