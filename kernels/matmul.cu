// Matrix products with either operand stored transposed, in full single precision.
//
// Formula: c [M, N] = a [M, K] b [K, N].
// Launch: tiles of 64 x 64 or 128 x 128, 256 threads (gemm.cuh); K in `pieces` (grid z), added in
// order by a second launch, where the result alone would not fill the device.
// Traffic: each operand once per tile row or column; bound by arithmetic, by memory if M or N is
// small.
// Order: k from first to last within a piece, then the pieces.
#include "gemm.cuh"
#include "params.cuh"

// A matrix of rows without gaps, walked along k in either direction.
template <bool along_k>
struct Rows {
    enum { ALONG_K = along_k };
    const float* data;
    u32 outer, extent, k, end, step;  // `step` numbers between rows

    MEMBER Rows() {}
    MEMBER float4 load() const {
        if (outer >= extent || k >= end) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        const float* at = along_k ? data + (u64)outer * step + k : data + (u64)k * step + outer;
        const u32 left = along_k ? end - k : extent - outer;
        if (step % 4 == 0 && left >= 4) return *reinterpret_cast<const float4*>(at);
        return make_float4(at[0], left > 1 ? at[1] : 0.0f, left > 2 ? at[2] : 0.0f, left > 3 ? at[3] : 0.0f);
    }
    MEMBER void advance(u32 by = 16) { k += by; }
};

template <bool along_k>
struct Left : Rows<along_k> {
    MEMBER Left() {}
    MEMBER Left(const float* a, const MatMul& p, u32 row, u32 first, u32 last) {
        this->data = a, this->outer = row, this->extent = p.m, this->k = first, this->end = last;
        this->step = along_k ? p.k : p.m;
    }
};

template <bool along_k>
struct Right : Rows<along_k> {
    MEMBER Right() {}
    MEMBER Right(const float* b, const MatMul& p, u32 column, u32 first, u32 last) {
        this->data = b, this->outer = column, this->extent = p.n, this->k = first, this->end = last;
        this->step = along_k ? p.k : p.n;
    }
};

struct ToC {
    float* c;
    const MatMul* p;
    MEMBER float* row(u32 m) const { return m < p->m ? c + (u64)m * p->n : nullptr; }
    MEMBER float finish(float value, u32) const { return value; }
    MEMBER float passed(float value, const float*, u32) const { return value; }
};

template <typename A, typename B, u32 T>
DEVICE void product(const float* a, const float* b, float* c, const MatMul& p, float* memory) {
    const u32 begin = blockIdx.z * p.piece;
    const ToC store = {c + (u64)blockIdx.z * p.m * p.n, &p};
    gemm<A, B, ToC, T, T>(a, b, store, p, blockIdx.x * 16 * T, blockIdx.y * 16 * T, p.n, begin,
                          least(begin + p.piece, p.k), memory);
}

// a as stored (n) or transposed (t), then b.
KERNEL(256) matmul_nn_64(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    product<Left<true>, Right<false>, 4>(a, b, c, p, memory);
}
KERNEL(256) matmul_nt_64(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    product<Left<true>, Right<true>, 4>(a, b, c, p, memory);
}
KERNEL(256) matmul_tn_64(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    product<Left<false>, Right<false>, 4>(a, b, c, p, memory);
}
KERNEL(256) matmul_tt_64(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(4, 4));
    product<Left<false>, Right<true>, 4>(a, b, c, p, memory);
}
KERNEL(256) matmul_nn_128(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    product<Left<true>, Right<false>, 8>(a, b, c, p, memory);
}
KERNEL(256) matmul_nt_128(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    product<Left<true>, Right<true>, 8>(a, b, c, p, memory);
}
KERNEL(256) matmul_tn_128(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    product<Left<false>, Right<false>, 8>(a, b, c, p, memory);
}
KERNEL(256) matmul_tt_128(const float* a, const float* b, float* c, MatMul p) {
    begin_kernel();
    ALIGNED_SHARED(float, memory, GEMM_SHARED(8, 8));
    product<Left<false>, Right<true>, 8>(a, b, c, p, memory);
}
