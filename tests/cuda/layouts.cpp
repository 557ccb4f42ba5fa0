// Where operands of tensor cores lie in shared memory, and what a warp touches there, by calling the kernels' own
// functions for each thread by itself.
//
// Prints a line for each kind of access: what, and how many accesses a bank serves at most in one go (1: no conflict);
// a line that begins with "wrong" where a number does not lie as its instruction wants it. Sources of the layouts: PTX ISA,
// "Matrix Fragments for mma.m16n8k8" (tf32) and "m16n8k16" (bf16), "ldmatrix", "Shared Memory Matrix Layout" of wgmma; and
// the swizzle of 128 bytes as CUTLASS defines it, Swizzle<3, 4, 3>: bits 7 to 9 of a byte's offset, by exclusive or, in bits 4 to 6.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <vector>

#include "gemm_fp32.cuh"
#include "gemm_wgmma_tf32.cuh"

// ---- a thread, and what it does -----------------------------------------------------------------

namespace simt {

thread_local Thread thread{};
__thread Thread* self;
__thread Block* block;
alignas(1024) unsigned char slice[1 << 17];
std::vector<const void*> copied;  // where asynchronous copies went
Row published;                    // what a lane of ldmatrix read

void* shared(Site&, std::size_t) { return slice; }
void* dynamic_shared() { return slice; }
void barrier(const char*, int) {}
void collect(const char*, unsigned, void* payload, Collective, const char*, int) { published = *static_cast<Row*>(payload); }
void fail(const char* problem) { std::printf("wrong: %s\n", problem), std::exit(1); }
void fail_lane(const char* problem, unsigned) { fail(problem); }
void async_copy(void* to, const void*, unsigned, unsigned) { copied.push_back(to); }
void async_commit() {}
void async_wait(unsigned) {}
void product_begin(const Product&) {}
void product_bring() {}
void product_publish() {}
void product_commit() {}
void product_wait(unsigned) {}

void be(unsigned index) {
    thread.index = {index, 0, 0};
    thread.lane = index % 32;
    self = &thread;
}

}  // namespace simt

using simt::slice;

// ---- banks ------------------------------------------------------------------------------------

// The most words of one bank that one go of a warp's access touches; a go is of 128 bytes, lane after lane.
static unsigned conflicts(const std::vector<u32>& bytes, u32 width) {
    const std::size_t lanes = 128 / width;
    std::size_t worst = 0;
    for (std::size_t first = 0; first < bytes.size(); first += lanes) {
        std::map<u32, std::set<u32>> banks;
        for (std::size_t lane = first; lane < std::min(first + lanes, bytes.size()); ++lane)
            for (u32 byte = bytes[lane]; byte < bytes[lane] + width; byte += 4) banks[byte / 4 % 32].insert(byte / 4);
        for (const auto& [bank, words] : banks) worst = std::max(worst, words.size());
    }
    return worst;
}

// The accesses of all warps, by warp and instruction.
struct Accesses {
    std::map<std::pair<u32, u32>, std::vector<u32>> at;
    void add(u32 thread, u32 instruction, u32 byte) { at[{thread / 32, instruction}].push_back(byte); }
    void print(const char* what, const char* kind, u32 width) const {
        unsigned worst = 0;
        for (const auto& [_, bytes] : at) worst = std::max(worst, conflicts(bytes, width));
        std::printf("%s %s %u\n", what, kind, worst);
    }
};

// Every word of the slice that holds this one, as byte offsets.
static std::vector<u32> where(u32 word) {
    std::vector<u32> all;
    for (u32 byte = 0; byte < sizeof slice; byte += 4) {
        u32 found;
        std::memcpy(&found, slice + byte, 4);
        if (found == word) all.push_back(byte);
    }
    return all;
}

// ---- operands whose number (outer, k) is there for all ---------------------------------------------

