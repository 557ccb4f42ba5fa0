// CUDA's words on a CPU: enough of the language to run the kernels of this project unchanged.
//
// A block runs on one thread of the operating system; its CUDA threads are fibers that take turns
// until each waits at a barrier, waits in a warp collective, or has returned. As long as threads
// return without waiting they share one fiber, so a kernel that never synchronises is a loop.
//
// What real hardware leaves undefined is made visible: shared memory and outputs are poisoned
// before use, threads run forward, backward or shuffled, an asynchronous copy lands only at its
// wait, and a barrier or collective that not all of its threads reach is reported.
#pragma once

// The C++ library first: below, CUDA's keywords become macros.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace simt {

struct Dim {
    unsigned x, y, z;
};

// One CUDA thread, as the kernels see it; the scheduler's part is in runtime.cpp.
struct Thread {
    Dim index;
    unsigned lane;
    bool began;  // has called begin_kernel()
};

// Which block is running, and of what.
struct Block {
    Dim index, grid, threads;
};

extern __thread Thread* self;
extern __thread Block* block;

// A place in the source that declares a shared array.
struct Site {
    void* memory;
    unsigned long long epoch;  // of the block that owns the memory
};

// The array of a site: the same for all threads of a block, poisoned for each new block.
void* shared(Site& site, std::size_t bytes);
void* dynamic_shared();

void barrier(const char* file, int line);

// What a warp collective does once all its lanes have arrived: sees what every lane published.
using Collective = void (*)(void** payloads, unsigned mask);

// Publishes `payload` and waits for the lanes of `mask`; the last to arrive runs `collective`.
void collect(const char* what, unsigned mask, void* payload, Collective collective, const char* file, int line);

// Ends the launch with an error that names kernel, block and thread.
[[noreturn]] void fail(const char* problem);
[[noreturn]] void fail_lane(const char* what, unsigned lane);

// Copies of 16 bytes that land at their wait, as late as the hardware allows.
void async_copy(void* to, const void* from, unsigned bytes, unsigned valid);
void async_commit();
void async_wait(unsigned groups_left);

// Products that are computed at their wait, from what shared memory then holds.
struct Product {
    void (*compute)(void* sum, unsigned long long a, unsigned long long b);
    void* sum;
    unsigned long long a, b;
};
void product_begin(const Product& product);
// This thread has written what products will read, and has made what it wrote known to them.
void product_bring();
void product_publish();
void product_commit();
void product_wait(unsigned groups_left);

// ---- warp collectives ----------------------------------------------------------------------

template <typename T>
struct Exchange {
    T value, result;
    int lane;  // whose value is wanted
};

template <typename T>
void exchange(void** payloads, unsigned mask) {
    for (int lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1)) continue;
        auto* mine = static_cast<Exchange<T>*>(payloads[lane]);
        if (!(mask >> mine->lane & 1)) fail_lane("a shuffle reads a lane outside its mask", mine->lane);
        mine->result = static_cast<Exchange<T>*>(payloads[mine->lane])->value;
    }
}

template <typename T>
T shuffle(unsigned mask, T value, int lane, const char* file, int line) {
    if (lane < 0 || lane > 31) fail_lane("a shuffle asks for a lane that does not exist", lane);
    Exchange<T> mine{value, value, lane};
    collect("shuffle", mask, &mine, exchange<T>, file, line);
    return mine.result;
}

// The lane a shuffle down, up or across reads within segments of `width` lanes; its own past the end.
inline int lane_down(unsigned delta, int width) {
    const int lane = self->lane, end = (lane / width + 1) * width;
    return lane + static_cast<int>(delta) < end ? lane + static_cast<int>(delta) : lane;
}
inline int lane_up(unsigned delta, int width) {
    const int lane = self->lane, start = lane / width * width;
    return lane - static_cast<int>(delta) >= start ? lane - static_cast<int>(delta) : lane;
}
inline int lane_at(int lane, int width) { return static_cast<int>(self->lane) / width * width + (lane & (width - 1)); }

struct Vote {
    int predicate;
    unsigned ballot;
};

inline void vote(void** payloads, unsigned mask) {
    unsigned ballot = 0;
    for (int lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1 && static_cast<Vote*>(payloads[lane])->predicate) ballot |= 1u << lane;
    for (int lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1) static_cast<Vote*>(payloads[lane])->ballot = ballot;
}

inline unsigned ballot(unsigned mask, int predicate, const char* file, int line) {
    Vote mine{predicate, 0};
    collect("vote", mask, &mine, vote, file, line);
    return mine.ballot;
}

struct Reduce {
    unsigned value;
    unsigned (*join)(unsigned, unsigned);
};

inline void reduce(void** payloads, unsigned mask) {
    Reduce* first = nullptr;
    for (int lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1)) continue;
        auto* mine = static_cast<Reduce*>(payloads[lane]);
        if (first) first->value = first->join(first->value, mine->value);
        else first = mine;
    }
    for (int lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1) static_cast<Reduce*>(payloads[lane])->value = first->value;
}

inline unsigned reduced(unsigned mask, unsigned value, unsigned (*join)(unsigned, unsigned), const char* file, int line) {
    Reduce mine{value, join};
    collect("reduction", mask, &mine, reduce, file, line);
    return mine.value;
}

}  // namespace simt

