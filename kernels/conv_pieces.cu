// The end of leg y of a convolution whose sums were cut into pieces.
//
// Formula: y = finish(sum over pieces), what conv_stores.cuh does to a number on its way out.
// Needs: CO a multiple of four.
// Launch: a thread for four neighbouring channels.
// Traffic: 4 bytes a number and piece, and the result; bound by memory, mostly the second-level cache.
// Order: pieces from first to last.
#include "conv_stores.cuh"

KERNEL(256) finish_pieces(const float4* partial, const float* extra, float* y, Conv p) {
    begin_kernel();
    const u32 count = p.n * p.oh * p.ow * p.co, at = (u32)thread_in_grid() * 4;
    if (at >= count) return;
    const u32 channel = at % p.co;
    const FoursY<u32> to(y, extra, p);
    float4 sum = no_four();
    for (u32 piece = 0; piece < p.pieces; ++piece) {
        const float4 v = partial[((u64)piece * count + at) / 4];
        sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
    }
    finish(to, at - channel, channel, sum, to.column(channel));
}
