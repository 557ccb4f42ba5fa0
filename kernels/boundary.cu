// The length of the boundaries of soft sets per area (Crofton), and its gradient.
//
// Formula: the sum over the steps between neighbouring pixels a and b, along rows, columns and both
// diagonals, of w (sqrt((a - b)^2 + soft^2) - soft), with w of the direction
// (src/device/boundary.rs); the gradient is that of its product with g.
// Launch: boundary (sample, piece of the pixels, group of up to 256 channels), each thread stays with
// one channel, so that neighbours read neighbours; the pieces are then added by sum_columns. The
// gradient: one thread per element, which visits its eight neighbours.
// Traffic: 4 bytes an element forward, 8 back: neighbours come from cache; bound by memory.
// Order: a thread adds its pixels from first to last, threads meet in a tree, pieces in order.
#include "common.cuh"
#include "params.cuh"

// How far a step crosses.
DEVICE float crossing(float a, float b, float soft) {
    const float d = a - b;
    return sqrtf(d * d + soft * soft) - soft;
}

// Its derivative by a.
DEVICE float slope(float a, float b, float soft) {
    const float d = a - b;
    return d / sqrtf(d * d + soft * soft);
}

// x [N, H, W, C] to partial [N, pieces, C].
KERNEL(256) boundary(const float* x, float* partial, Boundary p) {
    begin_kernel();
    SHARED(float, scratch, 256);
    const u32 group = least(p.c - blockIdx.z * 256, 256);  // channels this block looks at
    const u32 lanes = 256 / group, lane = threadIdx.x / group;
    const u32 c = blockIdx.z * 256 + threadIdx.x % group;
    const u32 pixels = p.h * p.w;
    const u32 begin = blockIdx.y * p.piece, end = least(begin + p.piece, pixels);
    const float* image = x + (u64)blockIdx.x * pixels * p.c + c;
    float sum = 0.0f;
    if (lane < lanes) {
        for (u32 pixel = begin + lane; pixel < end; pixel += lanes) {
            const u32 row = pixel / p.w, column = pixel - row * p.w;
            const bool beside = column + 1 < p.w || p.periodic, under = row + 1 < p.h || p.periodic;
            const u32 right = column + 1 < p.w ? pixel + 1 : pixel - column;
            const u32 below = row + 1 < p.h ? p.w : 0;  // the row below begins there
            const u32 down = (below ? pixel + below : column), corner = (below ? right + below : right - row * p.w);
            const float here = image[(u64)pixel * p.c], east = image[(u64)right * p.c];
            const float south = image[(u64)down * p.c];
            if (beside) sum += p.along_row * crossing(here, east, p.soft);
            if (under) sum += p.along_column * crossing(here, south, p.soft);
            if (beside && under)
                sum += p.diagonal * (crossing(here, image[(u64)corner * p.c], p.soft) + crossing(east, south, p.soft));
        }
    }
    scratch[threadIdx.x] = sum;
    __syncthreads();
    for (u32 step = 128; step > 0; step /= 2) {
        if (lane < step && lane + step < lanes) scratch[threadIdx.x] += scratch[threadIdx.x + step * group];
        __syncthreads();
    }
    if (lane == 0) partial[((u64)blockIdx.x * p.pieces + blockIdx.y) * p.c + c] = scratch[threadIdx.x];
}

// x [N, H, W, C] and g [N, C] to [N, H, W, C].
KERNEL(256) boundary_grad(const float* x, const float* g, float* y, Boundary p) {
    begin_kernel();
    const u64 i = thread_in_grid();
    if (i >= (u64)p.n * p.h * p.w * p.c) return;
    // A tensor has fewer than 2^32 elements.
    const u32 pixel = (u32)i / p.c, c = (u32)i - pixel * p.c, line = pixel / p.w;  // line counts through the samples
    const u32 column = pixel - line * p.w, n = line / p.h, row = line - n * p.h;
    const float* image = x + (u64)n * p.h * p.w * p.c + c;
    const float here = x[i];
    // Before and after in each axis; none is the pixel itself, from which it does not differ.
    const u32 left = column ? column - 1 : p.periodic ? p.w - 1 : column;
    const u32 right = column + 1 < p.w ? column + 1 : p.periodic ? 0 : column;
    const u32 above = row ? row - 1 : p.periodic ? p.h - 1 : row;
    const u32 below = row + 1 < p.h ? row + 1 : p.periodic ? 0 : row;
    const auto from = [&](u32 to_row, u32 to_column) {
        return slope(here, image[((u64)to_row * p.w + to_column) * p.c], p.soft);
    };
    // Of an open image a diagonal step must not slide along the edge.
    const bool west = column > 0 || p.periodic, east = column + 1 < p.w || p.periodic;
    const bool north = row > 0 || p.periodic, south = row + 1 < p.h || p.periodic;
    float diagonal = 0.0f;
    if (north && west) diagonal += from(above, left);
    if (north && east) diagonal += from(above, right);
    if (south && west) diagonal += from(below, left);
    if (south && east) diagonal += from(below, right);
    const float rows = from(row, left) + from(row, right), columns = from(above, column) + from(below, column);
    y[i] = g[(u64)n * p.c + c] * (p.along_row * rows + p.along_column * columns + p.diagonal * diagonal);
}
