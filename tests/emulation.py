"""A pytest plugin for `tests/emulate`: each call of a kernel is made by a program for another processor.

The program consists of the kernel and `emulation.cpp`.  It reads the arguments, with all the memory to which
they point, from a file, and writes their new values to the same file.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnspec.runtime.compiled.cache import SOURCE
from rnnspec.runtime.compiled.toolchain import FLAGS
from rnnspec.runtime.cpu.kernel import Arguments, CpuKernel

CROSS, EMULATOR = shlex.split(os.environ["CROSS"]), shlex.split(os.environ["EMULATOR"])
AROUND = Path(__file__).with_suffix(".cpp")

_folder = tempfile.TemporaryDirectory(prefix="rnnspec-emulated-")
_sizes: dict[int, int] = {}
_calls = 0
_patch = pytest.MonkeyPatch()
_address = torch.Tensor.data_ptr


def _remembered(tensor: torch.Tensor) -> int:
    """Return the address of the data of a tensor, and store its size in bytes."""
    address = _address(tensor)
    _sizes[address] = tensor.numel() * tensor.element_size()
    return address


def _program(kernel: CpuKernel) -> Path:
    """Return the program of a kernel, compiled at first use."""
    program = Path(_folder.name) / kernel.name
    if not program.exists():
        source = kernel.library.path.parent / SOURCE
        flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC", "-fvisibility=hidden")]
        options = [*flags, "-O1", f'-DKERNEL="{source}"']
        subprocess.run([*CROSS, *options, str(AROUND), "-o", str(program)], check=True)
    return program


def _simulate(kernel: CpuKernel, arguments: ctypes.Structure) -> None:
    global _calls
    _calls += 1
    arguments.threads = 1
    values = [getattr(arguments, field[0]) for field in Arguments._fields_]
    sizes = [
        _sizes[value] if field[1] is ctypes.c_void_p and value else -1
        for value, field in zip(values, Arguments._fields_, strict=True)
    ]
    arrays = [(value, size) for value, size in zip(values, sizes, strict=True) if size >= 0]
    file = Path(_folder.name) / "call"
    head = np.array([len(sizes), *sizes], dtype=np.int64).tobytes() + bytes(arguments)
    file.write_bytes(head + b"".join(ctypes.string_at(*each) for each in arrays))
    subprocess.run([*EMULATOR, str(_program(kernel)), str(file)], check=True)
    answer, place = file.read_bytes(), 0
    for value, size in arrays:
        ctypes.memmove(value, answer[place : place + size], size)
        place += size
    assert place == len(answer)


def pytest_configure() -> None:
    _patch.setattr(torch.Tensor, "data_ptr", _remembered)
    _patch.setattr(CpuKernel, "call", _simulate)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"{_calls} batches were simulated by {shlex.join(EMULATOR)}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    _folder.cleanup()
    if not _calls:
        # A test session without any emulated call must fail.
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
