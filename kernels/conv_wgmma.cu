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

KERNEL(256, 2) conv_y_wide_bf16_128x64(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideBf16, 128, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_bf16_128(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideBf16, 128, 128>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_bf16_128x256(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideBf16, 128, 256>(x, w, extra, y, p);
}
KERNEL(256) conv_y_wide_bf16_256x128(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<WideBf16, 256, 128>(x, w, extra, y, p);
}
KERNEL(256, 2) conv_x_wide_bf16_128x64(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideBf16, 128, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_bf16_128(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideBf16, 128, 128>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_bf16_128x256(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideBf16, 128, 256>(g, w, extra, x, p);
}
KERNEL(256) conv_x_wide_bf16_256x128(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<WideBf16, 256, 128>(g, w, extra, x, p);
}
KERNEL(256, 2) conv_w_wide_bf16_128x64(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideBf16, 128, 64>(x, g, w, p);
}
KERNEL(256) conv_w_wide_bf16_128(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideBf16, 128, 128>(x, g, w, p);
}
KERNEL(256) conv_w_wide_bf16_128x256(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<WideBf16, 128, 256>(x, g, w, p);
}
