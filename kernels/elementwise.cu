// Functions of one or two numbers, applied to every element.
//
// Launch: one thread per 4 elements (float4; every tensor begins at a multiple of 64 bytes), the
// last few one by one; strided kernels too where the last axis is a multiple of 4, else one thread per
// element.
// Traffic: 8 bytes an element for one operand, 12 for two; bound by memory.
// Order: none, every result is a function of its own inputs.
#include "common.cuh"
#include "elementwise.cuh"

// ---- walks ---------------------------------------------------------------------------------

template <typename F>
DEVICE void unary(const float* x, float* y, const Elementwise& p) {
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    const u32 count = least(p.n - (u32)i, 4);
    float v[4];
    read_four(x + i, count, v);
    UNROLL for (u32 k = 0; k < 4; ++k) v[k] = F::of(v[k], p);
    write_four(y + i, count, v);
}

template <typename F>
DEVICE void binary(const float* a, const float* b, float* y, const Elementwise& p) {
    const u64 i = 4 * thread_in_grid();
    if (i >= p.n) return;
    const u32 count = least(p.n - (u32)i, 4);
    float u[4], v[4];
    read_four(a + i, count, u), read_four(b + i, count, v);
    UNROLL for (u32 k = 0; k < 4; ++k) u[k] = F::of(u[k], v[k], p.a);
    write_four(y + i, count, u);
}

// Four numbers of an operand whose step along the last axis is 1 or 0.
DEVICE void read_along(const float* from, u32 step, float (&to)[4]) {
    if (step == 1) {
        read_four(from, 4, to);
    } else {
        UNROLL for (u32 k = 0; k < 4; ++k) to[k] = *from;
    }
}

// Broadcast operands: steps of 0 along the axes an operand does not have. `p.width` elements a thread,
// all of them along the last axis.
template <typename F>
DEVICE void binary_strided(const float* a, const float* b, float* y, const Strided& p) {
    const u64 i = thread_in_grid() * p.width;
    if (i >= p.n) return;
    u32 from_a = 0, from_b = 0;
    walk(p, (u32)i, from_a, from_b);
    if (p.width == 1) {
        y[i] = F::of(a[from_a], b[from_b], p.slope);
        return;
    }
    float u[4], v[4];
    read_along(a + from_a, p.a[0], u);
    read_along(b + from_b, p.b[0], v);
    UNROLL for (u32 k = 0; k < 4; ++k) u[k] = F::of(u[k], v[k], p.slope);
    write_four(y + i, 4, u);
}

// ---- kernels -------------------------------------------------------------------------------

KERNEL(256) fill(float* y, Elementwise p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i < p.n) y[i] = p.a;
}

KERNEL(256) neg(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Neg>(x, y, p); }
KERNEL(256) exp_(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Exp>(x, y, p); }
KERNEL(256) ln(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Ln>(x, y, p); }
KERNEL(256) sqrt_(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Sqrt>(x, y, p); }
KERNEL(256) recip(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Recip>(x, y, p); }
KERNEL(256) square(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Square>(x, y, p); }
KERNEL(256) tanh_(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Tanh>(x, y, p); }
KERNEL(256) sigmoid(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Sigmoid>(x, y, p); }
KERNEL(256) leaky_relu(const float* x, float* y, Elementwise p) { begin_kernel(); unary<LeakyRelu>(x, y, p); }
KERNEL(256) leaky_mask(const float* x, float* y, Elementwise p) { begin_kernel(); unary<LeakyMask>(x, y, p); }
KERNEL(256) scale(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Scale>(x, y, p); }
KERNEL(256) shift(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Shift>(x, y, p); }
KERNEL(256) pow_(const float* x, float* y, Elementwise p) { begin_kernel(); unary<Pow>(x, y, p); }

KERNEL(256) add(const float* a, const float* b, float* y, Elementwise p) { begin_kernel(); binary<Add>(a, b, y, p); }
KERNEL(256) sub(const float* a, const float* b, float* y, Elementwise p) { begin_kernel(); binary<Sub>(a, b, y, p); }
KERNEL(256) mul(const float* a, const float* b, float* y, Elementwise p) { begin_kernel(); binary<Mul>(a, b, y, p); }
KERNEL(256) div_(const float* a, const float* b, float* y, Elementwise p) { begin_kernel(); binary<Div>(a, b, y, p); }
KERNEL(256) gate(const float* a, const float* b, float* y, Elementwise p) { begin_kernel(); binary<Gate>(a, b, y, p); }
// The same, of a whole number of fours, stored in bf16.
KERNEL(256) gate_bf16(const float* a, const float* b, uint2* y, Elementwise p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (4 * i >= p.n) return;
    float u[4], v[4];
    read_four(a + 4 * i, 4, u), read_four(b + 4 * i, 4, v);
    UNROLL for (u32 k = 0; k < 4; ++k) u[k] = Gate::of(u[k], v[k], p.a);
    y[i] = make_uint2(bf16_pair(u[0], u[1]), bf16_pair(u[2], u[3]));
}

KERNEL(256) add_strided(const float* a, const float* b, float* y, Strided p) { begin_kernel(); binary_strided<Add>(a, b, y, p); }
KERNEL(256) sub_strided(const float* a, const float* b, float* y, Strided p) { begin_kernel(); binary_strided<Sub>(a, b, y, p); }
KERNEL(256) mul_strided(const float* a, const float* b, float* y, Strided p) { begin_kernel(); binary_strided<Mul>(a, b, y, p); }
KERNEL(256) div_strided(const float* a, const float* b, float* y, Strided p) { begin_kernel(); binary_strided<Div>(a, b, y, p); }
KERNEL(256) gate_strided(const float* a, const float* b, float* y, Strided p) { begin_kernel(); binary_strided<Gate>(a, b, y, p); }
