// A library with the functions of the CUDA driver that rnnspec calls. It records the calls, keeps the stack of
// contexts, and fails where a test says so.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

struct Arguments {
    int64_t count;
    double scale;
    void* data;
};

static std::string record, failing;
static int failure = 0, version = 13000, static_shared = 0;
static std::vector<uintptr_t> contexts;

static const int NO_CONTEXT = 201;

template <typename... Values>
static int called(bool needs_context, const char* name, const char* format, Values... values) {
    char line[200];
    std::snprintf(line, sizeof line, format, values...);
    record += std::string(name) + line + "\n";
    if (failing == name) return failure;
    return needs_context && contexts.empty() ? NO_CONTEXT : 0;
}

extern "C" {

void fake_reset(int driver, int shared) {
    record.clear();
    failing.clear();
    contexts.clear();
    version = driver;
    static_shared = shared;
}
void fake_fail(const char* function, int status) { failing = function, failure = status; }
const char* fake_record() { return record.c_str(); }
int fake_contexts() { return int(contexts.size()); }

int cuInit(unsigned flags) { return called(false, "cuInit", " %u", flags); }
int cuDriverGetVersion(int* number) {
    *number = version;
    return called(false, "cuDriverGetVersion", "");
}
int cuGetErrorName(int status, const char** name) {
    *name = status == 2     ? "CUDA_ERROR_OUT_OF_MEMORY"
            : status == 100 ? "CUDA_ERROR_NO_DEVICE"
            : status == 200 ? "CUDA_ERROR_INVALID_IMAGE"
            : status == 209 ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
            : status == 222 ? "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"
            : status == 500 ? "CUDA_ERROR_NOT_FOUND"
            : status == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
                            : nullptr;
    return *name ? 0 : 1;
}
int cuGetErrorString(int status, const char** text) {
    const char* name = nullptr;
    cuGetErrorName(status, &name);
    *text = name ? "the text" : nullptr;
    return name ? 0 : 1;
}
int cuDeviceGet(int* device, int ordinal) {
    *device = ordinal + 10;
    return called(false, "cuDeviceGet", " %d", ordinal);
}
int cuDevicePrimaryCtxRetain(void** context, int device) {
    *context = reinterpret_cast<void*>(uintptr_t(device) + 0x500000000);
    return called(false, "cuDevicePrimaryCtxRetain", " %d", device);
}
int cuCtxPushCurrent_v2(void* context) {
    contexts.push_back(reinterpret_cast<uintptr_t>(context));
    return called(false, "cuCtxPushCurrent", " %p", context);
}
int cuCtxPopCurrent_v2(void** context) {
    *context = reinterpret_cast<void*>(contexts.back());
    contexts.pop_back();
    return called(false, "cuCtxPopCurrent", " %p", *context);
}
int cuModuleLoadData(void** module, const void* image) {
    // As in a cubin, there may be a zero in it.
    *module = reinterpret_cast<void*>(0x600000000);
    return called(true, "cuModuleLoadData", " %d", std::memcmp(image, "\x7f" "ELF\0end", 8));
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    *function = reinterpret_cast<void*>(0x700000000);
    return called(true, "cuModuleGetFunction", " %p %s", module, name);
}
int cuFuncGetAttribute(int* value, int attribute, void* function) {
    *value = 49152 - static_shared;
    return called(true, "cuFuncGetAttribute", " %d %p", attribute, function);
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
    return called(true, "cuFuncSetAttribute", " %p %d %d", function, attribute, value);
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** parameters, void** extra) {
    Arguments arguments;
    std::memcpy(&arguments, parameters[0], sizeof arguments);
    return called(true, "cuLaunchKernel", " %p (%u %u %u) (%u %u %u) %u %p {%lld %g %p} %d", function, gx, gy,
                  gz, bx, by, bz, shared, stream, (long long)arguments.count, arguments.scale,
                  arguments.data, extra != nullptr);
}

}  // extern "C"
