// The three legs of a convolution on tensor cores, of operands that lie in memory as bf16.
//
// Formula: as conv_mma.cu in bf16, with the same bits: operands are rounded where they are stored instead of where
// they are multiplied.
// Needs: compute capability 8.0; CI and CO multiples of eight for leg y and w, CO for leg x; tensors of fewer than
// 2^32 numbers.
// Launch: as conv_mma.cu, 256 threads, slices by cp.async two ahead (gemm_mma.cuh). Shared memory 24, 36 or 48 KiB.
// Traffic: each operand once per tile row or column, as bf16; bound by arithmetic where the tiles are full, else
// by memory.
// Order: as conv_mma.cu.
// Source: as conv_mma.cu.
#include "conv_legs.cuh"
#include "gemm_mma.cuh"

LEG_Y((256), conv_y_stored_bf16_64, StoredBf16, 64, 64)
LEG_Y((256), conv_y_stored_bf16_128x64, StoredBf16, 128, 64)
LEG_Y((256), conv_y_stored_bf16_128, StoredBf16, 128, 128)
LEG_X((256), conv_x_stored_bf16_64, StoredBf16, 64, 64)
LEG_X((256), conv_x_stored_bf16_128x64, StoredBf16, 128, 64)
LEG_X((256), conv_x_stored_bf16_128, StoredBf16, 128, 128)
LEG_W((256), conv_w_stored_bf16_64, StoredBf16, 64, 64)
LEG_W((256), conv_w_stored_bf16_128x64, StoredBf16, 128, 64)
LEG_W((256), conv_w_stored_bf16_128, StoredBf16, 128, 128)
