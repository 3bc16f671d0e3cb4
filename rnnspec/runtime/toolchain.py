"""The system's C++ compiler: which one, what it is, and how it is called."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rnnspec.runtime.errors import RequestError

#: No -ffast-math: a sum has one order, and nan and infinity are what they are.
FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-fPIC",
    "-shared",
    "-pthread",
)
#: Flags of the user's own, after all others; for debugging.
MORE_FLAGS = "RNNSPEC_CXXFLAGS"
#: Seconds after which a compiler is taken to hang.
PATIENCE = 300
_NAMES = ("c++", "g++", "clang++")
_INSTALL = (
    "Install one: 'apt install g++', 'dnf install gcc-c++', 'xcode-select --install' or 'conda install cxx-compiler';"
    " or name one in the environment variable CXX."
)


class CompilerError(RequestError):
    """There is no compiler, or it does not do its work.  output: the end of what it said."""

    def __init__(self, reason: str, remedy: str, output: str = "") -> None:
        self.output = output
        super().__init__(reason, remedy)


@dataclass(frozen=True)
class Compiler:
    """command: how it is called.  identity: a hash of its version and of the processor that it compiles for."""

    command: tuple[str, ...]
    identity: str


def find_compiler() -> Compiler:
    """Return the compiler of this system: $CXX, c++, g++ or clang++; raises CompilerError if there is none."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


def flags() -> tuple[str, ...]:
    """Return the flags of every compilation, with those of the user; raises CompilerError."""
    more = os.environ.get(MORE_FLAGS, "")
    try:
        return (*FLAGS, *shlex.split(more))
    except ValueError as error:
        raise CompilerError(
            f"{MORE_FLAGS} cannot be read as flags: {more}", "Close its quotes, or unset it."
        ) from error


def compile_library(compiler: Compiler, source: Path, library: Path, more: Sequence[str] = ()) -> None:
    """Compile a C++ file to a shared library; raises CompilerError."""
    command = [*compiler.command, *flags(), *more, str(source), "-o", str(library)]
    name = shlex.join(compiler.command)
    try:
        status, printed = _run(command, library.parent)
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"The compiler {name} did not end within {PATIENCE} s.", _ANOTHER) from error
    except OSError as error:
        raise CompilerError(f"The compiler {name} cannot be run: {error.strerror}.", _ANOTHER) from error
    if status or not library.is_file():
        said = printed.decode(errors="replace").strip().splitlines()
        silence = f"signal {-status}" if status < 0 else "it said nothing"
        first = next((line for line in said if "error" in line), said[0] if said else silence)
        output = "\n".join(said[-20:])
        raise CompilerError(f"The compiler {name} failed: {first.strip()[:200]}.", _ANOTHER, output)
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        reason = str(error).removeprefix(f"{library}: ")
        raise CompilerError(
            f"The compiler {name} made no library that can be loaded: {reason}.", _ANOTHER, reason
        ) from error


def _run(command: Sequence[str], folder: Path) -> tuple[int, bytes]:
    """Return the exit status of a command and what it said; one that hangs ends, with all that it started."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(timeout=PATIENCE)
        except BaseException:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, complained + said


_ANOTHER = "Name another compiler in the environment variable CXX, or ask for the target torch."


@lru_cache(maxsize=8)
def _find(chosen: str, path: str) -> Compiler:
    tried = [*([chosen] if chosen.strip() else []), *_NAMES]
    failed = []
    for words in map(_words, tried):
        found = shutil.which(words[0], path=path)
        if found is None:
            continue
        try:
            said = subprocess.run(
                [found, *words[1:], "--version"], capture_output=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            failed.append(words[0])
            continue
        if said.returncode == 0:
            text = said.stdout.decode(errors="replace") + _processor()
            return Compiler((found, *words[1:]), hashlib.sha256(text.encode()).hexdigest())
        failed.append(words[0])
    broken = f" ({', '.join(failed)} is there and does not run)" if failed else ""
    raise CompilerError(f"There is no C++ compiler: none of {', '.join(tried)} works{broken}.", _INSTALL)


def _words(command: str) -> list[str]:
    """Return the words of a command; one that cannot be taken apart is a name that does not exist."""
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


@lru_cache(maxsize=1)
def _processor() -> str:
    """Return what -march=native looks at, as far as this can be told without asking the compiler."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0].splitlines()
        wanted = ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part")
        return "\n".join(line for line in lines if line.split(":")[0].strip() in wanted)
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
