"""The compiler of the system: which one there is, and a shared library from a C++ source."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import sha256

#: Not -ffast-math: it may change the order of sums, and assumes that there is no NaN.
FLAGS = (
    *("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC", "-pthread", "-fvisibility=hidden"),
)
NATIVE = "-march=native"

#: Seconds that a compiler may take for a library, and to print its version.
PATIENCE = 300.0
ANSWER = 20.0

_NAMES = ("c++", "g++", "clang++")
_LAST_LINES = 12
_LONGEST = 300

#: The lines of /proc/cpuinfo that say which instructions a processor has.
_PROCESSOR = (
    *("vendor_id", "cpu family", "model", "model name", "stepping", "flags"),
    *("cpu implementer", "cpu architecture", "cpu variant", "cpu part", "features", "isa", "uarch", "cpu"),
)


_USERS_FLAGS = "RNNSPEC_CXXFLAGS"


@dataclass(frozen=True)
class Compiler:
    """A compiler that works.

    command: absolute, with the arguments that it always gets.  identity: its version, target and arguments,
    and the processor that it compiles for.  The same identity compiles the same source to the same code.
    """

    command: tuple[str, ...]
    identity: str


class NoCompiler(RequestError):  # noqa: N818
    """There is no C++ compiler.  tried: each name, and why it is not used."""

    def __init__(self, tried: Sequence[str]) -> None:
        self.tried = tuple(tried)
        super().__init__(
            f"No C++ compiler was found: {'; '.join(tried)}.",
            "Install one (apt install g++; xcode-select --install on macOS; conda install cxx-compiler; "
            "brew install gcc, which needs CXX), or set CXX to the command of yours.",
        )


class CompilationFailed(RequestError):  # noqa: N818
    """A compiler wrote no library.  output: all that it printed.  source: the file, for a report."""

    def __init__(self, what: str, output: str, source: Path) -> None:
        self.output = output
        self.source = source
        lines = [_printable(line) for line in output.strip().splitlines()[-_LAST_LINES:]]
        printed = "".join(f"\n  {line}" for line in lines) or " It printed nothing."
        super().__init__(
            f"{what}{printed}", f"If the compiler works otherwise, please report this with {source}."
        )


def find_compiler() -> Compiler:
    """Return the first of $CXX, c++, g++ and clang++ that works; else NoCompiler."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", os.defpath))


@lru_cache(maxsize=8)
def _find(cxx: str, path: str) -> Compiler:
    if os.name != "posix":
        raise NoCompiler(["this system is neither Linux nor macOS"])
    tried = []
    for name in dict.fromkeys((*filter(None, (cxx,)), *_NAMES)):
        what = f"CXX={name}" if name == cxx else name
        try:
            words = shlex.split(name)
        except ValueError:
            words = []
        found = shutil.which(words[0], path=path) if words else None
        if found is None:
            tried.append(f"{what} is not installed")
            continue
        command = (os.path.abspath(found), *words[1:])
        version = _version(command)
        if version is None:
            tried.append(f"{what} does not print its version")
            continue
        return Compiler(command, "; ".join((version, *words[1:], processor())))
    raise NoCompiler(tried)


def users_flags() -> tuple[str, ...]:
    """Return the flags that a user adds to those of the compiler; raises RequestError."""
    try:
        return tuple(shlex.split(os.environ.get(_USERS_FLAGS, "")))
    except ValueError as error:
        raise RequestError(
            f"{_USERS_FLAGS} cannot be read as flags: {str(error).lower()}.",
            f"Correct or unset {_USERS_FLAGS}.",
        ) from None


def compile_library(compiler: Compiler, source: str, target: Path, flags: Sequence[str] = ()) -> None:
    """Compile a source to a shared library; the source stays beside it, with the suffix .cpp.

    flags: after those that all libraries get, so that they take precedence.  Raises CompilationFailed.
    """
    written = target.with_suffix(".cpp")
    written.write_text(source, encoding="utf-8")
    name = Path(compiler.command[0]).name
    what = output = ""
    for native in ((NATIVE,), ()):
        target.unlink(missing_ok=True)
        # Names without folders: a folder's name cannot become a part of the library.
        files = (written.name, "-o", target.name)
        status, output = _run((*compiler.command, *FLAGS, *native, *files, *flags), PATIENCE, target.parent)
        if status is None:
            what = f"{name} did not compile a kernel within {PATIENCE:g} s."
            break
        if status == 0 and target.is_file():
            return
        what = f"{name} could not compile a kernel (exit status {status})."
        if status == 0:
            what = f"{name} reports success, but wrote no shared library."
        # Some compilers have no -march=native, or use instructions that their assembler does not know.
        if not any(word in output for word in ("native", "instruction")):
            break
    raise CompilationFailed(what, output, written)


def _printable(line: str) -> str:
    """Return a line without control characters, cut to a reasonable length."""
    return "".join(c if c.isprintable() else "?" for c in line.expandtabs())[:_LONGEST]


def _version(command: tuple[str, ...]) -> str | None:
    """Return the version and the target of a compiler, or None if it does not work."""
    status, version = _run((*command, "--version"), ANSWER)
    if status != 0 or not version.strip():
        return None
    status, target = _run((*command, "-dumpmachine"), ANSWER)
    return f"{version.strip().splitlines()[0]}; {target.strip() if status == 0 else 'unknown target'}"


@lru_cache(maxsize=1)
def processor() -> str:
    """Return a hash of what `-march=native` means here, and of the C library."""
    system = os.uname()
    facts = {system.sysname, system.machine}
    try:
        if sys.platform == "darwin":
            _, text = _run(("/usr/sbin/sysctl", "machdep.cpu", "hw.optional"), ANSWER)
            # Each kind of processor has only some of these.
            facts.update(text.splitlines())
        else:
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
            lines = set(text.splitlines())
            facts.update(line for line in lines if line.partition(":")[0].strip().lower() in _PROCESSOR)
            facts.add(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (OSError, ValueError):
        # In place of its processor, the machine.
        facts.add(system.nodename)
    return f"processor {sha256(chr(10).join(sorted(facts)).encode())[:16]}"


def _run(command: Sequence[str], seconds: float, folder: Path | None = None) -> tuple[int | None, str]:
    """Run a command; return its exit status, None if it took too long, and all that it printed."""
    # In English, since the last lines may become part of a report.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        # In a session of its own, so that its child processes can be stopped with it.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return 127, str(error)
    with process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            _stop(process)
            return None, (late.output or b"").decode(errors="replace")
        except BaseException:
            _stop(process)
            raise
    return process.returncode, output.decode(errors="replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