template <typename Numbers, bool along_k, typename Counter = u32>
struct Everywhere {
    typedef Numbers Group;
    typedef Counter Offset;
    typedef u32 Line;
    enum { ALONG_K = along_k };
    bool fours() const { return true; }
    Line line(u32) const { return 0; }
    Line after(Line) const { return 0; }
    bool at(Line, Offset& offset) const { return offset = 0, true; }
    void advance(u32) {}
};

alignas(16) static const unsigned char nothing[64] = {};

// Copies of a slice by cp.async, 16 bytes a lane.
template <typename Number, typename Group, u32 TILE, bool along_k>
static void copies(const char* kind) {
    typedef Feed<Number, Everywhere<Group, along_k>, TILE> Copies;
    Accesses all;
    for (u32 thread = 0; thread < (u32)Number::THREADS; ++thread) {
        simt::be(thread);
        simt::copied.clear();
        Copies(Everywhere<Group, along_k>(), nothing, 0).send(slice);
        for (u32 i = 0; i < simt::copied.size(); ++i)
            all.add(thread, i, static_cast<const unsigned char*>(simt::copied[i]) - slice);
    }
    all.print("copy", kind, 16);
}

// Bf16 through registers, 8 bytes a lane.
template <u32 TILE, bool along_k>
static void deposits(const char* kind) {
    typedef Feed<Bf16, Everywhere<float4, along_k>, TILE> Deposits;
    Accesses all;
    for (u32 thread = 0; thread < (u32)Bf16::THREADS; ++thread) {
        simt::be(thread);
        float4 held[Deposits::PASSES];
        for (u32 i = 0; i < Deposits::PASSES; ++i) held[i] = make_float4(i + 1, i + 1, 0, 0);
        std::memset(slice, 0xff, sizeof slice);
        Deposits::deposit(held, slice);
        for (u32 i = 0; i < Deposits::PASSES; ++i)
            for (u32 byte : where(bf16_pair(i + 1, i + 1))) all.add(thread, i, byte);
    }
    all.print("deposit", kind, 8);
}

// Single precision through registers: fours, or along k four times one number.
template <u32 T, bool along_k>
static void single(const char* kind) {
    Accesses all;
    for (u32 thread = 0; thread < 256; ++thread) {
        simt::be(thread);
        Fetch<Everywhere<float4, along_k, u64>, T> fetch(Everywhere<float4, along_k, u64>(), nothing, 0);
        for (u32 i = 0; i < T / 4; ++i) fetch.held[i] = make_float4(4 * i + 1, 4 * i + 2, 4 * i + 3, 4 * i + 4);
        std::memset(slice, 0xff, sizeof slice);
        fetch.deposit(reinterpret_cast<float*>(slice));
        for (u32 j = 0; j < T; j += along_k ? 1 : 4)
            for (u32 byte : where(__float_as_uint(j + 1))) all.add(thread, j, byte);
    }
    all.print("deposit", kind, along_k ? 4 : 16);
}

// tf32 for warpgroups: 16 bytes a lane.
template <u32 TILE, bool along_k>
static void carries(const char* kind) {
    typedef Carry<Everywhere<float4, along_k>, TILE, along_k> Carries;
    Accesses all;
    for (u32 thread = 0; thread < (u32)WideTf32::THREADS; ++thread) {
        simt::be(thread);
        Carries carry(Everywhere<float4, along_k>(), nothing, 0);
        auto* const held = reinterpret_cast<float4*>(carry.held);
        const u32 groups = sizeof carry.held / sizeof(float4);
        for (u32 i = 0; i < groups; ++i) held[i] = make_float4(4 * i + 1, 4 * i + 2, 4 * i + 3, 4 * i + 4);
        std::memset(slice, 0xff, sizeof slice);
        carry.deposit(slice);
        // A chunk begins with the first number of a group; of a square of four, with any of the first group's.
        for (u32 first = 1; first <= 4 * groups; ++first)
            if (along_k ? first % 4 == 1 : (first - 1) % 16 < 4)
                for (u32 byte : where(tf32_near(first))) all.add(thread, first, byte);
    }
    all.print("deposit", kind, 16);
}

