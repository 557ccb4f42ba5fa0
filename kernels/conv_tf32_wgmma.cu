// The three legs of a convolution in tf32 on the tensor cores of compute capability 9.0.
//
// Formula: as conv_mma.cu in tf32; sums of eight products at a time are the tensor cores' own.
// Needs: compute capability 9.0 and no other; CI and CO multiples of four for leg y and w, CO for leg x; tensors of
// fewer than 2^32 numbers.
// Launch: as conv_wgmma.cu.
// Shared memory (dynamic): three slices (gemm_wgmma_tf32.cuh), 72 KiB for 128 x 64, of which a multiprocessor holds two
// blocks, 96 KiB for 128 x 128, else 144 KiB.
// Traffic: each operand once per tile row or column, in single precision, 21 to 43 operations a byte of the second-level
// cache; an H100 is bound by shared memory and the first level.
// Order: as conv_mma.cu.
// Source: as conv_wgmma.cu.
#include "conv_legs.cuh"
#include "gemm_wgmma_tf32.cuh"

LEG_Y((256, 2), conv_y_wide_tf32_128x64, WideTf32, 128, 64)
LEG_Y((256), conv_y_wide_tf32_128, WideTf32, 128, 128)
LEG_Y((256), conv_y_wide_tf32_128x256, WideTf32, 128, 256)
LEG_Y((256), conv_y_wide_tf32_256x128, WideTf32, 256, 128)
LEG_X((256, 2), conv_x_wide_tf32_128x64, WideTf32, 128, 64)
LEG_X((256), conv_x_wide_tf32_128, WideTf32, 128, 128)
LEG_X((256), conv_x_wide_tf32_128x256, WideTf32, 128, 256)
LEG_X((256), conv_x_wide_tf32_256x128, WideTf32, 256, 128)
LEG_W((256, 2), conv_w_wide_tf32_128x64, WideTf32, 128, 64)
LEG_W((256), conv_w_wide_tf32_128, WideTf32, 128, 128)
LEG_W((256), conv_w_wide_tf32_128x256, WideTf32, 128, 256)
LEG_W((256), conv_w_wide_tf32_256x128, WideTf32, 256, 128)
