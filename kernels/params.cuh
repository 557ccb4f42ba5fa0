// The arguments of every kernel beside its pointers: one struct a kernel family, passed by value.
//
// `src/device/gpu/params.rs` declares the same structs for Rust; a test compares names, sizes and
// offsets. Members are ordered so that no compiler adds padding.
#pragma once
#include "simt.cuh"

#define MAX_RANK 6

// fill, unary, softmax, argmax: elements (or pixels) and what the function needs.
struct Elementwise {
    u32 n;
    u32 channels;
    float a;
    float b;
};

// binary functions and strided copies: extents of the result and the steps of both inputs, the last
// axis first.
struct Strided {
    u32 n;
    u32 rank;
    u32 dims[MAX_RANK];
    u32 a[MAX_RANK];
    u32 b[MAX_RANK];
    u32 offset;
    u32 width;  // elements a thread, along the last axis
    float slope;
};

// Adds to the offsets of both inputs what element i of the result is from. The outermost axis costs no
// division.
DEVICE void walk(const Strided& p, u32 i, u32& from_a, u32& from_b) {
    UNROLL for (u32 axis = 0; axis < MAX_RANK; ++axis) {
        if (axis >= p.rank) break;
        const u32 rest = axis + 1 < p.rank ? i / p.dims[axis] : 0, at = i - rest * p.dims[axis];
        from_a += at * p.a[axis];
        from_b += at * p.b[axis];
        i = rest;
    }
}

// concat: numbers of the result, and of either part in a row of it.
struct Concat {
    u32 n;
    u32 left;
    u32 right;
};

// widen, turn: numbers of the result, and of a row of x and of the result.
struct Widen {
    u32 n;
    u32 from;
    u32 to;
};

// pad: the result's extents, the input's, and where the input begins.
struct Pad {
    u32 n;
    u32 rank;
    u32 dims[MAX_RANK];
    u32 inner[MAX_RANK];
    u32 start[MAX_RANK];
};

// sums of [outer, reduced, inner] over the middle, in `pieces` pieces of `piece` each.
struct Reduce {
    u32 reduced;
    u32 inner;
    u32 pieces;
    u32 piece;
    float scale;
    u32 bf16;  // whether x is stored in bf16: columns of one plane
};

// spread_taps and gather_taps: taps of the result along both axes, its channels, and whether it is turned.
struct Taps {
    u32 rows;
    u32 columns;
    u32 inner;
    u32 outer;
    u32 turned;
};

// mean_pool and upsample: the result's pixels, channels, the factor, and what lies in bf16.
struct Pool {
    u32 n;
    u32 width;
    u32 channels;
    u32 factor;
    u32 x_bf16;
    u32 y_bf16;
};

// a [M, K] times b [K, N], either stored transposed, K cut into pieces of `piece`, a multiple of four that is K or more
// where there is one.
struct MatMul {
    u32 m;
    u32 n;
    u32 k;
    u32 piece;
};

// One convolution x [N, H, W, CI] * w [KH, KW, CI, CO] = y [N, OH, OW, CO]; legs w and y cut
// what they sum (output pixels; taps and channels) into `pieces` of `piece`, a multiple of four that is all of it or more
// where there is one.
struct Conv {
    u32 n;
    u32 h;
    u32 w;
    u32 ci;
    u32 oh;
    u32 ow;
    u32 co;
    u32 kh;
    u32 kw;
    i32 sh;
    i32 sw;
    i32 ph;
    i32 pw;
    u32 pieces;
    u32 piece;
    u32 periodic;  // what lies beyond an edge: all bits set, the opposite edge; none, zeros
    u32 activate;  // 0: as is; 1: add bias; 2: add bias, then LeakyReLU; 3: times slope where the gate is not positive
    float slope;
    u32 result_bf16;  // whether the result is stored in bf16, and whether the gate is
    u32 gate_bf16;
};

// stats, normalise, normalise_grad; see norm.cu for the two layouts. Threads of the element-wise ones
// take `width` elements at a time.
struct Norm {
    u32 rows;
    u32 columns;
    u32 pieces;
    u32 piece;
    u32 width;
    float eps;
};

// norm_relu and norm_layer: as Norm, the LeakyReLU's slope and the type of the result.
struct NormRelu {
    u32 rows;
    u32 columns;
    u32 pieces;
    u32 piece;
    u32 width;
    u32 channels;
    u32 row;  // numbers from one row of the sums to the other
    float eps;
    float slope;
    u32 bf16;    // whether the result is stored in bf16
    u32 factor;  // how often each pixel of what is added is repeated, along either axis,
    u32 line;    // and pixels of a line of the result
};

// moments and quadratic_field.
struct Image {
    u32 n;
    u32 h;
    u32 w;
    u32 c;
    u32 pieces;
    u32 piece;
};

// boundary and boundary_grad: where a crossing is rounded off, and what steps count.
struct Boundary {
    u32 n;
    u32 h;
    u32 w;
    u32 c;
    u32 pieces;
    u32 piece;
    u32 periodic;
    float soft;
    float along_row;
    float along_column;
    float diagonal;
};

// Both legs of a correlation of n images [h, w] with `bins` bins, on a torus [rows, columns].
struct Correlation {
    u32 n;
    u32 h;
    u32 w;
    u32 bins;
    u32 along;     // 0: every direction; 1: rows; 2: columns; 3: falling, 4: rising diagonals
    u32 open;      // 0: periodic; 1: the torus holds the image and zeros
    u32 rows;
    u32 columns;
    u32 together;  // curve: images a block does
    u32 tables;    // complex numbers in shared memory before the plane
};

// cahn_hilliard.
struct Stepping {
    u32 h;
    u32 w;
    u32 steps;
    u32 tables;    // complex numbers in shared memory before the plane
    float dt;
    float kappa;
    float stabiliser;
};

// one_hot, gather, scatter_add.
struct Table {
    u32 n;
    u32 width;
    u32 rows;
    u32 channels;
};

// augment: images, their sides, whether they shift; ways to lie, of which the k-th is in bits 4 k and up.
struct Augment {
    u32 n;
    u32 height;
    u32 width;
    u32 shift;
    u32 ways;
    u32 packed;
};

// uniform, normal, random_index.
struct Random {
    u32 n;
    u32 stream;
    u32 below;
};

// interpolate and row_norms: N rows of `width`, each in `pieces` of `piece`.
struct Penalty {
    u32 n;
    u32 width;
    u32 pieces;
    u32 piece;
    float eps;
};

#define MAX_TENSORS 56

// adam: the tensors whose pointers fill a table of threes or fours: sizes, and the first block of each.
struct Adam {
    double beta1;
    double beta2;
    float eps;
    u32 count;
    u32 first_block[MAX_TENSORS];
    u32 numel[MAX_TENSORS];
};

// lerp: the tensors whose pointers fill a table of pairs: sizes, and the first block of each.
struct Lerp {
    u32 count;
    u32 first_block[MAX_TENSORS];
    u32 numel[MAX_TENSORS];
};

// record: rows and columns of the ring.
struct Record {
    u32 rows;
    u32 columns;
};

// tick: which word of the counter.
struct Tick {
    u32 last;
};

#define MAX_LINKS 32

// chain: what each link computes, as `chain.cu` lists it, and over what.
struct Chain {
    u32 count;
    u32 function[MAX_LINKS];
    Strided walks[MAX_LINKS];
};
