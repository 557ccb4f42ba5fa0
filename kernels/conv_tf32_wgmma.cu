// The three legs of a convolution in tf32 on the tensor cores of compute capability 9.0.
//
// Formula: as conv_mma.cu in tf32; sums of eight products at a time are the tensor cores' own.
// Needs: compute capability 9.0 and no other; CI and CO multiples of four for leg y and w, CO for leg x; tensors of
// fewer than 2^32 numbers.
// Launch: as conv_wgmma.cu.
// Shared memory (dynamic): three slices (gemm_wgmma_tf32.cuh), 72 KiB for 128 x 64, of which a multiprocessor holds two
// blocks, 96 KiB for 128 x 128, else 144 KiB.
// Traffic: each operand once per tile row or column, in single precision, from the second-level cache, which should
// bound it (no card has timed these): 21 to 43 operations a byte.
// Order: as conv_mma.cu.
// Source: as conv_wgmma.cu.
#include "conv_legs.cuh"
#include "gemm_wgmma_tf32.cuh"

KERNEL(256, 2) conv_y_wide_tf32_128x64(const float4* x, const float4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideTf32, 128, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_tf32_128(const float4* x, const float4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideTf32, 128, 128>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_tf32_128x256(const float4* x, const float4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideTf32, 128, 256>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_tf32_256x128(const float4* x, const float4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideTf32, 256, 128>(x, w, extra, y, p);
}
KERNEL(256, 2) conv_x_wide_tf32_128x64(const float4* g, const float4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideTf32, 128, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_tf32_128(const float4* g, const float4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideTf32, 128, 128>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_tf32_128x256(const float4* g, const float4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideTf32, 128, 256>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_tf32_256x128(const float4* g, const float4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideTf32, 256, 128>(g, w, extra, x, p);
}
KERNEL(256, 2) conv_w_wide_tf32_128x64(const float4* x, const float4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideTf32, 128, 64>(x, g, w, p);
}
KERNEL(256) conv_w_wide_tf32_128(const float4* x, const float4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideTf32, 128, 128>(x, g, w, p);
}
KERNEL(256) conv_w_wide_tf32_128x256(const float4* x, const float4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideTf32, 128, 256>(x, g, w, p);
}
KERNEL(256) conv_w_wide_tf32_256x128(const float4* x, const float4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideTf32, 256, 128>(x, g, w, p);
}
