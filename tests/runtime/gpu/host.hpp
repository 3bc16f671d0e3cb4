// What makes a CUDA kernel a program for the processor: the threads of a block are fibers that meet at
// `__syncthreads`, and blocks run one after another.  Between two meetings, threads run to the end one by one, in an
// order that `host::shuffle` changes: a kernel that lacks a meeting computes something else in another order.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#define __global__
#define __shared__ static __attribute__((section("shared_memory")))
#define __launch_bounds__(...)
#define __grid_constant__
#define DYNAMIC_SHARED(type, name) type* const name = (type*)host::pool.data()

struct Index { unsigned x; };
static Index threadIdx, blockIdx;

// Where the linker puts all shared memory.
extern "C" char __start_shared_memory[], __stop_shared_memory[];

namespace host {

constexpr size_t STACK = 256 << 10;  // bytes of a thread

struct Fiber {
    ucontext_t context;
    bool done;
};

static std::vector<Fiber> fibers;
static std::vector<char> stacks;
static std::vector<double> pool;  // dynamic shared memory
static ucontext_t scheduler;
static unsigned running;
static unsigned shuffle = 0;  // 0: threads run in their order
static void (*kernel)();

static void begin() {
    kernel();
    fibers[running].done = true;
}

// Run a kernel that takes its arguments from where the caller has put them.
static void launch(void (*function)(), unsigned grid, unsigned block, size_t shared) {
    kernel = function;
    fibers.resize(block);
    stacks.resize(block * STACK);
    std::vector<unsigned> order(block);
    std::iota(order.begin(), order.end(), 0);
    uint64_t state = shuffle;
    for (unsigned number = 0; number < grid; number++) {
        // Shared memory has nothing of the block before: all its numbers are NaN.
        pool.assign(shared / sizeof(double) + 1, NAN);
        std::memset(__start_shared_memory, 0xFF, size_t(__stop_shared_memory - __start_shared_memory));
        for (unsigned thread = 0; thread < block; thread++) {
            Fiber& fiber = fibers[thread];
            fiber.done = false;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = stacks.data() + thread * STACK;
            fiber.context.uc_stack.ss_size = STACK;
            fiber.context.uc_link = &scheduler;
            makecontext(&fiber.context, begin, 0);
        }
        for (bool any = true; any;) {
            any = false;
            for (unsigned i = block; shuffle && i > 1; i--) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                std::swap(order[i - 1], order[(state >> 33) % i]);
            }
            for (const unsigned thread : order) {
                if (fibers[thread].done) continue;
                any = true;
                running = thread;
                threadIdx.x = thread, blockIdx.x = number;
                swapcontext(&scheduler, &fibers[thread].context);
            }
        }
    }
}

}  // namespace host

static inline void __syncthreads() {
    const unsigned own = host::running;
    swapcontext(&host::fibers[own].context, &host::scheduler);
    threadIdx.x = own;
}

static inline int atomicAdd(int* to, int value) {
    const int before = *to;
    *to += value;
    return before;
}

using std::fma;

static inline void sincospif(float x, float* sine, float* cosine) {
    *sine = float(std::sin(M_PI * double(x))), *cosine = float(std::cos(M_PI * double(x)));
}
