"""What reaches the CUDA driver, against a library that records the calls; and what its errors lead to."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from runtime.compilers import REAL, needs_compiler

from rnnspec.errors import RequestError
from rnnspec.runtime.gpu import driver
from rnnspec.runtime.gpu.driver import Function, load
from rnnspec.runtime.gpu.nvrtc import Nvrtc

SOURCE = Path(__file__).with_name("fake_driver.cpp")
CUBIN = b"\x7fELF\0end"

#: The primary context of device 1, and what the library calls all modules and functions.
CONTEXT, MODULE, FUNCTION = "0x50000000b", "0x600000000", "0x700000000"

pytestmark = needs_compiler


class Arguments(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int64), ("scale", ctypes.c_double), ("data", ctypes.c_void_p))


class Fake:
    """The library that stands for the driver."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        self.library.fake_record.restype = ctypes.c_char_p
        self.reset()

    def reset(self, version: int = 13050, static_shared: int = 0) -> None:
        """Forget all calls.  version: of CUDA, as cuDriverGetVersion says it.  static_shared: bytes."""
        self.library.fake_reset(version, static_shared)

    def fail(self, function: str, status: int) -> None:
        self.library.fake_fail(function.encode(), status)

    def calls(self) -> list[str]:
        """Return the calls so far, without those that make a context current."""
        lines: list[str] = self.library.fake_record().decode().splitlines()
        return [line for line in lines if not line.startswith("cuCtx")]

    def all_calls(self) -> list[str]:
        lines: list[str] = self.library.fake_record().decode().splitlines()
        return lines

    def contexts(self) -> int:
        """Return how many contexts are on the stack of this thread."""
        return int(self.library.fake_contexts())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SOURCE, tmp_path_factory.mktemp("driver") / "libcuda.so")


