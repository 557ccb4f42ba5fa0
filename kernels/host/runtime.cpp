// The scheduler behind runtime.hpp: runs blocks, one after another, on the calling thread.
#include "runtime.hpp"
#include "fiber.hpp"

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#ifdef SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#define RELEASE(tag) __tsan_release(tag)
#define ACQUIRE(tag) __tsan_acquire(tag)
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#else
#define RELEASE(tag) (void)(tag)
#define ACQUIRE(tag) (void)(tag)
#endif

namespace simt {

__thread Thread* self;
__thread Block* block;

namespace {

enum class Status { Fresh, Ready, AtBarrier, InCollective, Done };

// A copy that was asked for and has not landed.
struct Copy {
    void* to;
    const void* from;
    unsigned bytes, valid, group;
};

struct State : Thread {
    Status status;
    Fiber* fiber;
    unsigned linear;
    // Where it waits, for messages and to tell one wait from another.
    const char* what;
    const char* file;
    int line;
    unsigned committed;
    std::vector<Copy> copies;
    unsigned products_committed;
    std::vector<std::pair<Product, unsigned>> products;  // and their groups
    bool unpublished;  // wrote to shared memory what products may not see yet
};

// The lanes of a warp that meet in one collective.
struct Meeting {
    unsigned mask = 0, arrived = 0;
    const char* file = nullptr;
    int line = 0;
    void* payloads[32] = {};
    char before = 0, after = 0;  // addresses that ThreadSanitizer orders by
};

// While one lives, what the runtime itself reads and writes on a CUDA thread's behalf is not taken
// for the kernel's.
struct Own {
#ifdef SIMT_TSAN
    Own() {
        AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Own() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    }
#else
    Own() {}
    ~Own() {}
#endif
};

constexpr unsigned MEETINGS = 8;  // at once in a warp

struct Warp {
    Meeting meetings[MEETINGS];
};

constexpr std::size_t MOST_THREADS = 1024;
constexpr std::size_t STATIC_LIMIT = 48 * 1024, SHARED_LIMIT = 227 * 1024;

struct Worker {
    Block present;
    Fiber scheduler;
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<Fiber*> free, resting;
    Fiber* entering = nullptr;
    std::vector<State> states;
    std::vector<unsigned> order;
    std::vector<Warp> warps;
    unsigned threads = 0, cursor = 0, done = 0;
    const Launch* launch = nullptr;
    void** arguments = nullptr;
    unsigned long long epoch = 0, random = 0;
    std::vector<std::pair<void*, std::size_t>> arrays;  // of this block
    std::unique_ptr<char[]> arena;
    std::size_t arena_used = 0, static_bytes = 0;
    void* dynamic = nullptr;
    bool failed = false;
    bool unpublished = false;  // a thread has passed a barrier so
    char* error = nullptr;
    std::size_t capacity = 0;
    char begin = 0, end = 0, barriers[2] = {0, 0};
    unsigned rounds = 0;

    ~Worker() {
        for (auto& fiber : fibers) discard(*fiber);
        release_arrays();
    }

    void release_arrays() {
#ifdef SIMT_ASAN
        for (auto& array : arrays) std::free(array.first);
#endif
        arrays.clear();
        arena_used = static_bytes = 0;
    }

    void* take_array(std::size_t bytes) {
#ifdef SIMT_ASAN
        // A block of its own, so that the byte behind it is nobody's.
        void* memory = nullptr;
        if (posix_memalign(&memory, 16, bytes)) std::abort();
#else
        if (!arena) arena.reset(new char[SHARED_LIMIT + 64]);
        auto start = (reinterpret_cast<std::uintptr_t>(arena.get()) + 63) / 64 * 64;
        const std::size_t at = (arena_used + 15) / 16 * 16;
        if (at + bytes > SHARED_LIMIT) fail("more shared memory than a block can have (227 KiB)");
        arena_used = at + bytes;
        void* memory = reinterpret_cast<void*>(start + at);
#endif
        std::memset(memory, 0xff, bytes);
        arrays.emplace_back(memory, bytes);
        return memory;
    }

