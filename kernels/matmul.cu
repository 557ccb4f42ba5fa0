// Matrix products with either operand stored transposed, in full single precision.
//
// Formula: c [M, N] = a [M, K] b [K, N].
// Launch: tiles of 64 x 64 or 128 x 128, 256 threads (gemm_fp32.cuh); K in `pieces` (grid z), added in
// order by a second launch, where the result alone would not fill the device.
// Traffic: each operand once per tile row or column; bound by arithmetic, by memory if M or N is
// small.
// Order: k from first to last within a piece, then the pieces.
#include "gemm_fp32.cuh"
#include "matmul.cuh"

// a as stored (n) or transposed (t), then b.
PRODUCT((256, 4), matmul_nn_64, Fp32, 64, false, false)
PRODUCT((256, 4), matmul_nt_64, Fp32, 64, false, true)
PRODUCT((256, 4), matmul_tn_64, Fp32, 64, true, false)
PRODUCT((256, 4), matmul_tt_64, Fp32, 64, true, true)
PRODUCT((256, 2), matmul_nn_128, Fp32, 128, false, false)
PRODUCT((256, 2), matmul_nt_128, Fp32, 128, false, true)
PRODUCT((256, 2), matmul_tn_128, Fp32, 128, true, false)
PRODUCT((256, 2), matmul_tt_128, Fp32, 128, true, true)
