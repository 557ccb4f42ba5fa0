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

KERNEL(256) conv_y_stored_bf16_64(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<StoredBf16, 64, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_stored_bf16_128x64(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<StoredBf16, 128, 64>(x, w, extra, y, p);
}
KERNEL(256) conv_y_stored_bf16_128(const uint4* x, const uint4* w, const float* extra, float* y, Conv p) {
    begin_kernel();
    leg_y<StoredBf16, 128, 128>(x, w, extra, y, p);
}
KERNEL(256) conv_x_stored_bf16_64(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<StoredBf16, 64, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_stored_bf16_128x64(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<StoredBf16, 128, 64>(g, w, extra, x, p);
}
KERNEL(256) conv_x_stored_bf16_128(const uint4* g, const uint4* w, const float* extra, float* x, Conv p) {
    begin_kernel();
    leg_x<StoredBf16, 128, 128>(g, w, extra, x, p);
}
KERNEL(256) conv_w_stored_bf16_64(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<StoredBf16, 64, 64>(x, g, w, p);
}
KERNEL(256) conv_w_stored_bf16_128x64(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<StoredBf16, 128, 64>(x, g, w, p);
}
KERNEL(256) conv_w_stored_bf16_128(const uint4* x, const uint4* g, float* w, Conv p) {
    begin_kernel();
    leg_w<StoredBf16, 128, 128>(x, g, w, p);
}