    unsigned next_random(unsigned below) {
        // Marsaglia's xorshift; any order will do.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return static_cast<unsigned>(random % below);
    }

    void arrange() {
        for (unsigned i = 0; i < threads; ++i) order[i] = launch->schedule == 1 ? threads - 1 - i : i;
        if (launch->schedule == 2)
            for (unsigned i = threads; i > 1; --i) std::swap(order[i - 1], order[next_random(i)]);
    }
};

Worker& worker() {
    static thread_local Worker one;
    return one;
}

State& state() { return *static_cast<State*>(self); }

void leave(State& t) {
    Fiber* fiber = t.fiber;
    Worker& w = worker();
    enter(*fiber, w.scheduler);
}

void report(const char* format, ...) {
    Worker& w = worker();
    if (w.failed) return;
    w.failed = true;
    const int start = std::snprintf(w.error, w.capacity, "kernel %s, block (%u, %u, %u): ", w.launch->kernel->name,
                                    w.present.index.x, w.present.index.y, w.present.index.z);
    std::va_list rest;
    va_start(rest, format);
    if (start > 0 && static_cast<std::size_t>(start) < w.capacity)
        std::vsnprintf(w.error + start, w.capacity - start, format, rest);
    va_end(rest);
}

// The body of every fiber: begins threads until one waits in it; rests when all have begun.
void fiber_main() {
    for (;;) {
        Worker& w = worker();
        Fiber* fiber = w.entering;
        while (w.cursor < w.threads) {
            State& t = w.states[w.order[w.cursor++]];
            t.fiber = fiber;
            self = &t;
            ACQUIRE(&w.begin);
            w.launch->kernel->call(w.arguments);
            RELEASE(&w.end);
            if (!t.began) report("thread %u: returned without begin_kernel()", t.linear);
            t.status = Status::Done;
            ++w.done;
#ifdef SIMT_TSAN
            break;  // threads that shared a fiber would look ordered
#endif
        }
        {
            const Own own;
#ifdef SIMT_TSAN
            w.resting.push_back(fiber);  // until the block ends: the next thread is another one
#else
            w.free.push_back(fiber);
#endif
        }
        enter(*fiber, w.scheduler);
    }
}

void resume(Worker& w, Fiber* fiber) {
    w.entering = fiber;
    enter(w.scheduler, *fiber);
}

[[noreturn]] void abandon() {
    leave(state());
    std::abort();  // nobody enters a failed block again
}

// Nothing can run: says who waits for whom.
void explain_stall(Worker& w) {
    const State* waits = nullptr;
    const State* other = nullptr;
    for (const State& t : w.states) {
        if (t.status == Status::Done) continue;
        if (!waits) waits = &t;
        else if (!other && (t.line != waits->line || t.file != waits->file)) other = &t;
    }
    if (!waits) return;
    if (waits->status == Status::AtBarrier && other) {
        report("divergent barrier: thread %u waits in %s at %s:%d, thread %u in %s at %s:%d", waits->linear, waits->what,
               waits->file, waits->line, other->linear, other->what, other->file, other->line);
    } else if (waits->status == Status::AtBarrier) {
        unsigned gone = 0;
        while (gone < w.threads && w.states[gone].status != Status::Done) ++gone;
        report("thread %u waits at the barrier %s:%d, but thread %u has returned", waits->linear, waits->file, waits->line,
               gone);
    } else {
        report("thread %u waits for its warp in %s at %s:%d, and some of its lanes never come", waits->linear, waits->what,
               waits->file, waits->line);
    }
}

bool step(Worker& w) {
    bool ran = false;
    while (w.cursor < w.threads && !w.failed) {
        if (w.free.empty()) {
            w.fibers.push_back(std::make_unique<Fiber>());
            prepare(*w.fibers.back(), fiber_main);
            w.free.push_back(w.fibers.back().get());
        }
        Fiber* fiber = w.free.back();
        w.free.pop_back();
        resume(w, fiber);
        ran = true;
    }
    for (unsigned i = 0; i < w.threads && !w.failed; ++i) {
        State& t = w.states[w.order[i]];
        if (t.status != Status::Ready) continue;
        self = &t;
        resume(w, t.fiber);
        ran = true;
    }
    return ran;
}

// Lets the block pass its barrier if every thread stands at the same one.
bool pass_barrier(Worker& w) {
    const State& first = w.states[0];
    for (const State& t : w.states)
        if (t.status != Status::AtBarrier || t.line != first.line || t.file != first.file) return false;
    for (State& t : w.states) t.status = Status::Ready;
    ++w.rounds;
    w.arrange();
    return true;
}

void run_block(Worker& w) {
    ++w.epoch;
    w.release_arrays();
    w.dynamic = w.launch->dynamic_bytes ? w.take_array(w.launch->dynamic_bytes) : nullptr;
    w.cursor = w.done = w.rounds = 0;
    w.unpublished = false;
    w.free.insert(w.free.end(), w.resting.begin(), w.resting.end());
    w.resting.clear();
    for (unsigned i = 0; i < w.threads; ++i) {
        State& t = w.states[i];
        t.index = {i, 0, 0};
        t.lane = i % 32;
        t.linear = i;
        t.began = false;
        t.status = Status::Fresh;
        t.committed = 0;
        t.copies.clear();
        t.products_committed = 0;
        t.products.clear();
        t.unpublished = false;
    }
    w.arrange();
    RELEASE(&w.begin);
    while (w.done < w.threads && !w.failed) {
        const bool ran = step(w);
        if (w.failed || w.done == w.threads) break;
        bool ready = false;
        for (const State& t : w.states) ready = ready || t.status == Status::Ready;
        if (!ready && !pass_barrier(w) && !ran) explain_stall(w);
    }
    ACQUIRE(&w.end);
    if (!w.failed) return;
    // Fibers that were left in the middle begin anew.
    w.free.clear();
    w.resting.clear();
    for (auto& fiber : w.fibers) {
        prepare(*fiber, fiber_main);
        w.free.push_back(fiber.get());
    }
    for (Warp& warp : w.warps) warp = Warp();
}

}  // namespace

void* shared(Site& site, std::size_t bytes) {
    Worker& w = worker();
    if (site.epoch != w.epoch) {
        w.static_bytes += bytes;
        if (w.static_bytes > STATIC_LIMIT) fail("more than 48 KiB of static shared memory");
        const Own own;
        site.memory = w.take_array(bytes);
        site.epoch = w.epoch;
    }
    return site.memory;
}

void* dynamic_shared() {
    Worker& w = worker();
    if (!w.dynamic) fail("dynamic shared memory, but the launch gives none");
    return w.dynamic;
}

void barrier(const char* file, int line) {
    State& t = state();
    Worker& w = worker();
    w.unpublished = w.unpublished || t.unpublished;
    t.status = Status::AtBarrier;
    t.what = "__syncthreads";
    t.file = file;
    t.line = line;
    char* tag = &w.barriers[w.rounds % 2];
    RELEASE(tag);
    leave(t);
    ACQUIRE(tag);
}

void collect(const char* what, unsigned mask, void* payload, Collective collective, const char* file, int line) {
    State& t = state();
    Worker& w = worker();
    if (!(mask >> t.lane & 1)) fail_lane("a warp collective is called by a lane outside its mask", t.lane);
    const unsigned first = t.linear - t.lane;
    if (w.threads - first < 32 && mask >> (w.threads - first)) fail("a mask names lanes beyond the end of the block");
    Meeting* meeting = nullptr;
    for (Meeting& m : w.warps[t.linear / 32].meetings) {
        if (m.arrived && m.mask == mask && m.line == line && m.file == file && !(m.arrived >> t.lane & 1)) {
            meeting = &m;
            break;
        }
        if (!m.arrived && !meeting) meeting = &m;
    }
    if (!meeting) fail("a warp diverges into more collectives than can be followed");
    meeting->mask = mask;
    meeting->file = file;
    meeting->line = line;
    meeting->payloads[t.lane] = payload;
    meeting->arrived |= 1u << t.lane;
    // Only __syncwarp orders memory; a shuffle moves registers.
    if (!collective) RELEASE(&meeting->before);
    if (meeting->arrived != mask) {
        t.status = Status::InCollective;
        t.what = what;
        t.file = file;
        t.line = line;
        leave(t);
        if (!collective) ACQUIRE(&meeting->after);
        return;
    }
    if (collective) {
        const Own own;
        collective(meeting->payloads, mask);
    } else {
        ACQUIRE(&meeting->before);
        RELEASE(&meeting->after);
    }
    meeting->arrived = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1 && lane != t.lane) w.states[first + lane].status = Status::Ready;
}

