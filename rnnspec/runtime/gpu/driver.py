"""The CUDA driver: it loads machine code to a GPU and launches kernels there.

The driver is a shared library with a stable C interface, so it is called by ctypes. Everything happens in the
primary context of a device, which is the one that torch uses: a kernel reads the tensors of torch and runs in
its streams. cuModuleLoadData and cuLaunchKernel act on the context that is current in their thread, so each
call makes the primary one current for as long as it takes.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache

from rnnspec.errors import RequestError
from rnnspec.runtime.gpu.nvrtc import find_nvrtc, package

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

_OUT_OF_MEMORY = 2
#: INVALID_IMAGE, NO_BINARY_FOR_GPU, UNSUPPORTED_PTX_VERSION: among else, the code is too new for the driver.
_NOT_UNDERSTOOD = (200, 209, 222)
_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8

_pointer = ctypes.c_void_p
_pointers = ctypes.POINTER(_pointer)
_integers = ctypes.POINTER(ctypes.c_int)
_strings = ctypes.POINTER(ctypes.c_char_p)
_unsigned = ctypes.c_uint

#: The parameters of the functions that are called.  The names without _v2 are of older functions.
_FUNCTIONS: dict[str, tuple[type, ...]] = {
    "cuInit": (_unsigned,),
    "cuDriverGetVersion": (_integers,),
    "cuGetErrorName": (ctypes.c_int, _strings),
    "cuGetErrorString": (ctypes.c_int, _strings),
    "cuDeviceGet": (_integers, ctypes.c_int),
    "cuDevicePrimaryCtxRetain": (_pointers, ctypes.c_int),
    "cuCtxPushCurrent_v2": (_pointer,),
    "cuCtxPopCurrent_v2": (_pointers,),
    "cuModuleLoadData": (_pointers, ctypes.c_char_p),
    "cuModuleGetFunction": (_pointers, _pointer, ctypes.c_char_p),
    "cuFuncGetAttribute": (_integers, ctypes.c_int, _pointer),
    "cuFuncSetAttribute": (_pointer, ctypes.c_int, ctypes.c_int),
    "cuLaunchKernel": (_pointer, *[_unsigned] * 7, _pointer, _pointers, _pointers),
}


class Function:
    """A kernel on a device."""

    def __init__(self, handle: ctypes.c_void_p, device: int) -> None:
        self._handle = handle
        self._device = device
        # Without a request, 48 kB less the static shared memory.
        allowed = ctypes.c_int()
        _call("cuFuncGetAttribute", ctypes.byref(allowed), _MAX_DYNAMIC_SHARED_SIZE_BYTES, handle)
        self._allowed = allowed.value
        self._lock = threading.Lock()

    def launch(self, grid: int, block: int, shared: int, stream: int, arguments: ctypes.Structure) -> None:
        """Launch the kernel; return before it ends.

        grid: blocks.  block: threads per block.  shared: bytes of dynamic shared memory per block.
        stream: of the same device, as torch.cuda.Stream.cuda_stream.
        arguments: the only parameter of the kernel, by value.  It is copied; the memory that its pointers
        lead to must exist until the kernel ends.
        Raises MemoryError, and RuntimeError for all else, also for the failure of an earlier kernel.
        """
        parameters = (_pointer * 1)(ctypes.addressof(arguments))
        with _current(self._device):
            # Threads that ask for different sizes must not take back what another has just asked for.
            with self._lock:
                if shared > self._allowed:
                    _call("cuFuncSetAttribute", self._handle, _MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
                    self._allowed = shared
            _call("cuLaunchKernel", self._handle, grid, 1, 1, block, 1, 1, shared, stream, parameters, None)


class Module:
    """Machine code on a device.  It stays there until the process ends."""

    def __init__(self, handle: ctypes.c_void_p, device: int) -> None:
        self._handle = handle
        self._device = device

    def function(self, name: str) -> Function:
        """Return a kernel by its name, mangled unless extern "C"; raises RuntimeError."""
        function = _pointer()
        with _current(self._device):
            _call("cuModuleGetFunction", ctypes.byref(function), self._handle, name.encode())
            return Function(function, self._device)


def load(cubin: bytes, device: int) -> Module:
    """Load the machine code of a cubin to a device.

    device: its index, as in torch.device("cuda", device).  Raises RequestError if there is no driver or it is
    too old for this code, MemoryError, and RuntimeError for all else.
    """
    module = _pointer()
    with _current(device):
        try:
            _call("cuModuleLoadData", ctypes.byref(module), cubin)
        except _Failed as error:
            too_old = _too_old(error) if error.status in _NOT_UNDERSTOOD else None
            raise too_old or error from None
    return Module(module, device)


class _Failed(RuntimeError):  # noqa: N818
    """A function of the driver failed.  status: a CUresult.  reason: its name and text."""

    def __init__(self, function: str, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(f"{function} failed: {reason}")


def _too_old(error: _Failed) -> RequestError | None:
    """Return what to tell about code that the driver does not understand, or None if it is not too old."""
    number = ctypes.c_int()
    _call("cuDriverGetVersion", ctypes.byref(number))
    driver = (number.value // 1000, number.value % 1000 // 10)
    nvrtc = find_nvrtc()
    if driver >= nvrtc.version:
        return None
    version = "{}.{}".format(*driver)
    remedy = "Update the NVIDIA driver"
    # Older ones run no torch that rnnspec supports.
    if driver[0] >= 12:
        remedy += f', or install NVRTC of its version: pip install "{package(driver)}=={version}.*"'
    return RequestError(
        f"The NVIDIA driver cannot load kernels compiled by {nvrtc}: {error.reason}. "
        f"It supports CUDA {version}.",
        f"{remedy}.",
    )


@lru_cache(maxsize=1)
def _driver() -> ctypes.CDLL:
    """Return the driver, initialised; raises RequestError."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
        for name, parameters in _FUNCTIONS.items():
            getattr(driver, name).argtypes = parameters
    except (OSError, AttributeError) as error:
        raise RequestError(
            f"There is no NVIDIA driver that works: {error}.",
            "Install the driver for your GPU (nvidia-smi then shows its version), or use the device cpu.",
        ) from None
    status = driver.cuInit(0)
    if status:
        raise RequestError(
            f"The NVIDIA driver does not work: {_reason(driver, status)}.",
            "See what nvidia-smi says, or use the device cpu.",
        )
    return driver


