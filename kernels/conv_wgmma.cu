// The three legs of a convolution on the tensor cores of compute capability 9.0, of operands that lie in memory as
// bf16.
//
// Formula: as conv_stored_mma.cu; sums of sixteen products at a time are the tensor cores' own.
// Needs: compute capability 9.0 and no other; CI and CO multiples of eight for leg y and w, CO for leg x; tensors of
// fewer than 2^32 numbers.
// Launch: as conv_mma.cu, 256 threads, tiles of 128 x 64, 128 x 128, 128 x 256 or, but for
// leg w, 256 x 128 (gemm_wgmma.cuh).
// Shared memory (dynamic): 96 KiB for 128 x 64, of which a multiprocessor holds two blocks, else 192 KiB.
// Traffic: each operand once per tile row or column, as bf16, from the second-level cache, which bounds it: 64 to 85
// operations a byte.
// Order: as conv_mma.cu.
// Source: as conv_mma.cu; PTX ISA, "Asynchronous warpgroup level matrix instructions".
#include "conv_legs.cuh"
#include "gemm_wgmma.cuh"

LEG_Y((256, 2), conv_y_wide_bf16_128x64, WideBf16, 128, 64)
LEG_Y((256), conv_y_wide_bf16_128, WideBf16, 128, 128)
LEG_Y((256), conv_y_wide_bf16_128x256, WideBf16, 128, 256)
LEG_Y((256), conv_y_wide_bf16_256x128, WideBf16, 256, 128)
LEG_X((256, 2), conv_x_wide_bf16_128x64, WideBf16, 128, 64)
LEG_X((256), conv_x_wide_bf16_128, WideBf16, 128, 128)
LEG_X((256), conv_x_wide_bf16_128x256, WideBf16, 128, 256)
LEG_X((256), conv_x_wide_bf16_256x128, WideBf16, 256, 128)
LEG_W((256, 2), conv_w_wide_bf16_128x64, WideBf16, 128, 64)
LEG_W((256), conv_w_wide_bf16_128, WideBf16, 128, 128)
LEG_W((256), conv_w_wide_bf16_128x256, WideBf16, 128, 256)
