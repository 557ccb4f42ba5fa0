// Functions of one or two numbers, applied to every element.
//
// Launch: one thread per 4 elements (float4; every tensor begins at a multiple of 64 bytes), the
// last few one by one; strided kernels one thread per element.
// Traffic: 8 bytes an element for one operand, 12 for two; bound by memory.
// Order: none, every result is a function of its own inputs.
#include "common.cuh"
#include "params.cuh"

// ---- functions -----------------------------------------------------------------------------

struct Neg { DEVICE float of(float x, const Elementwise&) { return -x; } };
struct Exp { DEVICE float of(float x, const Elementwise&) { return expf(x); } };
struct Ln { DEVICE float of(float x, const Elementwise&) { return logf(x); } };
struct Sqrt { DEVICE float of(float x, const Elementwise&) { return sqrtf(x); } };
struct Recip { DEVICE float of(float x, const Elementwise&) { return 1.0f / x; } };
struct Square { DEVICE float of(float x, const Elementwise&) { return x * x; } };
struct Tanh { DEVICE float of(float x, const Elementwise&) { return tanhf(x); } };
struct Sigmoid { DEVICE float of(float x, const Elementwise&) { return 1.0f / (1.0f + expf(-x)); } };
struct LeakyRelu { DEVICE float of(float x, const Elementwise& p) { return x > 0.0f ? x : p.a * x; } };
struct LeakyMask { DEVICE float of(float x, const Elementwise& p) { return x > 0.0f ? 1.0f : p.a; } };
struct Scale { DEVICE float of(float x, const Elementwise& p) { return x * p.a; } };
struct Shift { DEVICE float of(float x, const Elementwise& p) { return x + p.a; } };
struct Pow { DEVICE float of(float x, const Elementwise& p) { return powf(x, p.a); } };

struct Add { DEVICE float of(float a, float b, float) { return a + b; } };
struct Sub { DEVICE float of(float a, float b, float) { return a - b; } };
struct Mul { DEVICE float of(float a, float b, float) { return a * b; } };
struct Div { DEVICE float of(float a, float b, float) { return a / b; } };
struct Gate { DEVICE float of(float a, float b, float slope) { return a > 0.0f ? b : slope * b; } };

// ---- walks ---------------------------------------------------------------------------------

template <typename F>
DEVICE void unary(const float* x, float* y, const Elementwise& p) {
    const u64 i = 4 * thread_in_grid();
    if (i + 4 <= p.n) {
        const float4 v = *reinterpret_cast<const float4*>(x + i);
        *reinterpret_cast<float4*>(y + i) =
            make_float4(F::of(v.x, p), F::of(v.y, p), F::of(v.z, p), F::of(v.w, p));
    } else {
        for (u64 k = i; k < p.n; ++k) y[k] = F::of(x[k], p);
    }
}

template <typename F>
DEVICE void binary(const float* a, const float* b, float* y, const Elementwise& p) {
    const u64 i = 4 * thread_in_grid();
    if (i + 4 <= p.n) {
        const float4 u = *reinterpret_cast<const float4*>(a + i), v = *reinterpret_cast<const float4*>(b + i);
        *reinterpret_cast<float4*>(y + i) = make_float4(F::of(u.x, v.x, p.a), F::of(u.y, v.y, p.a),
                                                        F::of(u.z, v.z, p.a), F::of(u.w, v.w, p.a));
    } else {
        for (u64 k = i; k < p.n; ++k) y[k] = F::of(a[k], b[k], p.a);
    }
}

// Broadcast operands: steps of 0 along the axes an operand does not have.
template <typename F>
DEVICE void binary_strided(const float* a, const float* b, float* y, const Strided& p) {
    const u64 i = thread_in_grid();
    if (i >= p.n) return;
    u32 rest = (u32)i, from_a = 0, from_b = 0;
    UNROLL for (u32 axis = MAX_RANK; axis-- > 0;) {
        if (axis >= p.rank) continue;
        const u32 quotient = rest / p.dims[axis], at = rest - quotient * p.dims[axis];
        from_a += at * p.a[axis];
        from_b += at * p.b[axis];
        rest = quotient;
    }
    y[i] = F::of(a[from_a], b[from_b], p.slope);
}

// ---- kernels -------------------------------------------------------------------------------

KERNEL(256) fill(float* y, Elementwise p) {
    const u64 i = thread_in_grid();
    if (i < p.n) y[i] = p.a;
}

KERNEL(256) neg(const float* x, float* y, Elementwise p) { unary<Neg>(x, y, p); }
KERNEL(256) exp_(const float* x, float* y, Elementwise p) { unary<Exp>(x, y, p); }
KERNEL(256) ln(const float* x, float* y, Elementwise p) { unary<Ln>(x, y, p); }
KERNEL(256) sqrt_(const float* x, float* y, Elementwise p) { unary<Sqrt>(x, y, p); }
KERNEL(256) recip(const float* x, float* y, Elementwise p) { unary<Recip>(x, y, p); }
KERNEL(256) square(const float* x, float* y, Elementwise p) { unary<Square>(x, y, p); }
KERNEL(256) tanh_(const float* x, float* y, Elementwise p) { unary<Tanh>(x, y, p); }
KERNEL(256) sigmoid(const float* x, float* y, Elementwise p) { unary<Sigmoid>(x, y, p); }
KERNEL(256) leaky_relu(const float* x, float* y, Elementwise p) { unary<LeakyRelu>(x, y, p); }
KERNEL(256) leaky_mask(const float* x, float* y, Elementwise p) { unary<LeakyMask>(x, y, p); }
KERNEL(256) scale(const float* x, float* y, Elementwise p) { unary<Scale>(x, y, p); }
KERNEL(256) shift(const float* x, float* y, Elementwise p) { unary<Shift>(x, y, p); }
KERNEL(256) pow_(const float* x, float* y, Elementwise p) { unary<Pow>(x, y, p); }

KERNEL(256) add(const float* a, const float* b, float* y, Elementwise p) { binary<Add>(a, b, y, p); }
KERNEL(256) sub(const float* a, const float* b, float* y, Elementwise p) { binary<Sub>(a, b, y, p); }
KERNEL(256) mul(const float* a, const float* b, float* y, Elementwise p) { binary<Mul>(a, b, y, p); }
KERNEL(256) div_(const float* a, const float* b, float* y, Elementwise p) { binary<Div>(a, b, y, p); }
KERNEL(256) gate(const float* a, const float* b, float* y, Elementwise p) { binary<Gate>(a, b, y, p); }

KERNEL(256) add_strided(const float* a, const float* b, float* y, Strided p) { binary_strided<Add>(a, b, y, p); }
KERNEL(256) sub_strided(const float* a, const float* b, float* y, Strided p) { binary_strided<Sub>(a, b, y, p); }
KERNEL(256) mul_strided(const float* a, const float* b, float* y, Strided p) { binary_strided<Mul>(a, b, y, p); }
KERNEL(256) div_strided(const float* a, const float* b, float* y, Strided p) { binary_strided<Div>(a, b, y, p); }
KERNEL(256) gate_strided(const float* a, const float* b, float* y, Strided p) { binary_strided<Gate>(a, b, y, p); }