def compiled(source: Path, library: Path) -> Path:
    assert REAL is not None
    subprocess.run([REAL, "-std=c++17", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return library


@pytest.fixture
def fake(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr(driver, "_LIBRARY", str(library))
    forget()
    yield Fake(library)
    forget()


def forget() -> None:
    driver._driver.cache_clear()
    driver._context.cache_clear()


def kernel(fake: Fake, static_shared: int = 0) -> Function:
    """Return a kernel on device 1, and forget the calls that led to it."""
    fake.reset(static_shared=static_shared)
    function = load(CUBIN, 1).function("run")
    fake.reset()
    return function


def test_a_module_is_loaded_in_the_primary_context_of_its_device(fake: Fake) -> None:
    load(CUBIN, 1)
    assert fake.all_calls() == [
        "cuInit 0",
        "cuDeviceGet 1",
        "cuDevicePrimaryCtxRetain 11",
        f"cuCtxPushCurrent {CONTEXT}",
        "cuModuleLoadData 0",
        f"cuCtxPopCurrent {CONTEXT}",
    ]
    fake.reset()
    load(CUBIN, 1)
    assert fake.calls() == ["cuModuleLoadData 0"]


def test_a_function_is_found_by_its_name(fake: Fake) -> None:
    module = load(CUBIN, 1)
    fake.reset()
    module.function("run")
    assert fake.calls() == [f"cuModuleGetFunction {MODULE} run", f"cuFuncGetAttribute 8 {FUNCTION}"]


def test_the_arguments_of_a_kernel_are_passed_by_value(fake: Fake) -> None:
    kernel(fake).launch(132, 256, 1024, 0x800000000, Arguments(1 << 40, 0.5, 0x900000000))
    assert fake.all_calls() == [
        f"cuCtxPushCurrent {CONTEXT}",
        f"cuLaunchKernel {FUNCTION} (132 1 1) (256 1 1) 1024 0x800000000 {{{1 << 40} 0.5 0x900000000}} 0",
        f"cuCtxPopCurrent {CONTEXT}",
    ]


def test_much_shared_memory_is_asked_for_once(fake: Fake) -> None:
    """48 kB are there without a request; a smaller launch takes nothing back."""
    function = kernel(fake)
    asked = []
    for shared in (49_152, 49_153, 40_000, 200_000, 100_000):
        fake.reset()
        function.launch(1, 32, shared, 0, Arguments())
        asked += [call for call in fake.calls() if call.startswith("cuFuncSetAttribute")]
    assert asked == [f"cuFuncSetAttribute {FUNCTION} 8 {size}" for size in (49_153, 200_000)]


def test_static_shared_memory_counts(fake: Fake) -> None:
    function = kernel(fake, static_shared=9_152)
    function.launch(1, 32, 40_000, 0, Arguments())
    assert len(fake.calls()) == 1
    function.launch(1, 32, 40_001, 0, Arguments())
    assert fake.calls()[1] == f"cuFuncSetAttribute {FUNCTION} 8 40001"


def test_a_refused_size_is_asked_for_again(fake: Fake) -> None:
    function = kernel(fake)
    for _ in range(2):
        fake.reset()
        fake.fail("cuFuncSetAttribute", 500)
        with pytest.raises(RuntimeError):
            function.launch(1, 32, 300_000, 0, Arguments())
        assert fake.calls() == [f"cuFuncSetAttribute {FUNCTION} 8 300000"]


def test_errors_have_a_name_and_a_text(fake: Fake) -> None:
    function = kernel(fake)
    fake.fail("cuLaunchKernel", 700)
    with pytest.raises(RuntimeError) as error:
        function.launch(1, 32, 0, 0, Arguments())
    assert str(error.value) == "cuLaunchKernel failed: CUDA_ERROR_ILLEGAL_ADDRESS (the text)"
    fake.fail("cuModuleGetFunction", 500)
    with pytest.raises(RuntimeError, match=r"^cuModuleGetFunction failed: CUDA_ERROR_NOT_FOUND"):
        load(CUBIN, 1).function("nothing")
    fake.fail("cuLaunchKernel", 12345)
    with pytest.raises(RuntimeError, match=r"^cuLaunchKernel failed: error 12345$"):
        function.launch(1, 32, 0, 0, Arguments())
    assert fake.contexts() == 0


@pytest.mark.parametrize("function", ["cuModuleLoadData", "cuDevicePrimaryCtxRetain"])
def test_a_full_gpu(fake: Fake, function: str) -> None:
    fake.fail(function, 2)
    with pytest.raises(MemoryError, match="not enough memory"):
        load(CUBIN, 1)
    assert fake.contexts() == 0


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (200, "CUDA_ERROR_INVALID_IMAGE"),
        (209, "CUDA_ERROR_NO_BINARY_FOR_GPU"),
        (222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"),
    ],
)
@pytest.mark.parametrize(
    ("version", "remedy"),
    [
        (13000, 'Update the NVIDIA driver, or install NVRTC of its version: pip install "{}==13.0.*".'),
        (12040, 'Update the NVIDIA driver, or install NVRTC of its version: pip install "{}-cu12==12.4.*".'),
        (11080, "Update the NVIDIA driver."),
    ],
)
def test_a_driver_that_is_too_old(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, status: int, name: str, version: int, remedy: str
) -> None:
    monkeypatch.setattr(driver, "find_nvrtc", lambda: Nvrtc("", (13, 5), ctypes.CDLL(None)))
    fake.reset(version)
    fake.fail("cuModuleLoadData", status)
    with pytest.raises(RequestError) as error:
        load(CUBIN, 1)
    assert error.value.reason == (
        f"The NVIDIA driver cannot load kernels compiled by NVRTC 13.5: {name} (the text). "
        f"It supports CUDA {version // 1000}.{version % 1000 // 10}."
    )
    assert error.value.remedy == remedy.format("nvidia-cuda-nvrtc")


def test_a_new_driver_is_not_called_old(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "find_nvrtc", lambda: Nvrtc("", (12, 9), ctypes.CDLL(None)))
    fake.reset(13000)
    fake.fail("cuModuleLoadData", 209)
    with pytest.raises(RuntimeError, match=r"^cuModuleLoadData failed: CUDA_ERROR_NO_BINARY_FOR_GPU"):
        load(CUBIN, 1)


def test_no_gpu(fake: Fake) -> None:
    fake.fail("cuInit", 100)
    with pytest.raises(RequestError) as error:
        load(CUBIN, 0)
    assert error.value.reason == "The NVIDIA driver does not work: CUDA_ERROR_NO_DEVICE (the text)."


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_LIBRARY", "/nowhere/libcuda.so.1")
    forget()
    with pytest.raises(RequestError, match=r"^There is no NVIDIA driver that works: .*/nowhere"):
        load(CUBIN, 0)


def test_a_driver_without_these_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "old.cpp"
    source.write_text('extern "C" int cuInit(unsigned) { return 0; }', encoding="utf-8")
    monkeypatch.setattr(driver, "_LIBRARY", str(compiled(source, tmp_path / "libcuda.so")))
    forget()
    with pytest.raises(RequestError, match=r"^There is no NVIDIA driver that works: .*cuDriverGetVersion"):
        load(CUBIN, 0)
