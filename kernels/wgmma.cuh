// Tensor cores of compute capability 9.0 (wgmma): four warps multiply together, of matrices in shared memory.
//
// Instructions of sm_90a alone; `gemm_wgmma.cuh` takes this file on a GPU, on a CPU `host/wgmma.hpp`, which
// defines the same functions.
// Source: PTX ISA, "Asynchronous warpgroup level matrix instructions": matrix descriptor, 128-byte swizzle,
// canonical layouts, and the order of a sum's registers, which is that of mma.m16n8 (ptx.cuh), warp by warp 16 rows,
// eight columns after eight columns.
#pragma once

// The descriptor of a matrix at `at`, in atoms of eight rows of 128 bytes that lie one after the other (8 * 128
// bytes); where its rows run across k, the next 64 of them begin `next` bytes on.
DEVICE u64 wgmma_matrix(const void* at, u32 next) {
    const u64 address = (shared_address(at) & 0x3ffff) >> 4;
    return address | (u64)(next >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

// The numbers of a sum as an instruction names them, and as it takes them.
#define WGMMA_0_TO_31 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_0_TO_63 \
    WGMMA_0_TO_31 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_0_TO_127 \
    WGMMA_0_TO_63 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define WGMMA_4(sum, i) "+f"(sum[i][0]), "+f"(sum[i][1]), "+f"(sum[i][2]), "+f"(sum[i][3])
#define WGMMA_16(sum, i) WGMMA_4(sum, i), WGMMA_4(sum, i + 1), WGMMA_4(sum, i + 2), WGMMA_4(sum, i + 3)
#define WGMMA_32(sum) WGMMA_16(sum, 0), WGMMA_16(sum, 4)
#define WGMMA_64(sum) WGMMA_32(sum), WGMMA_16(sum, 8), WGMMA_16(sum, 12)
#define WGMMA_128(sum) WGMMA_64(sum), WGMMA_16(sum, 16), WGMMA_16(sum, 20), WGMMA_16(sum, 24), WGMMA_16(sum, 28)

// sum [64, N] += a [64, 16] b [16, N] for bf16, by the four warps of a warpgroup; done at a wait.
template <bool a_along_k, bool b_along_k>
DEVICE void wgmma_bf16(float (&sum)[8][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" WGMMA_0_TO_31 "}, %32, %33, 1, 1, 1, %34, %35;"
                 : WGMMA_32(sum)
                 : "l"(a), "l"(b), "n"(a_along_k ? 0 : 1), "n"(b_along_k ? 0 : 1));
}
template <bool a_along_k, bool b_along_k>
DEVICE void wgmma_bf16(float (&sum)[16][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" WGMMA_0_TO_63 "}, %64, %65, 1, 1, 1, %66, %67;"
                 : WGMMA_64(sum)
                 : "l"(a), "l"(b), "n"(a_along_k ? 0 : 1), "n"(b_along_k ? 0 : 1));
}
template <bool a_along_k, bool b_along_k>
DEVICE void wgmma_bf16(float (&sum)[32][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" WGMMA_0_TO_127 "}, %128, %129, 1, 1, 1, %130, %131;"
                 : WGMMA_128(sum)
                 : "l"(a), "l"(b), "n"(a_along_k ? 0 : 1), "n"(b_along_k ? 0 : 1));
}

// sum [64, N] += a [64, 8] b [8, N] for tf32, both along k, as this alone can; the last 13 bits of a number are cut off.
DEVICE void wgmma_tf32(float (&sum)[8][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k8.f32.tf32.tf32 {" WGMMA_0_TO_31 "}, %32, %33, 1, 1, 1;"
                 : WGMMA_32(sum)
                 : "l"(a), "l"(b));
}
DEVICE void wgmma_tf32(float (&sum)[16][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {" WGMMA_0_TO_63 "}, %64, %65, 1, 1, 1;"
                 : WGMMA_64(sum)
                 : "l"(a), "l"(b));
}
DEVICE void wgmma_tf32(float (&sum)[32][4], u64 a, u64 b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k8.f32.tf32.tf32 {" WGMMA_0_TO_127 "}, %128, %129, 1, 1, 1;"
                 : WGMMA_128(sum)
                 : "l"(a), "l"(b));
}

// Before the first product after registers or shared memory were written by others than the tensor cores.
DEVICE void wgmma_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// Ends a group of products.
DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most `left` groups of products are under way.
template <u32 left>
DEVICE void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory");
}

// Registers that products have written are read after this only.
template <u32 count>
DEVICE void wgmma_settle(float (&sum)[count][4]) {
    UNROLL for (u32 i = 0; i < count; ++i) asm volatile("" : WGMMA_4(sum, i)::"memory");
}

// What this thread has written to shared memory is seen by the tensor cores after the next barrier.
DEVICE void wgmma_publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Four words, to where the tensor cores will read them.
DEVICE void wgmma_bring(void* to, uint4 words) { *reinterpret_cast<uint4*>(to) = words; }
