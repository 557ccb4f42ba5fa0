// Matrix products with either operand stored transposed, on tensor cores, in tf32 and bf16.
//
// Formula: c [M, N] = a [M, K] b [K, N], both factors of every product rounded to 11 (tf32) or 8
// (bf16) bits; sums and memory are single precision.
// Needs: compute capability 8.0; rows of a and b in memory of a multiple of four numbers; tensors
// of fewer than 2^32 numbers. Others take matmul.cu.
// Launch: as matmul.cu: tiles of 64 x 64 or 128 x 128, with 128 (tf32) or 256 (bf16) threads
// (gemm_mma.cuh); K in `pieces` (grid z), added in order by a second launch. Shared memory: tf32 24
// or 48 KiB, bf16 16 or 32 KiB.
// Traffic: each operand once per tile row or column; bound by arithmetic, by memory if M or N is
// small.
// Order: k from first to last within a piece, then the pieces.
// Source: PTX ISA, "Matrix multiply-accumulate operation using mma instruction", "ldmatrix",
// "cp.async".
#include "gemm_mma.cuh"
#include "matmul.cuh"

// a as stored (n) or transposed (t), then b.
PRODUCT((128), matmul_nn_tf32_64, Tf32, 64, false, false)
PRODUCT((128), matmul_nt_tf32_64, Tf32, 64, false, true)
PRODUCT((128), matmul_tn_tf32_64, Tf32, 64, true, false)
PRODUCT((128), matmul_tt_tf32_64, Tf32, 64, true, true)
PRODUCT((128), matmul_nn_tf32_128, Tf32, 128, false, false)
PRODUCT((128), matmul_nt_tf32_128, Tf32, 128, false, true)
PRODUCT((128), matmul_tn_tf32_128, Tf32, 128, true, false)
PRODUCT((128), matmul_tt_tf32_128, Tf32, 128, true, true)
PRODUCT((256), matmul_nn_bf16_64, Bf16, 64, false, false)
PRODUCT((256), matmul_nt_bf16_64, Bf16, 64, false, true)
PRODUCT((256), matmul_tn_bf16_64, Bf16, 64, true, false)
PRODUCT((256), matmul_tt_bf16_64, Bf16, 64, true, true)
PRODUCT((256), matmul_nn_bf16_128, Bf16, 128, false, false)
PRODUCT((256), matmul_nt_bf16_128, Bf16, 128, false, true)
PRODUCT((256), matmul_tn_bf16_128, Bf16, 128, true, false)
PRODUCT((256), matmul_tt_bf16_128, Bf16, 128, true, true)
