// Rows of tables, one-hot and moved images, the largest class of a pixel.
//
// Launch: one thread per element of the result (one per pixel for one_hot, augment and argmax).
// Traffic: one_hot 1 + 4 C bytes a pixel, augment 2, argmax 4 C + 1, gather 8 an element; bound by memory.
// Order: scatter_add adds the rows that meet in one place from first to last, without atomics.
#include "common.cuh"
#include "params.cuh"

// Class maps u8 [M, width] and rows u32 [N] to one-hot images [N, width, channels].
KERNEL(256) one_hot(const u8* maps, const u32* rows, float* y, Table p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= (u64)p.n * p.width) return;
    const u32 sample = (u32)i / p.width, pixel = (u32)i % p.width;
    const u32 label = maps[(u64)rows[sample] * p.width + pixel];
    for (u32 c = 0; c < p.channels; ++c) y[i * p.channels + c] = c == label ? 1.0f : 0.0f;
}

// Rows u32 [N] of class maps u8 [M, height, width], each moved by what its three words choose: [N, height, width].
KERNEL(256) augment(const u8* maps, const u32* rows, const u32* words, u8* y, Augment p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    const u32 pixels = p.height * p.width;
    if (i >= (u64)p.n * pixels) return;
    const u32 sample = (u32)i / pixels, pixel = (u32)i % pixels;
    const u32* word = words + 3 * sample;
    const u32 way = p.packed >> (4 * __umulhi(word[2], p.ways));
    u32 row = pixel / p.width, column = pixel % p.width;
    if (way & 4) {
        const u32 other = row;
        row = column, column = other;
    }
    if (way & 2) row = p.height - 1 - row;
    if (way & 1) column = p.width - 1 - column;
    if (p.shift) {
        row += __umulhi(word[0], p.height), column += __umulhi(word[1], p.width);
        if (row >= p.height) row -= p.height;
        if (column >= p.width) column -= p.width;
    }
    y[i] = maps[(u64)rows[sample] * pixels + row * p.width + column];
}

// table [M, width] and rows u32 [N] to [N, width].
KERNEL(256) gather(const float* table, const u32* rows, float* y, Table p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i < (u64)p.n * p.width) y[i] = table[(u64)rows[(u32)i / p.width] * p.width + (u32)i % p.width];
}

// values [N, width] and rows u32 [N] summed into zeros [M, width], M = p.rows.
KERNEL(256) scatter_add(const float* values, const u32* rows, float* y, Table p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= (u64)p.rows * p.width) return;
    const u32 row = (u32)i / p.width, column = (u32)i % p.width;
    float sum = 0.0f;
    for (u32 k = 0; k < p.n; ++k)
        if (rows[k] == row) sum += values[(u64)k * p.width + column];
    y[i] = sum;
}

// Index of the largest channel of each pixel, the first of equals.
KERNEL(256) argmax(const float* x, u8* y, Elementwise p) {
    begin_kernel();
    const u64 pixel = thread_in_grid();
    if (pixel >= p.n) return;
    const float* v = x + pixel * p.channels;
    u32 best = 0;
    for (u32 c = 1; c < p.channels; ++c)
        if (v[c] > v[best]) best = c;
    y[pixel] = (u8)best;
}