void fail(const char* problem) {
    report("thread %u: %s", state().linear, problem);
    abandon();
}

void fail_lane(const char* what, unsigned lane) {
    report("thread %u: %s (lane %d)", state().linear, what, static_cast<int>(lane));
    abandon();
}

void async_copy(void* to, const void* from, unsigned bytes, unsigned valid) {
    State& t = state();
    const Own own;
    t.copies.push_back({to, from, bytes, valid, t.committed});
}

void async_commit() { ++state().committed; }

void async_wait(unsigned groups_left) {
    State& t = state();
    std::size_t kept = 0;
    for (const Copy& copy : t.copies) {
        if (copy.group + groups_left >= t.committed) {
            t.copies[kept++] = copy;
            continue;
        }
        std::memcpy(copy.to, copy.from, copy.valid);
        std::memset(static_cast<char*>(copy.to) + copy.valid, 0, copy.bytes - copy.valid);
        t.unpublished = true;
    }
    t.copies.resize(kept);
}

void product_bring() { state().unpublished = true; }

void product_publish() { state().unpublished = false; }

void product_begin(const Product& product) {
    State& t = state();
    if (t.unpublished || worker().unpublished) fail("a product may not see what was written to shared memory");
    const Own own;
    t.products.emplace_back(product, t.products_committed);
}

