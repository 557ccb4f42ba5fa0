// What the kernels of normalisation with scale, shift and LeakyReLU share. Families that include this round every
// operation by itself (src/device/gpu/cuda/compile.rs), so that a mask is that of the forward pass.
#pragma once
#include "norm.cuh"

DEVICE Norm norm_of(const NormRelu& p) { return {p.rows, p.columns, p.pieces, p.piece, p.width, p.eps}; }

// y gamma + beta, which the sign of the result is that of.
DEVICE float shifted(float y, float gamma, float beta) { return y * gamma + beta; }

DEVICE float normalised(float x, float mean, float r) { return (x - mean) * r; }

// v where a LeakyReLU of y gamma + beta has slope one, slope v elsewhere.
DEVICE float masked(float y, float gamma, float beta, float slope, float v) {
    return shifted(y, gamma, beta) > 0.0f ? v : slope * v;
}

// Adds numbers that may not be there, to results from the one with that index on; those of a smaller image, of whose
// pixels all `WIDTH` are of one, are repeated.
template <u32 WIDTH>
DEVICE void add_more(const float* more, u32 i, float (&to)[WIDTH], const NormRelu& p) {
    if (!more) return;
    if (p.factor > 1) {
        const u32 pixel = i / p.channels, row = pixel / p.line, column = pixel - row * p.line;
        i = (row / p.factor * (p.line / p.factor) + column / p.factor) * p.channels + i - pixel * p.channels;
    }
    float v[WIDTH];
    read_width(more + i, v);
    UNROLL for (u32 k = 0; k < WIDTH; ++k) to[k] += v[k];
}
