"""A kernel that runs, where there is a GPU: the compiler, the driver and torch together."""

from __future__ import annotations

import ctypes

import pytest
import torch

from rnnspec.runtime.gpu.driver import load
from rnnspec.runtime.gpu.nvrtc import find_nvrtc

SOURCE = """
struct Arguments { long long count; double scale; float* data; };

// Reverses and scales what one block sees, by way of the last numbers of a large shared memory.
extern "C" __global__ void run(Arguments arguments) {
    extern __shared__ float shared[];
    float* last = shared + 16000;
    int i = threadIdx.x, n = int(arguments.count);
    if (i < n) last[i] = arguments.data[i];
    __syncthreads();
    if (i < n) arguments.data[i] = float(arguments.scale) * last[n - 1 - i];
}
"""


class Arguments(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int64), ("scale", ctypes.c_double), ("data", ctypes.c_void_p))


@pytest.mark.skipif(torch.version.cuda is None or not torch.cuda.is_available(), reason="there is no GPU")
def test_a_kernel_runs_in_a_stream_of_torch() -> None:
    architecture = "sm_{}{}".format(*torch.cuda.get_device_capability(0))
    cubin = find_nvrtc().compile(SOURCE, architecture)
    kernel = load(cubin.code, 0).function("run")
    stream = torch.cuda.Stream(0)
    with torch.cuda.stream(stream):
        numbers = torch.arange(100, dtype=torch.float32, device="cuda:0")
        kernel.launch(1, 128, 4 * 16_100, stream.cuda_stream, Arguments(100, 2.0, numbers.data_ptr()))
        result = numbers.cpu()
    assert result.tolist() == [2.0 * (99 - i) for i in range(100)]
