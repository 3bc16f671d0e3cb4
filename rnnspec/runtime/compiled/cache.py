"""Compiled kernels, kept for the next process that needs the same one."""

from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import sha256, to_json
from rnnspec.runtime.compiled.entries import (
    LEFT_BEHIND,
    BrokenEntryError,
    cache_folder,
    discard,
    publish,
    read_entry,
    remove,
)
from rnnspec.runtime.compiled.toolchain import (
    FLAGS,
    NATIVE,
    CompilationFailed,
    Compiler,
    compile_library,
    find_compiler,
)

SOURCE = "kernel.cpp"
LIBRARY = "kernel.so"


@dataclass(frozen=True)
class Library:
    """A shared library that may be loaded.

    fingerprint: SHA-256 of all that it depends on.  cached: nothing was compiled.  seconds: what it took to
    get it.  note: one line for the user, if the cache could not be used or had to be repaired.
    """

    path: Path
    fingerprint: str
    cached: bool
    seconds: float
    note: str | None


_PREFIX = "rnnspec-kernel-"
_ATTEMPTS = 5

#: The temporary folders of this process, and its id.
_folders: dict[Path, int] = {}

#: The libraries that only this process has, by fingerprint.
_own: dict[str, Library] = {}


def library(source: str, *, flags: Sequence[str] = (), facts: Mapping[str, str]) -> Library:
    """Return the library of a C++ source, compiled unless the cache has it.

    flags: those beyond `toolchain.FLAGS`.  facts: what else it depends on, by name.  Whatever is wrong with
    the cache, the library is there, if need be in a folder that goes with this process, and the note says so.
    Raises NoCompiler and CompilationFailed.
    """
    started = time.perf_counter()
    compiler = find_compiler()
    mark = fingerprint(source, flags, facts, compiler)
    if mark in _own and _own[mark].path.is_file():
        return replace(_own[mark], cached=True, seconds=time.perf_counter() - started)
    folder, note = None, None
    try:
        folder = cache_folder("kernels")
        if getattr(os, "ST_NOEXEC", 0) & os.statvfs(folder).f_flag:
            raise OSError(None, "no program may be run from there", str(folder))
        found, note = _look(folder, mark)
        if found:
            return Library(folder / mark / LIBRARY, mark, True, time.perf_counter() - started, note)
    except OSError as error:
        folder, note = None, _unusable(error)
    built = _compile(compiler, source, flags, folder, mark)
    path = built
    if folder is not None:
        try:
            _publish(folder, mark, {SOURCE: source.encode(), LIBRARY: built.read_bytes()})
            path = folder / mark / LIBRARY
        except OSError as error:
            note = _unusable(error, folder)
    made = Library(path, mark, False, time.perf_counter() - started, note)
    if path == built:
        _own[mark] = made
    else:
        _forget(built.parent)
    return made


def fingerprint(source: str, flags: Sequence[str], facts: Mapping[str, str], compiler: Compiler) -> str:
    """Return the SHA-256 of all that a library depends on, and nothing else."""
    parts = {
        "source": sha256(source.encode()),
        "flags": [*FLAGS, NATIVE, *flags],
        "facts": dict(sorted(facts.items())),
        "compiler": compiler.identity,
    }
    return sha256(to_json(parts).encode())


def _look(folder: Path, mark: str) -> tuple[bool, str | None]:
    """Return whether the cache has a library; a broken one is taken away, with a note."""
    try:
        return read_entry(folder, mark, (SOURCE, LIBRARY)) is not None, None
    except BrokenEntryError as broken:
        discard(folder, mark, (SOURCE, LIBRARY))
        return False, f"The cached kernel {folder / mark} was built again: {broken}."


def _compile(compiler: Compiler, source: str, flags: Sequence[str], folder: Path | None, mark: str) -> Path:
    """Return the library, in a temporary folder that goes with this process."""
    try:
        temporary = _temporary()
        compile_library(compiler, source, temporary / LIBRARY, flags)
    except CompilationFailed as failed:
        kept = _keep_source(folder, f"{mark}.failed", source)
        if kept is None:
            del _folders[temporary]
        else:
            _forget(temporary)
        raise CompilationFailed(failed.what, failed.output, kept or failed.source) from None
    except OSError as error:
        raise RequestError(
            f"A kernel cannot be compiled: {error.filename or tempfile.gettempdir()}: {error.strerror}.",
            "Set TMPDIR to a folder that temporary files can be written to.",
        ) from None
    return temporary / LIBRARY


def _publish(folder: Path, mark: str, files: Mapping[str, bytes]) -> None:
    """Put a library into the cache, or leave that of a process that was quicker."""
    for _ in range(_ATTEMPTS):
        if publish(folder, mark, files) or _look(folder, mark)[0]:
            return
    raise OSError(None, "its entries change all the time", str(folder))


def _keep_source(folder: Path | None, name: str, source: str) -> Path | None:
    """Return where the source of a failure is kept, once however often it fails; None if not in the cache."""
    if folder is None:
        return None
    try:
        publish(folder, name, {SOURCE: source.encode()})
    except OSError:
        return None
    kept = folder / name / SOURCE
    return kept if kept.is_file() else None


def _temporary() -> Path:
    """Make a private folder that is removed when this process ends; remove those of killed processes."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            old = time.time() - status.st_mtime > LEFT_BEHIND
            if old and status.st_uid == os.getuid() and not _runs(path):
                remove(path)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    _folders[folder] = os.getpid()
    return folder


def _runs(folder: Path) -> bool:
    """Return whether the process that made a temporary folder may still need it."""
    try:
        os.kill(int(folder.name.removeprefix(_PREFIX).partition("-")[0]), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, OSError):
        pass
    return True


def _forget(folder: Path) -> None:
    remove(folder)
    _folders.pop(folder, None)


@atexit.register
def _remove_folders() -> None:
    for folder, process in _folders.items():
        # Not when a process ends that was forked from the one that needs it.
        if process == os.getpid():
            remove(folder)


def _unusable(error: OSError, folder: Path | None = None) -> str:
    place = error.filename or folder
    where = f"{place}: " if place else ""
    return (
        f"The kernel cache is not used ({where}{error.strerror}): every process compiles its kernels again."
    )
