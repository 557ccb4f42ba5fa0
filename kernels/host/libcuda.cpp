// A stand-in for NVIDIA's driver: the calls that the launcher makes, over the host runtime. Built
// by the tests as libcuda.so.1, so that the launcher for real GPUs runs where there is none.
//
// Stricter than the original where that costs a mistake nothing: memory comes filled with 0xff,
// work waits until the host does and then reads what it copies, whatever needs a current context refuses to go without one, and
// what a capture forbids spoils it. The environment chooses the machine:
//   INVNET_STANDIN_CC=8.0        compute capability
//   INVNET_STANDIN_DRIVER=12090  the newest release of CUDA it knows
//   INVNET_STANDIN_CODE=8.7      compute capability that code was made for, if not the machine's
//   INVNET_STANDIN_MEMORY=bytes  how much memory there is
//   INVNET_STANDIN_FAULT=        oom: no memory; launch: launches are refused; sync: the kernel
//                                INVNET_STANDIN_KERNEL (or any) accesses an illegal address, when it
//                                has run INVNET_STANDIN_AFTER times; graph: a kernel of a graph does;
//                                nodevice: no device; old: compute capability 6.1;
//                                image: no code can be loaded; firstimage: the first cannot
//   INVNET_STANDIN_WRONG=kernel  that kernel leaves out its last block
//   INVNET_STANDIN_CALL=name     that call answers INVNET_STANDIN_STATUS and does nothing else
//   INVNET_STANDIN_LOG=file      a line for each call that loads code, takes or gives memory, launches a kernel or a graph
#include "runtime.hpp"

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace {

enum Status {
    OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
    INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700,
    OUT_OF_RESOURCES = 701, LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901,
};

using Work = std::function<int()>;

struct Event { std::chrono::steady_clock::time_point at; };
struct Function { const simt::Kernel* kernel; unsigned shared = 48 << 10; };
struct Stream {
    std::vector<Work> queue;
    bool capturing = false, spoiled = false;
    std::vector<Work> recorded;
};

const char* setting(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}
// The answer that the environment puts in place of a call.
int forced(const char* call) {
    return std::strcmp(setting("INVNET_STANDIN_CALL"), call) ? OK : std::atoi(setting("INVNET_STANDIN_STATUS"));
}
bool fault(const char* name) { return !std::strcmp(setting("INVNET_STANDIN_FAULT"), name); }

void note(const char* what, std::size_t number) {
    static const char* path = std::getenv("INVNET_STANDIN_LOG");
    if (!path) return;
    if (std::FILE* file = std::fopen(path, "a")) {
        std::fprintf(file, "%s %zu\n", what, number);
        std::fclose(file);
    }
}

bool started = false;
int sticky = OK;  // a context whose kernel failed answers everything with that failure
int retained = 0;
char the_context;
thread_local void* current = nullptr;
std::vector<Stream*> streams;
std::map<unsigned long long, std::size_t> blocks;  // address and bytes of all memory given out
std::size_t used = 0;

std::size_t memory() {
    const char* bytes = setting("INVNET_STANDIN_MEMORY");
    return *bytes ? std::strtoull(bytes, nullptr, 10) : std::size_t(4) << 30;
}

// Compute capability of the machine, or of what the named setting says: 90 for 9.0.
int capability(const char* name = "INVNET_STANDIN_CC") {
    const char* given = fault("old") ? "6.1" : setting(name);
    if (!*given) given = setting("INVNET_STANDIN_CC");
    int major = 8, minor = 0;
    if (*given) std::sscanf(given, "%d.%d", &major, &minor);
    return 10 * major + minor;
}

// Whether a call that needs a context may go on.
int ready(const char* call) {
    if (int status = forced(call)) return status;
    if (!started) return NOT_INITIALIZED;
    if (current != &the_context || !retained) return INVALID_CONTEXT;
    return sticky;
}

bool inside(unsigned long long address, std::size_t bytes) {
    auto after = blocks.upper_bound(address);
    if (after == blocks.begin()) return false;
    const auto& [start, length] = *--after;
    return address + bytes <= start + length;
}

// Does what waits in the streams.
int drain() {
    for (Stream* stream : streams) {
        std::vector<Work> queue;
        queue.swap(stream->queue);
        for (Work& work : queue) {
            if (sticky) break;
            sticky = work();
        }
    }
    return sticky;
}

// What a capture forbids to the thread that captures.
int spoil() {
    bool any = false;
    for (Stream* stream : streams)
        if (stream->capturing) stream->spoiled = any = true;
    return any ? CAPTURE_UNSUPPORTED : OK;
}

int enqueue(Stream* stream, Work work) {
    if (!stream) return INVALID_HANDLE;
    (stream->capturing ? stream->recorded : stream->queue).push_back(std::move(work));
    return OK;
}

int run(const simt::Kernel* kernel, const unsigned (&grid)[3], unsigned shared, std::vector<std::vector<char>> values) {
    const char* named = setting("INVNET_STANDIN_KERNEL");
    static int times = 0;
    const bool meant = fault("sync") && (!*named || !std::strcmp(named, kernel->name));
    if (meant && times++ >= std::atoi(setting("INVNET_STANDIN_AFTER"))) return ILLEGAL_ADDRESS;
    std::vector<std::unique_ptr<char[]>> aligned;  // new[] aligns for every scalar
    std::vector<void*> arguments;
    for (const auto& value : values) {
        aligned.emplace_back(new char[value.size()]);
        std::memcpy(aligned.back().get(), value.data(), value.size());
        arguments.push_back(aligned.back().get());
    }
    const simt::Launch launch{kernel, {grid[0], grid[1], grid[2]}, shared, 0, 0};
    char error[1024] = "";
    const bool wrong = !std::strcmp(setting("INVNET_STANDIN_WRONG"), kernel->name);
    const unsigned long long count = 1ull * grid[0] * grid[1] * grid[2] - wrong;
    if (!simt_run(&launch, arguments.data(), 0, count, error, sizeof error)) return OK;
    std::fprintf(stderr, "stand-in driver: %s\n", error);
    return LAUNCH_FAILED;
}

struct Explained { const char *name, *words; };

Explained explained(int status) {
    switch (status) {
        case INVALID_VALUE: return {"CUDA_ERROR_INVALID_VALUE", "invalid argument"};
        case OUT_OF_MEMORY: return {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"};
        case NOT_INITIALIZED: return {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"};
        case INVALID_DEVICE: return {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"};
        case INVALID_IMAGE: return {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"};
        case INVALID_CONTEXT: return {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"};
        case INVALID_HANDLE: return {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"};
        case NOT_FOUND: return {"CUDA_ERROR_NOT_FOUND", "named symbol not found"};
        case ILLEGAL_ADDRESS: return {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"};
        case OUT_OF_RESOURCES:
            return {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"};
        case LAUNCH_FAILED: return {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"};
        case CAPTURE_UNSUPPORTED:
            return {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"};
        case CAPTURE_INVALIDATED:
            return {"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"};
        default: return {};
    }
}

}  // namespace

#define CALL extern "C" __attribute__((visibility("default"))) int
#define FORCED if (int status = forced(__func__)) return status
#define NEED_CONTEXT if (int status = ready(__func__)) return status
#define NOT_IN_CAPTURE if (int status = spoil()) return status

CALL cuInit(unsigned) {
    FORCED;
    if (fault("nodevice")) return NO_DEVICE;
    started = true;
    return OK;
}
CALL cuDriverGetVersion(int* version) {
    FORCED;
    const char* given = setting("INVNET_STANDIN_DRIVER");
    *version = *given ? std::atoi(given) : 12090;
    return OK;
}
// NVRTC asks for private tables of the driver and does without.
CALL cuGetExportTable(const void**, const void*) { return NOT_FOUND; }
// Words and name of a status; a null pointer for one that it does not know.
CALL cuGetErrorName(int status, const char** text) {
    FORCED;
    const auto known = explained(status);
    return *text = known.name, known.name ? OK : INVALID_VALUE;
}
CALL cuGetErrorString(int status, const char** text) {
    FORCED;
    const auto known = explained(status);
    return *text = known.words, known.words ? OK : INVALID_VALUE;
}

// ---- devices and contexts ------------------------------------------------------------------

CALL cuDeviceGetCount(int* count) {
    FORCED;
    return *count = 1, started ? OK : NOT_INITIALIZED;
}
CALL cuDeviceGet(int* device, int ordinal) {
    FORCED;
    if (!started) return NOT_INITIALIZED;
    *device = ordinal;
    return ordinal == 0 ? OK : INVALID_DEVICE;
}
CALL cuDeviceGetName(char* name, int capacity, int) {
    FORCED;
    return std::snprintf(name, capacity, "Stand-in"), OK;
}
CALL cuDeviceTotalMem_v2(std::size_t* bytes, int) {
    FORCED;
    return *bytes = memory(), OK;
}
CALL cuDeviceGetAttribute(int* value, int attribute, int) {
    FORCED;
    switch (attribute) {
        case 75: return *value = capability() / 10, OK;
        case 76: return *value = capability() % 10, OK;
        case 16: return *value = 4, OK;  // multiprocessors
        case 13: return *value = 1000000, OK;  // kHz
        case 36: return *value = 1000000, OK;  // of memory, kHz
        case 37: return *value = 128, OK;      // bits of its bus
        case 97: return *value = 227 << 10, OK;  // shared memory of a block, if asked for
        default: return INVALID_VALUE;
    }
}
CALL cuDevicePrimaryCtxRetain(void** context, int) {
    FORCED;
    if (!started) return NOT_INITIALIZED;
    ++retained;
    *context = &the_context;
    return OK;
}
CALL cuDevicePrimaryCtxRelease_v2(int) {
    FORCED;
    return retained-- > 0 ? OK : INVALID_CONTEXT;
}
CALL cuCtxSetCurrent(void* context) {
    FORCED;
    return current = context, OK;
}
CALL cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    NEED_CONTEXT;
    *total = memory();
    *free = *total - used;
    return OK;
}

// ---- memory --------------------------------------------------------------------------------

CALL cuMemAlloc_v2(unsigned long long* address, std::size_t bytes) {
    NEED_CONTEXT;
    NOT_IN_CAPTURE;
    if (!bytes) return INVALID_VALUE;
    if (fault("oom") || used + bytes > memory()) return OUT_OF_MEMORY;
    void* block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(block, 0xff, bytes);
    *address = reinterpret_cast<unsigned long long>(block);
    blocks[*address] = bytes;
    used += bytes;
    note("alloc", bytes);
    return OK;
}
CALL cuMemFree_v2(unsigned long long address) {
    FORCED;
    const int status = ready("");
    if (status && status != sticky) return status;
    NOT_IN_CAPTURE;
    drain();
    auto block = blocks.find(address);
    if (block == blocks.end()) return INVALID_VALUE;
    used -= block->second;
    note("free", block->second);
    blocks.erase(block);
    std::free(reinterpret_cast<void*>(address));
    return sticky;
}
CALL cuMemsetD8Async(unsigned long long address, unsigned char value, std::size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    if (!inside(address, bytes)) return INVALID_VALUE;
    return enqueue(stream, [=] { return std::memset(reinterpret_cast<void*>(address), value, bytes), OK; });
}
CALL cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, std::size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    NOT_IN_CAPTURE;  // of pageable memory
    if (!inside(to, bytes)) return INVALID_VALUE;
    return enqueue(stream, [=] { return std::memcpy(reinterpret_cast<void*>(to), from, bytes), OK; });
}
CALL cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, std::size_t bytes, Stream* stream) {
    NEED_CONTEXT;
    NOT_IN_CAPTURE;
    if (!inside(from, bytes)) return INVALID_VALUE;
    return enqueue(stream, [=] { return std::memcpy(to, reinterpret_cast<const void*>(from), bytes), OK; });
}

// ---- streams and events --------------------------------------------------------------------

CALL cuStreamCreate(Stream** stream, unsigned) {
    NEED_CONTEXT;
    streams.push_back(*stream = new Stream);
    return OK;
}
CALL cuStreamDestroy_v2(Stream* stream) {
    FORCED;
    streams.erase(std::remove(streams.begin(), streams.end(), stream), streams.end());
    delete stream;
    return sticky;
}
CALL cuStreamSynchronize(Stream* stream) {
    NEED_CONTEXT;
    if (stream && stream->capturing) return spoil();
    return drain();
}
CALL cuEventCreate(Event** event, unsigned) {
    NEED_CONTEXT;
    *event = new Event;
    return OK;
}
CALL cuEventRecord(Event* event, Stream* stream) {
    NEED_CONTEXT;
    return enqueue(stream, [=] { return event->at = std::chrono::steady_clock::now(), OK; });
}
CALL cuEventSynchronize(Event*) {
    NEED_CONTEXT;
    NOT_IN_CAPTURE;
    return drain();
}
CALL cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
    NEED_CONTEXT;
    *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
    return OK;
}
CALL cuEventDestroy_v2(Event* event) {
    FORCED;
    drain();
    delete event;
    return OK;
}

// ---- code and launches ---------------------------------------------------------------------

CALL cuModuleLoadData(void** module, const void* image) {
    NEED_CONTEXT;
    NOT_IN_CAPTURE;
    // An ELF file, or the text of PTX. The kernels are those of the host, whatever the image says.
    const char* bytes = static_cast<const char*>(image);
    const bool code = !std::memcmp(bytes, "\177ELF", 4) || std::strstr(bytes, ".version");
    static bool first = true;
    const bool refused = fault("image") || (first && fault("firstimage"));
    first = false;
    if (refused || !code) return INVALID_IMAGE;
    note("load", 0);
    *module = new char;
    return OK;
}
CALL cuModuleGetFunction(Function** function, void*, const char* name) {
    NEED_CONTEXT;
    const simt::Kernel* kernel = simt_kernel(name);
    if (!kernel) return NOT_FOUND;
    *function = new Function{kernel};
    return OK;
}
CALL cuModuleUnload(void* module) {
    FORCED;
    return delete static_cast<char*>(module), sticky;
}
CALL cuFuncSetAttribute(Function* function, int attribute, int value) {
    NEED_CONTEXT;
    if (attribute != 8 || value < 0 || value > 227 << 10) return INVALID_VALUE;
    function->shared = value;
    return OK;
}
CALL cuFuncGetAttribute(int* value, int attribute, Function*) {
    NEED_CONTEXT;
    switch (attribute) {
        // Shared and local memory, registers: nothing that a processor would know.
        case 1: case 3: return *value = 0, OK;
        case 4: return *value = 32, OK;
        case 5: return *value = capability("INVNET_STANDIN_CODE"), OK;  // of PTX
        default: return INVALID_VALUE;
    }
}
CALL cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int threads, std::size_t) {
    NEED_CONTEXT;
    if (threads <= 0) return INVALID_VALUE;
    *blocks = 1;
    return OK;
}
// As cuda.h declares them.
struct Attribute {
    unsigned id;
    union { alignas(8) char bytes[64]; int allowed; } value;
};
struct Config {
    unsigned gx, gy, gz, bx, by, bz, shared;
    Stream* stream;
    const Attribute* attributes;
    unsigned count;
};
static_assert(sizeof(Attribute) == 72 && sizeof(Config) == 56, "the driver's layout");
CALL cuLaunchKernelEx(const Config* config, Function* function, void** arguments, void** extra) {
    NEED_CONTEXT;
    if (fault("launch")) return OUT_OF_RESOURCES;
    const auto [gx, gy, gz, bx, by, bz, shared, stream, attributes, count] = *config;
    const simt::Kernel* kernel = function->kernel;
    const bool grid = gx && gy && gz && gx <= 0x7fffffffu && gy <= 65535 && gz <= 65535;
    if (!grid || bx != kernel->threads || by != 1 || bz != 1 || shared > function->shared || extra) return INVALID_VALUE;
    bool early = false;
    for (unsigned i = 0; i < count; ++i) {
        // The kernel may begin before the one before it has ended: of 9.0, for code that waits.
        if (attributes[i].id != 6) return INVALID_VALUE;
        early = attributes[i].value.allowed;
    }
    if (early && (capability() < 90 || capability("INVNET_STANDIN_CODE") < 90)) return INVALID_VALUE;
    note("launch", early);
    std::vector<std::vector<char>> values;
    for (unsigned i = 0; i < kernel->arguments; ++i) {
        if (!arguments[i]) return INVALID_VALUE;
        const char* bytes = static_cast<const char*>(arguments[i]);
        values.emplace_back(bytes, bytes + kernel->argument_bytes[i]);
    }
    const unsigned extents[3] = {gx, gy, gz}, bytes = shared;
    const int queued = enqueue(stream, [=, values = std::move(values)] { return run(kernel, extents, bytes, values); });
    const bool blocking = !std::strcmp(setting("CUDA_LAUNCH_BLOCKING"), "1");
    return queued || stream->capturing || !blocking ? queued : drain();
}

// ---- graphs --------------------------------------------------------------------------------

CALL cuStreamBeginCapture_v2(Stream* stream, int) {
    NEED_CONTEXT;
    if (stream->capturing) return INVALID_VALUE;
    stream->capturing = true;
    stream->spoiled = false;
    stream->recorded.clear();
    return OK;
}
CALL cuStreamEndCapture(Stream* stream, std::vector<Work>** graph) {
    NEED_CONTEXT;
    *graph = nullptr;
    if (!stream->capturing) return INVALID_VALUE;
    stream->capturing = false;
    if (stream->spoiled) return CAPTURE_INVALIDATED;
    *graph = new std::vector<Work>(std::move(stream->recorded));
    return OK;
}
CALL cuGraphInstantiateWithFlags(std::vector<Work>** ready_graph, std::vector<Work>* graph, unsigned long long) {
    NEED_CONTEXT;
    *ready_graph = new std::vector<Work>(*graph);
    return OK;
}
CALL cuGraphDestroy(std::vector<Work>* graph) {
    FORCED;
    return delete graph, OK;
}
CALL cuGraphExecDestroy(std::vector<Work>* graph) {
    FORCED;
    return delete graph, OK;
}
CALL cuGraphLaunch(std::vector<Work>* graph, Stream* stream) {
    NEED_CONTEXT;
    for (const Work& work : *graph)
        if (int status = enqueue(stream, work)) return status;
    if (fault("graph")) enqueue(stream, [] { return ILLEGAL_ADDRESS; });
    note("graph", graph->size());
    return OK;
}