// ---- CUDA's vocabulary ---------------------------------------------------------------------

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline int __float_as_int(float x) { int i; std::memcpy(&i, &x, 4); return i; }
inline unsigned __float_as_uint(float x) { unsigned i; std::memcpy(&i, &x, 4); return i; }
inline float __int_as_float(int i) { float x; std::memcpy(&x, &i, 4); return x; }
inline float __uint_as_float(unsigned i) { float x; std::memcpy(&x, &i, 4); return x; }
inline long long __double_as_longlong(double x) { long long i; std::memcpy(&i, &x, 8); return i; }
inline double __longlong_as_double(long long i) { double x; std::memcpy(&x, &i, 8); return x; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((static_cast<unsigned long long>(a) * b) >> 32); }
inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1) << (31 - i);
    return reversed;
}
inline void sincospif(float x, float* sine, float* cosine) {
    const double angle = 3.14159265358979323846 * x;
    *sine = static_cast<float>(std::sin(angle));
    *cosine = static_cast<float>(std::cos(angle));
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }

// Integers only: the order of floating-point atomics is nobody's.
inline int atomicAdd(int* at, int by) { return __atomic_fetch_add(at, by, __ATOMIC_RELAXED); }
inline unsigned atomicAdd(unsigned* at, unsigned by) { return __atomic_fetch_add(at, by, __ATOMIC_RELAXED); }
inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long by) { return __atomic_fetch_add(at, by, __ATOMIC_RELAXED); }
inline unsigned atomicOr(unsigned* at, unsigned by) { return __atomic_fetch_or(at, by, __ATOMIC_RELAXED); }
inline unsigned atomicCAS(unsigned* at, unsigned expected, unsigned desired) {
    __atomic_compare_exchange_n(at, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}
inline unsigned atomicMax(unsigned* at, unsigned by) {
    unsigned seen = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (seen < by && !__atomic_compare_exchange_n(at, &seen, by, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return seen;
}

#define threadIdx (simt::self->index)
#define blockIdx (simt::block->index)
#define blockDim (simt::block->threads)
#define gridDim (simt::block->grid)

#define SIMT_SITE ([]() -> simt::Site& { static __thread simt::Site site; return site; }())

#define __syncthreads() simt::barrier(__FILE__, __LINE__)
#define __syncwarp(...) simt::collect("__syncwarp", simt::mask_of(__VA_ARGS__), nullptr, nullptr, __FILE__, __LINE__)
#define __shfl_sync(mask, value, ...) simt::shuffle(mask, value, simt::at(__VA_ARGS__), __FILE__, __LINE__)
#define __shfl_xor_sync(mask, value, ...) simt::shuffle(mask, value, simt::across(__VA_ARGS__), __FILE__, __LINE__)
#define __shfl_down_sync(mask, value, ...) simt::shuffle(mask, value, simt::down(__VA_ARGS__), __FILE__, __LINE__)
#define __shfl_up_sync(mask, value, ...) simt::shuffle(mask, value, simt::up(__VA_ARGS__), __FILE__, __LINE__)
#define __ballot_sync(mask, predicate) simt::ballot(mask, predicate, __FILE__, __LINE__)
#define __any_sync(mask, predicate) (simt::ballot(mask, predicate, __FILE__, __LINE__) != 0)
#define __all_sync(mask, predicate) (simt::ballot(mask, predicate, __FILE__, __LINE__) == (mask))
#define __reduce_add_sync(mask, value) simt::reduced(mask, value, [](unsigned a, unsigned b) { return a + b; }, __FILE__, __LINE__)
#define __reduce_max_sync(mask, value) simt::reduced(mask, value, [](unsigned a, unsigned b) { return a > b ? a : b; }, __FILE__, __LINE__)
#define __reduce_min_sync(mask, value) simt::reduced(mask, value, [](unsigned a, unsigned b) { return a < b ? a : b; }, __FILE__, __LINE__)

namespace simt {
inline unsigned mask_of(unsigned mask = 0xffffffffu) { return mask; }
inline int at(int lane, int width = 32) { return lane_at(lane, width); }
inline int across(int lanes, int width = 32) {
    const int lane = static_cast<int>(self->lane) ^ lanes;
    return lane / width <= static_cast<int>(self->lane) / width ? lane : static_cast<int>(self->lane);
}
inline int down(unsigned delta, int width = 32) { return lane_down(delta, width); }
inline int up(unsigned delta, int width = 32) { return lane_up(delta, width); }
}  // namespace simt

// ---- what the launcher sees ----------------------------------------------------------------

namespace simt {

// A kernel of the table that the build makes.
struct Kernel {
    const char* name;
    void (*call)(void** arguments);
    const unsigned* argument_bytes;
    unsigned arguments, threads;
};

// How a launch runs.
struct Launch {
    const Kernel* kernel;
    unsigned grid[3];
    unsigned dynamic_bytes;
    int schedule;  // 0 forward, 1 backward, 2 shuffled
    unsigned long long seed;
};

template <typename F>
struct Caller;

template <typename... A>
struct Caller<void (*)(A...)> {
    static constexpr unsigned count = sizeof...(A);
    static constexpr unsigned bytes[] = {sizeof(A)...};
    template <void (*f)(A...)>
    static void call(void** arguments) {
        invoke<f>(arguments, std::index_sequence_for<A...>());
    }
    template <void (*f)(A...), std::size_t... i>
    static void invoke(void** arguments, std::index_sequence<i...>) {
        f(*static_cast<A*>(arguments[i])...);
    }
};

}  // namespace simt

extern "C" {
// The kernel of that name; none, a null pointer.
const simt::Kernel* simt_kernel(const char* name);
// Runs blocks first .. first + count of a launch; 0, or 1 with a message in `error`.
int simt_run(const simt::Launch* launch, void** arguments, unsigned long long first, unsigned long long count, char* error,
             std::size_t capacity);
}

#define SIMT_KERNEL(name, threads)                                                              \
    {#name, simt::Caller<decltype(&name)>::call<&name>, simt::Caller<decltype(&name)>::bytes,  \
     simt::Caller<decltype(&name)>::count, threads}