// ---- fragments ----------------------------------------------------------------------------------

// A number for every place of a slice, which tf32 has too.
static u32 number(u32 outer, u32 k, u32 bytes) { return outer * (SLICE_BYTES / bytes) + k; }

template <typename Number, u32 TILE, bool along_k>
static void fill() {
    for (u32 outer = 0; outer < TILE; ++outer)
        for (u32 k = 0; k < (u32)Number::SLICE; ++k) {
            unsigned char* const at = slice + Place<Number>::template of<TILE, along_k>(outer, k);
            const u32 value = number(outer, k, Number::BYTES), tf32 = __float_as_uint(value);
            if (Number::BYTES == 2) std::memcpy(at, &value, 2);
            else std::memcpy(at, &tf32, 4);
        }
}

// The number that half `half` of register `i` of a lane is to hold, by the PTX ISA. A fragment of A is of one product; one of
// B is of two, of columns 0 to 7 and 8 to 15, two registers each.
static u32 wanted(bool a, u32 bytes, u32 lane, u32 i, u32 half, u32 outer, u32 first) {
    const u32 group = lane / 4, in_group = lane % 4;
    const u32 row = a ? group + i % 2 * 8 : group + i / 2 * 8, later = a ? i / 2 : i % 2;
    const u32 k = bytes == 2 ? 2 * in_group + half + later * 8 : in_group + later * 4;
    return number(outer + row, first + k, bytes);
}

template <typename As, typename Number, u32 TILE, bool along_k>
static void fragments(const char* kind) {
    static_assert(TILE * SLICE_BYTES / 4 <= 2048, "every word's number is one that tf32 has");
    const bool a = std::is_same<As, AsA>::value, by_matrices = along_k || Number::BYTES == 2;
    fill<Number, TILE, along_k>();
    Accesses all;
    u32 wrong = 0;
    for (u32 outer = 0; outer < TILE; outer += 16)
        for (u32 part = 0; part < 2; ++part) {
            const u32 first = part * Number::SLICE / 2, go = (outer / 16 * 2 + part) * 4;
            u32 held[32][4] = {};
            unsigned short rows[32][8];
            for (u32 lane = 0; lane < 32; ++lane) {
                simt::be(lane);
                fragment<As, Number, TILE, along_k>(slice, outer, part, held[lane]);
                if (by_matrices) std::memcpy(rows[lane], simt::published.numbers, 16);
            }
            for (u32 lane = 0; lane < 32; ++lane)
                for (u32 i = 0; i < 4; ++i) {
                    // A lane of ldmatrix holds of matrix i the pair lane % 4 of row lane / 4, or of column lane / 4.
                    const u32 group = lane / 4, pair = lane % 4 * 2;
                    const bool turned = !along_k;
                    unsigned short halves[2] = {rows[8 * i + (turned ? pair : group)][turned ? group : pair],
                                                rows[8 * i + (turned ? pair + 1 : group)][turned ? group : pair + 1]};
                    if (Number::BYTES == 2) {
                        for (u32 half = 0; half < 2; ++half)
                            wrong += halves[half] != wanted(a, 2, lane, i, half, outer, first);
                    } else {
                        u32 word = held[lane][i];
                        if (along_k) std::memcpy(&word, halves, 4);
                        wrong += word != __float_as_uint(wanted(a, 4, lane, i, 0, outer, first));
                    }
                }
            // The same loads by where they go: every word of the slice says where it lies.
            if (!by_matrices) {
                for (u32 word = 0; word < sizeof slice / 4; ++word) {
                    const u32 place = __float_as_uint(word + 1);
                    std::memcpy(slice + 4 * word, &place, 4);
                }
            } else {
                for (u32 chunk = 0; chunk < sizeof slice / 16; ++chunk) std::memcpy(slice + 16 * chunk, &chunk, 4);
            }
            for (u32 lane = 0; lane < 32; ++lane) {
                simt::be(lane);
                fragment<As, Number, TILE, along_k>(slice, outer, part, held[lane]);
                u32 chunk;
                if (by_matrices) std::memcpy(&chunk, simt::published.numbers, 4);
                for (u32 i = 0; i < (by_matrices ? 1 : 4); ++i)
                    all.add(0, go + i, by_matrices ? chunk * 16 : 4 * (static_cast<u32>(__uint_as_float(held[lane][i])) - 1));
            }
            fill<Number, TILE, along_k>();
        }
    if (wrong) std::printf("wrong: %s: %u numbers are not where the instruction has them\n", kind, wrong);
    all.print("fragment", kind, by_matrices ? 16 : 4);
}

