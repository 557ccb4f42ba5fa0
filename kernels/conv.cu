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

KERNEL(256, 4) conv_y_64(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<Fp32, 64, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_128x64(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<Fp32, 128, 64>(x, w, extra, y, p);
}
KERNEL(256, 2) conv_y_128(const float* x, const float* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<Fp32, 128, 128>(x, w, extra, y, p);
}
KERNEL(256, 4) conv_x_64(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<Fp32, 64, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_128x64(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<Fp32, 128, 64>(g, w, extra, x, p);
}
KERNEL(256, 2) conv_x_128(const float* g, const float* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<Fp32, 128, 128>(g, w, extra, x, p);
}
KERNEL(256) conv_w_64(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    leg_w<Fp32, 64, 64>(x, g, w, p);
}
KERNEL(256) conv_w_128x64(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    leg_w<Fp32, 128, 64>(x, g, w, p);
}
KERNEL(256, 2) conv_w_128(const float* x, const float* g, float* w, Conv p) {
    begin_kernel();
    leg_w<Fp32, 128, 128>(x, g, w, p);
}
