"""Compiled kernels, kept for the next process that needs the same one."""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnspec.runtime.cache_entries import BrokenEntryError, cache_folder, discard, publish, read_entry, remove
from rnnspec.runtime.files import sha256, to_json
from rnnspec.runtime.toolchain import (
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
    path, lost = _build(compiler, source, flags, folder, mark)
    made = Library(path, mark, False, time.perf_counter() - started, lost or note)
    if folder is None or lost:
        _own[mark] = made
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


def _build(
    compiler: Compiler, source: str, flags: Sequence[str], folder: Path | None, mark: str
) -> tuple[Path, str | None]:
    """Compile in a temporary folder; publish in the cache, if there is one.

    Returns the library, and why it could not be published.
    """
    temporary = Path(tempfile.mkdtemp(prefix="rnnspec-"))
    keep = False
    try:
        built = temporary / LIBRARY
        try:
            compile_library(compiler, source, built, flags)
        except CompilationFailed as failed:
            kept = _keep_source(folder, f"{mark}.failed", source)
            keep = kept is None
            raise CompilationFailed(failed.what, failed.output, kept or failed.source) from None
        note = None
        if folder is not None:
            try:
                _publish(folder, mark, {SOURCE: source.encode(), LIBRARY: built.read_bytes()})
                return folder / mark / LIBRARY, None
            except OSError as error:
                note = _unusable(error)
        keep = True
        atexit.register(_remove_own, temporary, os.getpid())
        return built, note
    finally:
        if not keep:
            remove(temporary)


def _publish(folder: Path, mark: str, files: Mapping[str, bytes]) -> None:
    """Put a library into the cache, or leave that of a process that was quicker."""
    while not publish(folder, mark, files):
        try:
            if read_entry(folder, mark, (SOURCE, LIBRARY)) is not None:
                return
        except BrokenEntryError:
            discard(folder, mark, (SOURCE, LIBRARY))


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


def _remove_own(folder: Path, process: int) -> None:
    """Remove a folder when its process ends, not when one that was forked from it does."""
    if os.getpid() == process:
        remove(folder)


def _unusable(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"The kernel cache is not used ({where}{error.strerror}): every process compiles its kernels again."
    )
