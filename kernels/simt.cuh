// What a kernel may use of its machine: CUDA's own words on a GPU, `host/` on a CPU.
//
// The only file that asks which of the two it is, but for gemm_wgmma.cuh, whose instructions one family has. A family
// includes this first, so that the very same source is compiled by NVRTC and by the host's C++ compiler.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;

#ifdef __CUDACC__

// A kernel and the number of threads of its blocks, the same for every launch; if given, blocks that a
// multiprocessor is to hold at a time.
#define KERNEL(...) extern "C" __global__ void __launch_bounds__(__VA_ARGS__)
// An array that the threads of a block share.
#define SHARED(type, name, count) __shared__ type name[count]
// The shared array whose size the launch gives, aligned as tensor cores want their matrices.
#define DYNAMIC_SHARED(type, name)                             \
    extern __shared__ __align__(1024) float4 dynamic_shared[]; \
    type* const name = reinterpret_cast<type*>(dynamic_shared)
// The same, aligned for loads of 16 bytes.
#define ALIGNED_SHARED(type, name, count) __shared__ __align__(16) type name[count]
// A function of the device, and a member function.
#define DEVICE static __device__ __forceinline__
#define MEMBER __device__ __forceinline__
#define UNROLL _Pragma("unroll")
#define UNROLL4 _Pragma("unroll 4")
#define ROLLED _Pragma("unroll 1")
#define INFINITY_F __int_as_float(0x7f800000)
#include "ptx.cuh"

#else

#include "host/runtime.hpp"

#define KERNEL(...) extern "C" void
#define SHARED(type, name, count) \
    type(&name)[count] = *static_cast<type(*)[count]>(simt::shared(SIMT_SITE, sizeof(type[count])))
#define ALIGNED_SHARED(type, name, count) SHARED(type, name, count)
#define DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(simt::dynamic_shared())
#define DEVICE static inline __attribute__((always_inline))
#define MEMBER inline __attribute__((always_inline))
#define UNROLL
#define UNROLL4
#define ROLLED
#define INFINITY_F __builtin_inff()
#include "host/ptx.hpp"

#endif

#define FULL_WARP 0xffffffffu
