// The operands and the result of a matrix product, of whichever kind of numbers: what `matmul.cu` and `matmul_mma.cu` share.
#pragma once
#include "gemm.cuh"
#include "params.cuh"

// A matrix whose rows in memory, of `step` numbers, run along k or along the outer index.
template <typename Index, bool along_k>
struct Lines {
    typedef float4 Group;
    typedef Index Offset;
    enum { ALONG_K = along_k };
    typedef u32 Line;
    u32 extent, step, k, end;

    MEMBER Lines(u32 outer, u32 depth, u32 first, u32 last)
        : extent(outer), step(along_k ? depth : outer), k(first), end(last) {}
    MEMBER bool fours() const { return step % 4 == 0; }
    MEMBER Line line(u32 outer) const { return outer; }
    MEMBER Line after(Line outer) const { return outer + 1; }
    MEMBER bool at(Line outer, Offset& offset) const {
        offset = along_k ? (Offset)outer * step + k : (Offset)k * step + outer;
        return outer < extent && k < end;
    }
    MEMBER void advance(u32 by) { k += by; }
};

template <typename Offset>
struct ToC : Bare<Offset> {
    float* c;
    const MatMul* p;
    MEMBER ToC(float* to, const MatMul& of) : c(to), p(&of) {}
    MEMBER Offset start(u32 m) const { return m < p->m ? (Offset)m * p->n : nowhere<Offset>(); }
    MEMBER void put(Offset start, u32 n, float4 v, float4, float4) const { store_four(c, start, n, p->n, v); }
};

template <typename Number, u32 TILE, bool transpose_a, bool transpose_b>
DEVICE void product(const float* a, const float* b, float* c, const MatMul& p) {
    typedef typename Number::Offset Offset;
    const u32 begin = blockIdx.z * p.piece, end = least(begin + p.piece, p.k);
    const ToC<Offset> store(c + (u64)blockIdx.z * p.m * p.n, p);
    const Lines<Offset, !transpose_a> rows(p.m, p.k, begin, end);
    const Lines<Offset, transpose_b> columns(p.n, p.k, begin, end);
    Gemm<Number>::template tile<TILE, TILE>(rows, a, columns, b, store, blockIdx.x * TILE, blockIdx.y * TILE, p.n,
                                            end - begin);
}

// A kernel of a family's table, as those of conv_legs.cuh: its tile is square.
#define PRODUCT(bounds, name, Number, tile, transpose_a, transpose_b)        \
    KERNEL bounds name(const float* a, const float* b, float* c, MatMul p) { \
        begin_kernel();                                                      \
        product<Number, tile, transpose_a, transpose_b>(a, b, c, p);         \
    }
