// The instructions that CUDA C++ has no word for: tensor cores, asynchronous copies, matrix loads.
//
// Compute capability 8.0 and later. `simt.cuh` takes this file on a GPU; on a CPU it takes
// `host/ptx.hpp`, which defines the same functions. Nothing else in the sources is PTX.
//
// Fragments, with g = lane / 4 and t = lane % 4 (PTX ISA, "Matrix Fragments for mma.m16n8k8" and
// "for mma.m16n8k16"):
//   sum  [16, 8]: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1);
//   tf32 a [16, 8]: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); b [8, 8]: (t, g), (t + 4, g);
//   bf16 a [16, 16]: pairs of k from 2t at (g, .), (g + 8, .), then the same from 2t + 8;
//        b [16, 8]: pairs of k from 2t, from 2t + 8, in column g. The lower half is the lower k.
#pragma once

// The first statement of every kernel. From compute capability 9.0 the blocks of a kernel may be placed while the
// kernel before it still runs (programmatic dependent launch): they wait here until it has ended and all that it
// wrote can be read. Only after that is the next kernel let in, so at most one waits. Every thread waits before it
// touches global memory, and a kernel does not end before its threads: that the last one has ended says that all
// before it have. The clobber keeps loads behind the wait; `__restrict__` and `__ldg` would let the compiler move them
// before it, so no kernel has them.
DEVICE void begin_kernel() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// The same number, of which the compiler knows nothing: what follows from it is worked out where it is
// used, and holds no register before.
DEVICE u32 unknown(u32 value) {
    asm volatile("" : "+r"(value));
    return value;
}

// sum += a b for tf32. The hardware ignores the 13 lowest bits of an operand: round with `tf32_of`.
DEVICE void mma_tf32(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// sum += a b for pairs of bf16.
DEVICE void mma_bf16(float (&sum)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Rounded to tf32: to nearest, a tie away from zero.
DEVICE u32 tf32_of(float value) {
    u32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
}

// Two numbers rounded to bf16: to nearest, a tie to even.
DEVICE u32 bf16_pair(float low, float high) {
#if __CUDA_ARCH__ >= 800
    u32 bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
#else
    const u32 a = __float_as_uint(low), b = __float_as_uint(high);
    const u32 first = low != low ? 0x7fff : (a + 0x7fff + (a >> 16 & 1)) >> 16;
    const u32 second = high != high ? 0x7fff : (b + 0x7fff + (b >> 16 & 1)) >> 16;
    return first | second << 16;
#endif
}

// The lower, the upper halves of two words, those of the first below.
DEVICE u32 lower_halves(u32 first, u32 second) { return __byte_perm(first, second, 0x5410); }
DEVICE u32 upper_halves(u32 first, u32 second) { return __byte_perm(first, second, 0x7632); }

DEVICE u32 shared_address(const void* at) { return (u32)__cvta_generic_to_shared(at); }

// Four 8 x 8 matrices of 16-bit numbers; lane 8 i + r gives the address of the 16 bytes that are
// row r of matrix i. Word i of a lane: columns 2t and 2t + 1 of row g of matrix i, which for 32-bit
// numbers is column t of an 8 x 4 matrix.
DEVICE void ldmatrix(u32 (&to)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// The same, transposed: rows 2t and 2t + 1 of column g of matrix i.
DEVICE void ldmatrix_transposed(u32 (&to)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// Copies 16 bytes to shared memory, past the first-level cache; they are there after the wait. Of
// the source, the first `valid` bytes are read, the rest is zero.
DEVICE void copy_async(void* to, const void* from, u32 valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
                 : "memory");
}

// The same by way of the first-level cache, for what another warp of the block is about to copy too.
DEVICE void copy_async_cached(void* to, const void* from, u32 valid) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
                 : "memory");
}

// Ends a group of copies.
DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `left` of this thread's groups are under way.
template <u32 left>
DEVICE void copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}
