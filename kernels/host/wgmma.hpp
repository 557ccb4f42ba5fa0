// `wgmma.cuh` on a CPU: the same functions, of matrices as that file describes them.
//
// A thread computes its own numbers of a sum, at the wait and not before, so that memory that is filled anew too
// early and sums that are read too early are seen. A product fails where a thread of the block has passed a barrier with
// numbers in shared memory that it had not published. A number in tf32 loses the bits that the hardware does not read.
// That the four warps come together is not checked.
#pragma once
#include "runtime.hpp"

namespace simt {

// A number as it lies in a matrix, and how many an instruction takes of k.
struct InBf16 {
    enum { BYTES = 2, DEPTH = 16 };
    static float of(const char* at) {
        unsigned short bits;
        std::memcpy(&bits, at, 2);
        return __uint_as_float(static_cast<unsigned>(bits) << 16);
    }
};
struct InTf32 {
    enum { BYTES = 4, DEPTH = 8 };
    static float of(const char* at) {
        unsigned bits;
        std::memcpy(&bits, at, 4);
        return __uint_as_float(bits & 0xffffe000u);
    }
};

// A matrix in dynamic shared memory, read through its descriptor.
struct Matrix {
    unsigned start, next, group;

    explicit Matrix(unsigned long long descriptor)
        : start((descriptor & 0x3fff) << 4), next((descriptor >> 16 & 0x3fff) << 4), group((descriptor >> 32 & 0x3fff) << 4) {
        if (descriptor >> 62 != 1) fail("a matrix without the swizzle of 128 bytes");
        if (start % 1024 / 128 != 0) fail("a matrix that does not begin at an atom's first row");
    }

    // Number (outer, k), k below the depth.
    template <typename Number, bool along_k>
    float at(unsigned outer, unsigned k) const {
        const unsigned row = along_k ? outer : k, across = along_k ? k : outer % 64;
        unsigned byte = start + (along_k ? 0 : outer / 64 * next) + row / 8 * group + row % 8 * 128 + across * Number::BYTES;
        byte ^= (byte >> 7 & 7) << 4;
        return Number::of(static_cast<const char*>(dynamic_shared()) + byte);
    }
};

template <typename Number, bool a_along_k, bool b_along_k, unsigned chunks>
void wide_product(void* sum, unsigned long long a, unsigned long long b) {
    auto& numbers = *static_cast<float(*)[chunks][4]>(sum);
    const Matrix left(a), right(b);
    constexpr unsigned depth = Number::DEPTH;
    const unsigned lane = self->lane, warp = self->index.x / 32 % 4;
    for (unsigned half = 0; half < 2; ++half) {
        float row[depth];
        for (unsigned k = 0; k < depth; ++k) row[k] = left.at<Number, a_along_k>(16 * warp + lane / 4 + 8 * half, k);
        for (unsigned i = 0; i < chunks; ++i)
            for (unsigned j = 0; j < 2; ++j)
                for (unsigned k = 0; k < depth; ++k)
                    numbers[i][2 * half + j] += row[k] * right.at<Number, b_along_k>(8 * i + lane % 4 * 2 + j, k);
    }
}

}  // namespace simt

inline unsigned long long wgmma_matrix(const void* at, unsigned next) {
    const auto address = static_cast<unsigned long long>(static_cast<const char*>(at) - static_cast<const char*>(simt::dynamic_shared()));
    return address >> 4 | static_cast<unsigned long long>(next >> 4) << 16 | 64ull << 32 | 1ull << 62;
}

template <bool a_along_k, bool b_along_k, unsigned chunks>
void wgmma_bf16(float (&sum)[chunks][4], unsigned long long a, unsigned long long b) {
    simt::product_begin({simt::wide_product<simt::InBf16, a_along_k, b_along_k, chunks>, &sum, a, b});
}

template <unsigned chunks>
void wgmma_tf32(float (&sum)[chunks][4], unsigned long long a, unsigned long long b) {
    simt::product_begin({simt::wide_product<simt::InTf32, true, true, chunks>, &sum, a, b});
}

inline void wgmma_begin() {}
inline void wgmma_commit() { simt::product_commit(); }
template <unsigned left>
void wgmma_wait() { simt::product_wait(left); }
template <unsigned count>
void wgmma_settle(float (&)[count][4]) {}
inline void wgmma_publish() { simt::product_publish(); }
inline void wgmma_bring(void* to, uint4 words) {
    if (reinterpret_cast<std::uintptr_t>(to) % 16) simt::fail("16 bytes to an address that is not a multiple of 16");
    std::memcpy(to, &words, sizeof words);
    simt::product_bring();
}
