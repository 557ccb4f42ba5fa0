// Small element-wise operations, one after the other, in one launch: what scalars and the numbers of a batch go
// through, where each by itself would take the latency of a launch and do hardly anything in it.
//
// Formula: of each link that of its own kernel (elementwise.cu, `copy_strided` of layout.cu), with the same bits.
// Launch: one block, whatever the links.
// Traffic: that of the links; bound by latency, two ways to the cache and a barrier a link.
// Order: none within a link; a link reads what those before it wrote.
#include "elementwise.cuh"

// Pointers of each link: first operand, second operand, result; null where it has no such operand.
struct ChainTable { float* at[3 * MAX_LINKS]; };

// The functions in the order of FUNCTIONS in src/device/gpu/chain.rs.
DEVICE float linked(u32 function, float a, float b, float constant) {
    const Elementwise p = {0, 0, constant, 0.0f};
    switch (function) {
        case 0: return constant;  // fill
        case 1: return a;         // copy
        case 2: return Neg::of(a, p);
        case 3: return Exp::of(a, p);
        case 4: return Ln::of(a, p);
        case 5: return Sqrt::of(a, p);
        case 6: return Recip::of(a, p);
        case 7: return Square::of(a, p);
        case 8: return Tanh::of(a, p);
        case 9: return Sigmoid::of(a, p);
        case 10: return LeakyRelu::of(a, p);
        case 11: return LeakyMask::of(a, p);
        case 12: return Scale::of(a, p);
        case 13: return Shift::of(a, p);
        case 14: return Pow::of(a, p);
        case 15: return Add::of(a, b, constant);
        case 16: return Sub::of(a, b, constant);
        case 17: return Mul::of(a, b, constant);
        case 18: return Div::of(a, b, constant);
        default: return Gate::of(a, b, constant);
    }
}

KERNEL(256) chain(ChainTable table, Chain p) {
    begin_kernel();
    for (u32 link = 0; link < p.count; ++link) {
        const Strided& over = p.walks[link];
        const float* const a = table.at[3 * link];
        const float* const b = table.at[3 * link + 1];
        float* const y = table.at[3 * link + 2];
        for (u32 i = threadIdx.x; i < over.n; i += 256) {
            u32 from_a = over.offset, from_b = 0;
            walk(over, i, from_a, from_b);
            y[i] = linked(p.function[link], a ? a[from_a] : 0.0f, b ? b[from_b] : 0.0f, over.slope);
        }
        __syncthreads();
    }
}
