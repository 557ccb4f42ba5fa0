// What matrix products in tiles are made of, C [M, N] = A [M, K] B [K, N]: operands that say for themselves where their
// numbers lie, a tile of the result that a block computes, and a store that says where the result goes.
//
// A kind of numbers (`Number`) has Group and Filter, groups of numbers of an operand and of a filter as they lie in memory,
// and Offset, an integer that counts numbers of any tensor of that kind. Gemm<Number>::tile is in gemm_fp32.cuh,
// gemm_mma.cuh, gemm_wgmma.cuh and gemm_wgmma_tf32.cuh.
//
// An operand is a type with
//   Group                     numbers as they lie in memory: four as float4, four (uint2) or eight (uint4) of bf16;
//   Offset                    the kind's;
//   ALONG_K                   whether consecutive k (rather than consecutive rows or columns) are read;
//   bool fours() const        whether every group of four is whole; only single precision asks, and reads one by one if not;
//   Line line(outer) const    what a row or column remembers;
//   Line after(line) const    that of the next, if consecutive rows or columns are read;
//   bool at(line, offset) const  the offset of the group there; false if it is zero;
//   void advance(by)          moves on in k.
// Groups that are whole are aligned to their size and within or beyond the matrix as a whole.
//
// A store is a type with
//   Offset                    the kind's;
//   Offset start(m) const     where in the result row m of the product begins, or nowhere<Offset>();
//   float4 column(n) const    what columns n to n + 3 need, read once; n may be beyond the row;
//   bool is_gated() const     whether gates are wanted;
//   float4 gate(start, n) const  those of the four numbers;
//   void put(start, n, four, column, gate) const  finishes four numbers and stores them, but those beyond the row.
#pragma once
#include "common.cuh"

template <typename Number>
struct Gemm;

// Where a row begins that is beyond the result.
template <typename Offset>
DEVICE Offset nowhere() { return ~(Offset)0; }

DEVICE float4 no_four() { return make_float4(0.0f, 0.0f, 0.0f, 0.0f); }

// Four numbers in bf16 already.
DEVICE uint2 bf16_four(uint2 v) { return v; }

// Four consecutive numbers of a row of `length`, from `at`; 0 beyond the row.
DEVICE float4 four_of(const float* row, u32 at, u32 length) {
    if (length % 4 == 0) return *reinterpret_cast<const float4*>(row + at);
    return make_float4(row[at], at + 1 < length ? row[at + 1] : 0.0f, at + 2 < length ? row[at + 2] : 0.0f,
                       at + 3 < length ? row[at + 3] : 0.0f);
}

// Four numbers of a row of `columns` that begins at `start`, from number n on, which is a multiple of four. Of rows
// that are no fours they are not aligned, and some may be beyond the row.
template <typename Offset>
DEVICE void store_four(float* to, Offset start, u32 n, u32 columns, float4 v) {
    float* const at = to + (start + n);
    const bool fours = columns % 4 == 0;
    if (fours) *reinterpret_cast<float4*>(at) = v;
    if (!fours) at[0] = v.x;
    if (!fours && n + 1 < columns) at[1] = v.y;
    if (!fours && n + 2 < columns) at[2] = v.z;
    if (!fours && n + 3 < columns) at[3] = v.w;
}

// What stores have in common that put numbers as they are.
template <typename Index>
struct Bare {
    typedef Index Offset;
    MEMBER float4 column(u32) const { return no_four(); }
    MEMBER bool is_gated() const { return false; }
    MEMBER float4 gate(Offset, u32) const { return no_four(); }
};

// Puts four numbers whose gates are not yet read.
template <typename Store>
DEVICE void finish(const Store& store, typename Store::Offset start, u32 n, float4 four, float4 needs) {
    store.put(start, n, four, needs, store.is_gated() ? store.gate(start, n) : no_four());
}