void product_commit() { ++state().products_committed; }

void product_wait(unsigned groups_left) {
    State& t = state();
    std::size_t kept = 0;
    for (const auto& [product, group] : t.products) {
        if (group + groups_left >= t.products_committed) t.products[kept++] = {product, group};
        else product.compute(product.sum, product.a, product.b);
    }
    t.products.resize(kept);
}

}  // namespace simt

int simt_run(const simt::Launch* launch, void** arguments, unsigned long long first, unsigned long long count, char* error,
             std::size_t capacity) {
    using namespace simt;
    Worker& w = worker();
    w.launch = launch;
    w.arguments = arguments;
    w.threads = launch->kernel->threads;
    w.failed = false;
    w.error = error;
    w.capacity = capacity;
    w.random = (launch->seed + 1) * 0x9e3779b97f4a7c15ull;
    w.states.resize(w.threads);
    w.order.resize(w.threads);
    w.warps.resize((w.threads + 31) / 32);
    w.present.grid = {launch->grid[0], launch->grid[1], launch->grid[2]};
    w.present.threads = {w.threads, 1, 1};
    block = &w.present;
#ifdef SIMT_TSAN
    w.scheduler.tsan = __tsan_get_current_fiber();
#endif
    if (launch->dynamic_bytes > SHARED_LIMIT) {
        std::snprintf(error, capacity, "kernel %s: %u bytes of shared memory, a block has at most %zu", launch->kernel->name,
                      launch->dynamic_bytes, SHARED_LIMIT);
        return 1;
    }
    const unsigned x = launch->grid[0], y = launch->grid[1];
    for (unsigned long long i = first; i < first + count && !w.failed; ++i) {
        w.present.index = {static_cast<unsigned>(i % x), static_cast<unsigned>(i / x % y), static_cast<unsigned>(i / x / y)};
        run_block(w);
    }
    return w.failed;
}
