"""The CUDA compiler NVRTC: where its library is, and machine code from a CUDA source.

NVRTC is a shared library. Its C interface is the same from CUDA 11.2 to 13, so it is called by ctypes. It
needs neither a GPU nor a driver.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from rnnspec.errors import RequestError

#: --fmad=false: a product is fused with a sum only where the source says fma, so that the functions of the
#: language round as on other targets.  The other choices about rounding are those that NVRTC makes by itself:
#: subnormal numbers are kept; division and square root are correctly rounded.
#: --device-as-default-execution-space: functions need no __device__.
#: -v: the log says what the kernels take of a GPU.
FLAGS = ("--std=c++17", "--device-as-default-execution-space", "--fmad=false", "--ptxas-options=-v")

#: Where packages have the library, inside a folder of sys.path: those of NVIDIA, and torch on Windows.
_INSTALLED = ("nvidia/*/lib", "nvidia/*/bin", "nvidia/*/bin/*", "torch/lib")
#: Where a CUDA toolkit has it.
_TOOLKIT = ("lib64", "bin", "bin/x64")
#: What the loader of the system knows it by.
_LOADED = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2")
#: Not the builds named .alt, nor the builtins, which are a part of the library.
_FILE = re.compile(r"(?:libnvrtc\.so\.|nvrtc64_)(\d\d)[\d._]*(?:\.dll)?")

_BUILTINS_FAILED = 7

_pointer = ctypes.c_void_p
_sizes = ctypes.POINTER(ctypes.c_size_t)
_integers = ctypes.POINTER(ctypes.c_int)
_strings = ctypes.POINTER(ctypes.c_char_p)

#: The parameters of the functions that are called; nvrtcGetSupportedArchs came last, with CUDA 11.2.
_FUNCTIONS: dict[str, tuple[type, ...]] = {
    "nvrtcVersion": (_integers, _integers),
    "nvrtcGetNumSupportedArchs": (_integers,),
    "nvrtcGetSupportedArchs": (_integers,),
    "nvrtcCreateProgram": (
        *(ctypes.POINTER(_pointer), ctypes.c_char_p, ctypes.c_char_p),
        *(ctypes.c_int, _strings, _strings),
    ),
    "nvrtcCompileProgram": (_pointer, ctypes.c_int, _strings),
    "nvrtcGetProgramLogSize": (_pointer, _sizes),
    "nvrtcGetProgramLog": (_pointer, ctypes.c_char_p),
    "nvrtcGetCUBINSize": (_pointer, _sizes),
    "nvrtcGetCUBIN": (_pointer, ctypes.c_char_p),
    "nvrtcDestroyProgram": (ctypes.POINTER(_pointer),),
}


@dataclass(frozen=True)
class Resources:
    """What a kernel takes of a GPU.

    registers: per thread.  stack: bytes per thread, with that of the functions it calls.
    spill_stores, spill_loads: bytes per thread that its instructions move because registers do not suffice;
    functions that are called and not inlined are not counted.  shared: static shared memory, bytes per block.
    """

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int


@dataclass(frozen=True)
class Cubin:
    """Machine code of one architecture.  resources: by the name of the kernel, mangled unless extern "C"."""

    code: bytes = field(repr=False)
    resources: Mapping[str, Resources]


@dataclass(frozen=True)
class Nvrtc:
    """A loaded NVRTC.  path: of its library.  version: of CUDA, as (major, minor)."""

    path: str
    version: tuple[int, int]
    _library: ctypes.CDLL = field(repr=False)

    def __str__(self) -> str:
        return "NVRTC {}.{}".format(*self.version)

    def architectures(self) -> tuple[str, ...]:
        """Return the architectures that this version compiles for, as "sm_90", the oldest first."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return tuple(f"sm_{number}" for number in numbers)

    def compile(
        self, source: str, architecture: str, options: Sequence[str] = (), name: str = "kernel.cu"
    ) -> Cubin:
        """Compile a CUDA C++ source for one architecture.

        architecture: "sm_90", or "sm_90a" with what only this architecture has.  options: after FLAGS.
        name: of the source, in messages.  Raises RequestError if this version does not know the architecture
        or is not installed completely, and RuntimeError with the log if the source does not compile.
        """
        supported = self.architectures()
        if architecture.rstrip("af") not in supported:
            raise self._unsupported(architecture, supported)
        program = _pointer()
        self._call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        try:
            flags = [f"--gpu-architecture={architecture}", *FLAGS, *options]
            array = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
            status = self._library.nvrtcCompileProgram(program, len(flags), array)
            log = self._output("nvrtcGetProgramLog", program).rstrip(b"\0").decode(errors="replace").strip()
            if status == _BUILTINS_FAILED:
                raise RequestError(
                    f"{self} is not installed completely ({self.path}): {' '.join(log.split())}",
                    f"Install it again: pip install --force-reinstall {package(self.version)}.",
                )
            if status:
                raise RuntimeError(
                    f"{self} could not compile {name} for {architecture} ({self._error(status)}):\n{log}"
                )
            return Cubin(self._output("nvrtcGetCUBIN", program), read_resources(log))
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _unsupported(self, architecture: str, supported: Sequence[str]) -> RequestError:
        number = re.fullmatch(r"sm_(\d+)[af]?", architecture)
        if number is None or int(number[1]) > int(supported[0].removeprefix("sm_")):
            remedy = f"Install a newer version of it: pip install --upgrade {package(self.version)}."
        else:
            remedy = "Install torch for an older CUDA, which brings an older NVRTC, or use a newer GPU."
        return RequestError(
            f"{self} does not compile for {architecture}; it supports {', '.join(supported)}.", remedy
        )

    def _output(self, function: str, program: ctypes.c_void_p) -> bytes:
        """Return what a pair of functions gives: its size in bytes, and the bytes."""
        size = ctypes.c_size_t()
        self._call(f"{function}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(function, program, buffer)
        return buffer.raw

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise RuntimeError(f"{function} of {self} failed: {self._error(status)}")

    def _error(self, status: int) -> str:
        text: bytes = self._library.nvrtcGetErrorString(status)
        return text.decode()


def package(version: tuple[int, int]) -> str:
    """Return the name of the Python package that has NVRTC of a CUDA version (major, minor)."""
    return "nvidia-cuda-nvrtc" if version[0] >= 13 else f"nvidia-cuda-nvrtc-cu{version[0]}"


def find_nvrtc() -> Nvrtc:
    """Return NVRTC, from Python packages, a CUDA toolkit (CUDA_HOME, CUDA_PATH), or the system.

    The first choice is the major version of CUDA that torch was built for: a driver that runs this torch
    loads what it compiles.  The second choice is the newest.  Raises RequestError if there is none.
    """
    homes = (os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH"))
    return _find(tuple(sys.path), tuple(filter(None, homes)))


@lru_cache(maxsize=8)
def _find(entries: tuple[str, ...], homes: tuple[str, ...]) -> Nvrtc:
    wanted = _cuda_of_torch(entries)
    files = [*_files(entries, _INSTALLED), *_files(homes, _TOOLKIT)]
    files.sort(key=lambda path: _major(path) != wanted)
    failed = []
    for path in map(str, files):
        try:
            return _open(path)
        except OSError as error:
            failed.append(str(error))
    for name in sorted(_LOADED, key=lambda name: _major(Path(name)) != wanted):
        with contextlib.suppress(OSError):
            return _open(name)
    # Last, since it starts other programs.
    name = find_library("nvrtc") or ""
    if name:
        try:
            return _open(name)
        except OSError as error:
            failed.append(str(error))
    why = f"cannot be loaded: {'; '.join(failed)}" if failed else "was not found"
    raise RequestError(
        f"The CUDA compiler NVRTC {why}.",
        "Install it: pip install nvidia-cuda-nvrtc (for a CUDA 12 driver, nvidia-cuda-nvrtc-cu12).",
    )


def _files(folders: Iterable[str], patterns: Sequence[str]) -> list[Path]:
    """Return the libraries inside these folders, the newest first."""
    found = [
        path
        for folder in folders
        for pattern in patterns
        for inside in sorted(Path(os.path.abspath(folder)).glob(pattern))
        for path in sorted(inside.glob("*nvrtc*"))
        if _major(path) is not None
    ]
    return sorted(found, key=lambda path: -(_major(path) or 0))


def _major(path: Path) -> int | None:
    """Return the major version of CUDA that the name of a library says, or None if it is not NVRTC."""
    match = _FILE.fullmatch(path.name)
    return int(match[1]) if match else None


def _cuda_of_torch(entries: Iterable[str]) -> int | None:
    """Return the major version of CUDA that torch was built for, without the import of torch, or None."""
    for entry in entries:
        try:
            text = Path(entry, "torch/version.py").read_text(encoding="utf-8")
        except OSError:
            continue
        match = re.search(r"^cuda\b.*=\s*['\"](\d+)", text, re.MULTILINE)
        return int(match[1]) if match else None
    return None


def _open(path: str) -> Nvrtc:
    """Load a library and its builtins; raises OSError."""
    library = ctypes.CDLL(path)
    try:
        for name, parameters in _FUNCTIONS.items():
            getattr(library, name).argtypes = parameters
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
    except AttributeError:
        raise OSError(f"{path}: it is older than CUDA 11.2") from None
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    # NVRTC loads them by their name alone: that finds them if they are loaded, else not on every system.
    for builtins in (
        f"libnvrtc-builtins.so.{major.value}.{minor.value}",
        f"nvrtc-builtins64_{major.value}{minor.value}.dll",
    ):
        beside = Path(path).with_name(builtins)
        # A library that the system has found by its name has no folder here.
        if beside.is_absolute() and beside.is_file():
            ctypes.CDLL(str(beside))
    return Nvrtc(path, (major.value, minor.value), library)


def read_resources(log: str) -> dict[str, Resources]:
    """Return the resources of all kernels that a log of NVRTC reports; raises RuntimeError.

    ptxas info    : Compiling entry function 'name' for 'sm_90'
    ptxas info    : Function properties for name
    ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
    ptxas info    : Used 10 registers, used 1 barriers, 400 bytes smem
    """
    resources = {}
    for section in log.split("Compiling entry function '")[1:]:
        name = section.partition("'")[0]
        properties = re.search(
            rf"properties for {re.escape(name)}\s+[^\n]*?(\d+) bytes stack frame, "
            r"(\d+) bytes spill stores, (\d+) bytes spill loads",
            section,
        )
        used = re.search(r"Used (\d+) registers[^\n]*", section)
        if properties is None or used is None:
            raise RuntimeError(f"the log of NVRTC does not say what {name} needs:\n{log}")
        frame, stores, loads = (int(number) for number in properties.groups())
        resources[name] = Resources(
            registers=int(used[1]),
            stack=max(frame, _bytes(used[0], "cumulative stack size")),
            spill_stores=stores,
            spill_loads=loads,
            shared=_bytes(used[0], "smem"),
        )
    return resources


def _bytes(line: str, what: str) -> int:
    match = re.search(rf"(\d+) bytes {what}", line)
    return int(match[1]) if match else 0
