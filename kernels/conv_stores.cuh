// Where the results of a convolution's legs go, and what is done to a number on the way.
//
// The stores that `gemm.cuh` and `gemm_mma.cuh` ask for: row(m) is where row m of the product goes,
// null beyond the result; finish(value, n) the number of column n, passed(value, row, n) what is stored there.
#pragma once
#include "conv_operands.cuh"

// The value of `activate` that says so.
#define GATED 3

// Adds the bias and applies the LeakyReLU on the way, where the plan saw the pair.
DEVICE float activated(float value, const float* bias, u32 channel, const Conv& p) {
    if (p.activate == 0 || p.activate == GATED) return value;
    value += bias[channel];
    return p.activate == 1 || value > 0.0f ? value : p.slope * value;
}

// Multiplies by the slope where the gate, a tensor like the result, is not positive `at` numbers from its beginning.
DEVICE float gated(float value, const float* gate, u64 at, const Conv& p) {
    return p.activate != GATED || gate[at] > 0.0f ? value : p.slope * value;
}

struct ToY {
    float* y;
    const float* extra;  // bias or gate
    const Conv* p;
    MEMBER float* row(u32 m) const { return m < p->n * p->oh * p->ow ? y + (u64)m * p->co : nullptr; }
    MEMBER float finish(float value, u32 channel) const { return activated(value, extra, channel, *p); }
    MEMBER float passed(float value, const float* row, u32 n) const { return gated(value, extra, row - y + n, *p); }
};

// Where row m of a parity class lies in x.
DEVICE float* pixel_of(float* x, const Conv& p, const Parity& parity, u32 m) {
    if (m >= parity.rows(p)) return nullptr;
    const u32 column = parity.px + p.sw * (m % parity.width);
    const u32 line = parity.py + p.sh * (m / parity.width % parity.height);
    return x + (((u64)(m / parity.width / parity.height) * p.h + line) * p.w + column) * p.ci;
}

struct ToX {
    float* x;
    const float* extra;  // bias or gate
    const Conv* p;
    Parity parity;
    MEMBER float* row(u32 m) const { return pixel_of(x, *p, parity, m); }
    MEMBER float finish(float value, u32 channel) const { return activated(value, extra, channel, *p); }
    MEMBER float passed(float value, const float* row, u32 n) const { return gated(value, extra, row - x + n, *p); }
};

struct ToW {
    float* w;
    const Conv* p;
    MEMBER float* row(u32 m) const { return m < p->kh * p->kw * p->ci ? w + (u64)m * p->co : nullptr; }
    MEMBER float finish(float value, u32) const { return value; }
    MEMBER float passed(float value, const float*, u32) const { return value; }
};