@lru_cache(maxsize=64)
def _context(device: int) -> ctypes.c_void_p:
    """Return the primary context of a device, which is kept until the process ends."""
    number, context = ctypes.c_int(), _pointer()
    _call("cuDeviceGet", ctypes.byref(number), device)
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), number)
    return context


@contextlib.contextmanager
def _current(device: int) -> Iterator[None]:
    """Make the primary context of a device current in this thread, and then again the one before."""
    _call("cuCtxPushCurrent_v2", _context(device))
    try:
        yield
    finally:
        # If this fails, so did what came before it.
        _driver().cuCtxPopCurrent_v2(ctypes.byref(_pointer()))


def _call(function: str, *arguments: object) -> None:
    """Call a function of the driver; raises MemoryError and _Failed."""
    driver = _driver()
    status = getattr(driver, function)(*arguments)
    if status == _OUT_OF_MEMORY:
        raise MemoryError(f"{function}: the GPU has not enough memory")
    if status:
        raise _Failed(function, status, _reason(driver, status))


def _reason(driver: ctypes.CDLL, status: int) -> str:
    """Return the name and the text of a CUresult."""
    name, text = ctypes.c_char_p(), ctypes.c_char_p()
    driver.cuGetErrorName(status, ctypes.byref(name))
    driver.cuGetErrorString(status, ctypes.byref(text))
    if name.value is None or text.value is None:
        return f"error {status}"
    return f"{name.value.decode()} ({text.value.decode()})"
