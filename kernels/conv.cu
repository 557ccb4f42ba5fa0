// The three legs of a convolution as implicit matrix products, in full single precision.
//
// Formula: T(x, w, g) = <g, x * w> with y = x * w the cross-correlation; leg y is the convolution,
// leg x the transposed convolution, leg w the weight gradient. Beyond its edges x is zero or periodic.
// Launch: tiles of 64 x 64, 128 x 64 or 128 x 128 of the result, 256 threads (gemm_fp32.cuh). Leg x: one dense
// product per parity of the stride (grid z), no scatter. Leg w: output pixels in `pieces` (grid
// z), added in order by a second launch. Up to 8 result channels: conv_few.cu.
// Traffic: each operand once per tile row or column; bound by arithmetic.
// Order: taps row by row, channels inside; leg w pixel by pixel within a piece, then the pieces.
#include "conv_legs.cuh"
#include "gemm_fp32.cuh"

LEG_Y((256, 4), conv_y_64, Fp32, 64, 64)
LEG_Y((256), conv_y_128x64, Fp32, 128, 64)
LEG_Y((256, 2), conv_y_128, Fp32, 128, 128)
LEG_X((256, 4), conv_x_64, Fp32, 64, 64)
LEG_X((256), conv_x_128x64, Fp32, 128, 64)
LEG_X((256, 2), conv_x_128, Fp32, 128, 128)
LEG_W((256), conv_w_64, Fp32, 64, 64)
LEG_W((256), conv_w_128x64, Fp32, 128, 64)
LEG_W((256, 2), conv_w_128, Fp32, 128, 128)
