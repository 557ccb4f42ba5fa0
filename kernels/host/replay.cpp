// Runs recorded launches under a sanitizer: every tensor in a block of memory of exactly its size,
// so that a byte beyond it is nobody's.
//
// Usage: replay FILE BLOCKS. The file is a sequence of launches as tests/sanitizers.rs writes
// them: kernel name, grid, shared bytes, table entries, tensors (identity, bytes, contents), and
// the parameter struct. At most BLOCKS blocks of each launch run, the first and the last among
// them; 0 runs all.
#include "runtime.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

template <typename T>
T read(std::istream& from) {
    T value{};
    from.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
}

using u64 = unsigned long long;

int replay(std::istream& from, u64 most) {
    std::string name(read<u64>(from), ' ');
    from.read(&name[0], static_cast<std::streamsize>(name.size()));
    simt::Launch launch{};
    launch.kernel = simt_kernel(name.c_str());
    if (!launch.kernel) {
        std::fprintf(stderr, "no kernel %s\n", name.c_str());
        return 1;
    }
    for (unsigned& extent : launch.grid) extent = static_cast<unsigned>(read<u64>(from));
    launch.dynamic_bytes = static_cast<unsigned>(read<u64>(from));
    launch.schedule = 2;
    const u64 table = read<u64>(from), spans = read<u64>(from);
    // The same tensor given twice is one block of memory.
    std::map<std::pair<u64, u64>, void*> memory;
    std::vector<void*> pointers(std::max(table, spans), nullptr);
    for (u64 i = 0; i < spans; ++i) {
        const u64 buffer = read<u64>(from), offset = read<u64>(from), bytes = read<u64>(from);
        if (!bytes) continue;
        std::vector<char> contents(bytes);
        from.read(contents.data(), static_cast<std::streamsize>(bytes));
        void*& at = memory[{buffer, offset}];
        if (!at) {
            if (posix_memalign(&at, 64, bytes)) std::abort();
            std::memcpy(at, contents.data(), bytes);
        }
        pointers[i] = at;
    }
    const u64 bytes = read<u64>(from);
    std::vector<u64> params(bytes / 8 + 1);
    from.read(reinterpret_cast<char*>(params.data()), static_cast<std::streamsize>(bytes));
    std::vector<void*> arguments;
    if (table) arguments.push_back(pointers.data());
    else for (void*& pointer : pointers) arguments.push_back(&pointer);
    if (bytes) arguments.push_back(params.data());

    const u64 blocks = u64(launch.grid[0]) * launch.grid[1] * launch.grid[2];
    char error[1024] = "";
    const u64 head = most && blocks > most ? most - 1 : blocks;
    int failed = simt_run(&launch, arguments.data(), 0, head, error, sizeof error);
    if (!failed && head < blocks) failed = simt_run(&launch, arguments.data(), blocks - 1, 1, error, sizeof error);
    if (failed) std::fprintf(stderr, "%s\n", error);
    for (auto& block : memory) std::free(block.second);
    return failed;
}

}  // namespace

int main(int count, char** words) {
    if (count != 3) {
        std::fprintf(stderr, "usage: replay FILE BLOCKS\n");
        return 2;
    }
    std::ifstream file(words[1], std::ios::binary);
    int failed = 0;
    u64 launches = 0;
    for (; file.peek() != std::ifstream::traits_type::eof(); ++launches) failed |= replay(file, std::strtoull(words[2], nullptr, 10));
    std::printf("%llu launches\n", launches);
    return failed;
}
