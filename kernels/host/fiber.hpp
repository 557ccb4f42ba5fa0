// A stack that can be left and entered again: one per CUDA thread that waits.
//
// x86-64 and aarch64 switch in a dozen instructions of our own; elsewhere ucontext does it, some
// fifty times slower.
#pragma once
#include <cstddef>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define SIMT_UCONTEXT 1
#endif

namespace simt {

struct Fiber {
    void* stack = nullptr;  // lowest address
    void* tsan = nullptr;   // what ThreadSanitizer knows it by
#ifdef SIMT_UCONTEXT
    ucontext_t context;
#else
    void* pointer = nullptr;  // stack pointer while it is left
#endif
};

#if defined(SIMT_ASAN) || defined(SIMT_TSAN)
constexpr std::size_t STACK_BYTES = 256 * 1024;
#else
constexpr std::size_t STACK_BYTES = 64 * 1024;
#endif

// Makes `fiber` call `entry` when it is entered first. `entry` must never return.
void prepare(Fiber& fiber, void (*entry)());

// Leaves `from` and enters `to`; returns when somebody enters `from` again.
void enter(Fiber& from, Fiber& to);

// Gives the stack back.
void discard(Fiber& fiber);

}  // namespace simt
