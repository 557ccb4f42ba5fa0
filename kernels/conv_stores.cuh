// Where the results of a convolution's legs go, and what is done to numbers on the way: stores as gemm.cuh asks for them.
#pragma once
#include "conv_operands.cuh"
#include "gemm.cuh"

// The value of `activate` that says so.
#define GATED 3

// Four neighbouring numbers of a result on their way out: the bias is added and the LeakyReLU applied, where the plan saw
// the pair, or numbers are multiplied by the slope where the gate, a tensor like the result, is not positive. Results and
// gates may lie in bf16, of channels that are fours.
template <typename Index>
struct Fours {
    typedef Index Offset;
    void* result;
    const void* extra;  // bias or gate
    const Conv* p;
    u32 columns;

    // The bias of all four; adding -0 changes nothing.
    MEMBER float4 column(u32 n) const {
        if (p->activate == 0 || is_gated() || n >= columns) return make_float4(-0.0f, -0.0f, -0.0f, -0.0f);
        return four_of(static_cast<const float*>(extra), n, columns);
    }
    MEMBER bool is_gated() const { return p->activate == GATED; }
    // The gate of all four.
    MEMBER float4 gate(Offset start, u32 n) const {
        if (!p->gate_bf16) return four_of(static_cast<const float*>(extra) + start, n, columns);
        return four_of_bf16(*reinterpret_cast<const uint2*>(static_cast<const u16*>(extra) + (u64)start + n));
    }
    MEMBER void put(Offset start, u32 n, float4 v, float4 bias, float4 gates) const {
        v.x += bias.x, v.y += bias.y, v.z += bias.z, v.w += bias.w;
        const float4 sign = is_gated() ? gates : v;
        const float slope = p->activate >= 2 ? p->slope : 1.0f;
        v.x = sign.x > 0.0f ? v.x : slope * v.x, v.y = sign.y > 0.0f ? v.y : slope * v.y;
        v.z = sign.z > 0.0f ? v.z : slope * v.z, v.w = sign.w > 0.0f ? v.w : slope * v.w;
        if (p->result_bf16) *reinterpret_cast<uint2*>(static_cast<u16*>(result) + (u64)start + n) = bf16_four(v);
        else store_four(static_cast<float*>(result), start, n, columns, v);
    }
};

template <typename Offset>
struct FoursY : Fours<Offset> {
    MEMBER FoursY(float* y, const float* extra, const Conv& conv) : Fours<Offset>{y, extra, &conv, conv.co} {}
    MEMBER Offset start(u32 m) const {
        const Conv& p = *this->p;
        return m < p.n * p.oh * p.ow ? (Offset)m * p.co : nowhere<Offset>();
    }
};

template <typename Offset>
struct FoursX : Fours<Offset> {
    Parity parity;
    MEMBER FoursX(float* x, const float* extra, const Conv& conv, const Parity& of)
        : Fours<Offset>{x, extra, &conv, conv.ci}, parity(of) {}
    MEMBER Offset start(u32 m) const {
        const Conv& p = *this->p;
        if (m >= parity.rows(p)) return nowhere<Offset>();
        const u32 column = parity.px + p.sw * (m % parity.width), rest = m / parity.width;
        const u32 line = parity.py + p.sh * (rest % parity.height), image = rest / parity.height;
        return (((Offset)image * p.h + line) * p.w + column) * p.ci;
    }
};

template <typename Offset>
struct ToW : Bare<Offset> {
    float* w;
    const Conv* p;
    MEMBER ToW(float* to, const Conv& conv) : w(to), p(&conv) {}
    MEMBER Offset start(u32 m) const { return m < p->kh * p->kw * p->ci ? (Offset)m * p->co : nowhere<Offset>(); }
    MEMBER void put(Offset start, u32 n, float4 v, float4, float4) const { store_four(w, start, n, p->co, v); }
};
