// Slices of an operand on their way to a matrix product: which of its numbers a thread brings from global to shared memory
// (`Feed`, of any kind), and for tensor cores (gemm_mma.cuh) what they are in memory and in a slice, and where each lies there.
#pragma once
#include "gemm.cuh"

struct Tf32 {
    typedef u32 Offset;
    typedef float4 Group, Filter;  // numbers of an image and of a filter, as they lie in memory
    // Numbers of k in a slice, bytes of one, slices in shared memory, threads of a block.
    enum { SLICE = 16, BYTES = 4, STAGES = 3, THREADS = 128 };
    DEVICE void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) { mma_tf32(sum, a, b0, b1); }
};

struct Bf16 {
    typedef u32 Offset;
    typedef float4 Group;
    typedef uint2 Filter;
    enum { SLICE = 32, BYTES = 2, STAGES = 2, THREADS = 256 };
    DEVICE void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) { mma_bf16(sum, a, b0, b1); }
};

struct StoredBf16 {
    typedef u32 Offset;
    typedef uint4 Group, Filter;
    enum { SLICE = 32, BYTES = 2, STAGES = 3, THREADS = 256 };
    DEVICE void multiply(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) { mma_bf16(sum, a, b0, b1); }
};

// How many numbers a group is of.
template <typename Group>
struct Count { enum { OF = sizeof(Group) / 2 }; };
template <>
struct Count<float4> { enum { OF = 4 }; };

#define SLICE_BYTES 64

// The byte of a slice where number (outer, k) lies.
template <typename Number>
struct Place {
    template <u32 TILE, bool along_k>
    DEVICE u32 of(u32 outer, u32 k) {
        const u32 size = Number::BYTES, across = (along_k ? k : outer) * size;
        // Rows that one instruction reads or writes together begin at different chunks.
        const u32 turn = along_k ? outer / 2 % 4 : size == 4 ? k % 4 * 2 : k % 8;
        const u32 row = along_k ? outer * SLICE_BYTES : k * TILE * size;
        return row + (across / 16 ^ turn) * 16 + across % 16;
    }
};

// A number as tensor cores are to read it that cut off the last 13 bits: what they see is rounded to nearest, a tie away
// from zero, as cvt.rna does, in one instruction of compute capability 9.0. Infinities stay, and NaNs but those of negative
// sign whose first bits are all ones, which no arithmetic makes.
DEVICE u32 tf32_near(float value) {
    const u32 bits = __float_as_uint(value), more = bits + 0x1000;
    return (i32)more > (i32)bits ? more : bits;
}
DEVICE uint4 tf32_four(float4 v) { return make_uint4(tf32_near(v.x), tf32_near(v.y), tf32_near(v.z), tf32_near(v.w)); }
// Four zeros.
DEVICE void clear(float4& v) { v = make_float4(0.0f, 0.0f, 0.0f, 0.0f); }
DEVICE void clear(uint2& v) { v = make_uint2(0, 0); }

// The part of an operand's slices that this thread brings: PASSES groups of numbers, whose threads next
// to each other read memory next to each other.
template <typename Number, typename Operand, u32 TILE>
struct Feed {
    typedef typename Operand::Group Group;
    enum {
        WIDTH = Count<Group>::OF,
        LANES = (Operand::ALONG_K ? (u32)Number::SLICE : TILE) / WIDTH,  // threads along a row of memory
        STEP = Number::THREADS / LANES,                                  // rows a pass
        PASSES = TILE * Number::SLICE / WIDTH / Number::THREADS,
        LINES = Operand::ALONG_K ? PASSES : 1
    };
    Operand from;
    const u8* data;
    typename Operand::Line lines[LINES];

    MEMBER Feed(const Operand& operand, const void* memory, u32 outer)
        : from(operand), data(static_cast<const u8*>(memory)) {
        UNROLL for (u32 i = 0; i < LINES; ++i) lines[i] = from.line(outer + outer_of(i));
        from.advance(k_of(0));
    }
    MEMBER static u32 outer_of(u32 i) {
        return Operand::ALONG_K ? threadIdx.x / LANES + STEP * i : threadIdx.x % LANES * WIDTH;
    }
    MEMBER static u32 k_of(u32 i) {
        return Operand::ALONG_K ? threadIdx.x % LANES * WIDTH : threadIdx.x / LANES + STEP * i;
    }
    MEMBER static u32 place_of(u32 i) {
        return Place<Number>::template of<TILE, Operand::ALONG_K>(outer_of(i), k_of(i));
    }

    // The group from that number on.
    MEMBER const Group* at(typename Operand::Offset offset) const {
        return reinterpret_cast<const Group*>(data + (u64)offset * (sizeof(Group) / WIDTH));
    }

    // The offset that pass i reads, if any; passes come in order, the operand moves on with them.
    MEMBER bool next(u32 i, u32& offset) {
        const bool there = from.at(lines[Operand::ALONG_K ? i : 0], offset);
        move(i);
        return there;
    }
    // From pass i on to the next.
    MEMBER void move(u32 i) {
        if (!Operand::ALONG_K) from.advance(STEP);
        else if (i + 1 == PASSES) from.advance(Number::SLICE);
    }

    // A slice by cp.async.
    MEMBER void send(u8* slice) {
        UNROLL for (u32 i = 0; i < PASSES; ++i) {
            u32 offset;
            const bool there = next(i, offset);
            copy_async(slice + place_of(i), at(there ? offset : 0), there ? 16 : 0);
        }
    }

    // A slice through registers.
    MEMBER void fetch(Group (&held)[PASSES]) {
        UNROLL for (u32 i = 0; i < PASSES; ++i) {
            u32 offset;
            const bool there = next(i, offset);
            clear(held[i]);
            if (there) held[i] = *at(offset);
        }
    }
    MEMBER static void deposit(const Group (&held)[PASSES], u8* slice) {
        UNROLL for (u32 i = 0; i < PASSES; ++i) *reinterpret_cast<uint2*>(slice + place_of(i)) = bf16_four(held[i]);
    }
};