// ---- matrices of warpgroups -----------------------------------------------------------------------

static u32 swizzled(u32 byte) { return byte ^ (byte >> 7 & 7) << 4; }

// K-major: rows of 64 numbers of k one after the other; across k: for each k a row of 64 outer numbers, 64 rows of k, and then
// the next 64 outer numbers.
template <u32 TILE, bool along_k>
static void matrices(const char* kind) {
    u32 wrong = 0;
    for (u32 outer = 0; outer < TILE; ++outer)
        for (u32 k = 0; k < 64; ++k) {
            const u32 byte = along_k ? outer * 128 + k * 2 : (outer / 64 * 64 + k) * 128 + outer % 64 * 2;
            wrong += Place<WideBf16>::of<TILE, along_k>(outer, k) != swizzled(byte);
        }
    if (wrong) std::printf("wrong: %s: %u numbers are not where the swizzle has them\n", kind, wrong);
}

static void chunks() {
    u32 wrong = 0;
    for (u32 row = 0; row < 256; ++row)
        for (u32 chunk = 0; chunk < 8; ++chunk) wrong += chunk_of(row, chunk) != swizzled(row * 128 + chunk * 16);
    if (wrong) std::printf("wrong: chunks of tf32: %u\n", wrong);
}

#define FRAGMENTS(Number, tile)                                          \
    fragments<AsA, Number, tile, true>(#Number " a along k " #tile);     \
    fragments<AsB, Number, tile, true>(#Number " b along k " #tile);     \
    fragments<AsA, Number, tile, false>(#Number " a across k " #tile);   \
    fragments<AsB, Number, tile, false>(#Number " b across k " #tile)
#define BOTH(function, name, ...)                    \
    function<__VA_ARGS__, true>(name " along k");    \
    function<__VA_ARGS__, false>(name " across k")

int main() {
    FRAGMENTS(Tf32, 64);
    FRAGMENTS(Tf32, 128);
    FRAGMENTS(Bf16, 64);
    FRAGMENTS(Bf16, 128);
    BOTH(copies, "Tf32 64", Tf32, float4, 64);
    BOTH(copies, "Tf32 128", Tf32, float4, 128);
    BOTH(copies, "StoredBf16 64", StoredBf16, uint4, 64);
    BOTH(copies, "StoredBf16 128", StoredBf16, uint4, 128);
    BOTH(copies, "WideBf16 64", WideBf16, uint4, 64);
    BOTH(copies, "WideBf16 128", WideBf16, uint4, 128);
    BOTH(copies, "WideBf16 256", WideBf16, uint4, 256);
    BOTH(deposits, "Bf16 64", 64);
    BOTH(deposits, "Bf16 128", 128);
    BOTH(carries, "WideTf32 64", 64);
    BOTH(carries, "WideTf32 128", 128);
    BOTH(carries, "WideTf32 256", 256);
    BOTH(single, "Fp32 64", 4);
    BOTH(single, "Fp32 128", 8);
    BOTH(matrices, "WideBf16 128", 128);
    BOTH(matrices, "WideBf16 256", 256);
    chunks();
}
