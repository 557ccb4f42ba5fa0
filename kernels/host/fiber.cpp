#include "fiber.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#ifdef SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace simt {

#ifndef SIMT_UCONTEXT

// Pushes what the platform's calling convention says a function preserves, stores the stack
// pointer in *from, and continues where `to` was left.
extern "C" void simt_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
    .text
    .globl simt_switch
    .type simt_switch, @function
simt_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size simt_switch, . - simt_switch
)");
// Six registers, then the address to return to; the call convention wants that slot at a
// multiple of 16.
constexpr std::size_t FRAME_WORDS = 8, ENTRY_WORD = 6;
#else
asm(R"(
    .text
    .globl simt_switch
    .type simt_switch, %function
simt_switch:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size simt_switch, . - simt_switch
)");
constexpr std::size_t FRAME_WORDS = 20, ENTRY_WORD = 11;  // x30, the return address
#endif

#endif

void prepare(Fiber& fiber, void (*entry)()) {
    if (!fiber.stack) {
        fiber.stack = std::aligned_alloc(64, STACK_BYTES);
        if (!fiber.stack) throw std::bad_alloc();
#ifdef SIMT_TSAN
        fiber.tsan = __tsan_create_fiber(0);
#endif
    }
#ifdef SIMT_UCONTEXT
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK_BYTES;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, entry, 0);
#else
    auto* top = reinterpret_cast<std::uintptr_t*>(static_cast<char*>(fiber.stack) + STACK_BYTES);
    std::uintptr_t* frame = top - FRAME_WORDS;
    std::memset(frame, 0, FRAME_WORDS * sizeof *frame);
    frame[ENTRY_WORD] = reinterpret_cast<std::uintptr_t>(entry);
    fiber.pointer = frame;
#endif
}

void enter(Fiber& from, Fiber& to) {
#ifdef SIMT_TSAN
    // No order between the two: only barriers and collectives make one.
    __tsan_switch_to_fiber(to.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef SIMT_UCONTEXT
    swapcontext(&from.context, &to.context);
#else
    simt_switch(&from.pointer, to.pointer);
#endif
}

void discard(Fiber& fiber) {
#ifdef SIMT_TSAN
    if (fiber.tsan) __tsan_destroy_fiber(fiber.tsan);
#endif
    std::free(fiber.stack);
    fiber = Fiber();
}

}  // namespace simt
