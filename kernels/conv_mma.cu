// The three legs of a convolution on tensor cores, in tf32 and bf16.
//
// Formula: as conv.cu, with both factors of every product rounded to 11 (tf32) or 8 (bf16) bits;
// sums and memory are single precision.
// Needs: compute capability 8.0; CI and CO multiples of four for leg y and w, CO for leg x; tensors
// of fewer than 2^32 numbers. Others take conv.cu.
// Launch: as conv.cu: tiles of 64 x 64, 128 x 64 or 128 x 128, with 128 (tf32) or 256 (bf16) threads
// (gemm_mma.cuh); leg x by parity classes, leg w by pieces (both grid z). Shared memory: tf32 24, 36 or
// 48 KiB, bf16 16, 24 or 32 KiB.
// Traffic: each operand once per tile row or column, as single precision, but filters of bf16, which are rounded
// once (`narrow`, layout.cu); results and masks of bf16 kernels may be stored in bf16; bound by arithmetic where the
// tiles are full, else by memory.
// Order: taps row by row, channels inside; leg w pixel by pixel within a piece, then the pieces.
// Source: PTX ISA, "Matrix multiply-accumulate operation using mma instruction", "ldmatrix",
// "cp.async".
#include "conv_legs.cuh"
#include "gemm_mma.cuh"

LEG_Y((128), conv_y_tf32_64, Tf32, 64, 64)
LEG_Y((128), conv_y_tf32_128x64, Tf32, 128, 64)
LEG_Y((128), conv_y_tf32_128, Tf32, 128, 128)
LEG_Y((256), conv_y_bf16_64, Bf16, 64, 64)
LEG_Y((256), conv_y_bf16_128x64, Bf16, 128, 64)
LEG_Y((256), conv_y_bf16_128, Bf16, 128, 128)
LEG_X((128), conv_x_tf32_64, Tf32, 64, 64)
LEG_X((128), conv_x_tf32_128x64, Tf32, 128, 64)
LEG_X((128), conv_x_tf32_128, Tf32, 128, 128)
LEG_X((256), conv_x_bf16_64, Bf16, 64, 64)
LEG_X((256), conv_x_bf16_128x64, Bf16, 128, 64)
LEG_X((256), conv_x_bf16_128, Bf16, 128, 128)
LEG_W((128), conv_w_tf32_64, Tf32, 64, 64)
LEG_W((128), conv_w_tf32_128x64, Tf32, 128, 64)
LEG_W((128), conv_w_tf32_128, Tf32, 128, 128)
LEG_W((256), conv_w_bf16_64, Bf16, 64, 64)
LEG_W((256), conv_w_bf16_128x64, Bf16, 128, 64)
LEG_W((256), conv_w_bf16_128, Bf16, 128, 128)
