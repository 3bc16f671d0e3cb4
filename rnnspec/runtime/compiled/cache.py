"""Compiled kernels, stored for the next process that needs the same one."""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import sha256, to_json
from rnnspec.runtime.compiled.entries import (
    BrokenEntryError,
    building,
    cache_folder,
    discard,
    publish,
    read_entry,
    remove,
    sweep,
)
from rnnspec.runtime.compiled.toolchain import FLAGS, NATIVE, Compiler, compile_library, find_compiler

SOURCE = "kernel.cpp"
LIBRARY = "kernel.so"


@dataclass(frozen=True)
class Library:
    """Compiled code that may be loaded: a shared library, or a cubin.

    fingerprint: SHA-256 of all that it depends on.  cached: nothing was compiled.  seconds: what it took to
    get it.  note: one line for the user, if the cache could not be used or had to be repaired.
    """

    path: Path
    fingerprint: str
    cached: bool
    seconds: float
    note: str | None


_PREFIX = "rnnspec-kernel-"

#: The temporary folders of this process, and its id.
_folders: dict[Path, int] = {}

#: The libraries that only this process has, because the cache cannot be used, by fingerprint.
_own: dict[str, Library] = {}


def library(source: str, flags: Sequence[str] = ()) -> Library:
    """Return the library of a C++ source, compiled unless the cache has it.

    flags: those beyond `toolchain.FLAGS`.  Raises NoCompiler and CompilationFailed; see `stored`.
    """
    compiler = find_compiler()
    return stored(
        fingerprint(source, flags, compiler),
        (LIBRARY, SOURCE),
        lambda folder: compile_library(compiler, source, folder / LIBRARY, flags),
    )


def stored(mark: str, names: Sequence[str], build: Callable[[Path], None]) -> Library:
    """Return what a compiler has made, from the cache or newly made.

    mark: SHA-256 of all that it depends on.  names: its files, the main one first.  build: writes them into a
    folder.  If the cache cannot be used, they are in a temporary folder of this process, and the note says
    why.
    """
    started = time.perf_counter()
    if mark in _own and _own[mark].path.is_file():
        return replace(_own[mark], cached=True, seconds=time.perf_counter() - started)
    try:
        folder = cache_folder("kernels")
        if getattr(os, "ST_NOEXEC", 0) & os.statvfs(folder).f_flag:
            raise OSError(None, "no program may be run from there", str(folder))
        found, note = _look(folder, mark, names)
        if not found:
            with building(folder, mark):
                found, broken = _look(folder, mark, names)
                if not found:
                    return _built(folder, mark, build, names, started, broken or note)
        return Library(folder / mark / names[0], mark, True, time.perf_counter() - started, note)
    except OSError as error:
        return _built(None, mark, build, names, started, _unusable(error))


def _built(
    folder: Path | None,
    mark: str,
    build: Callable[[Path], None],
    names: Sequence[str],
    started: float,
    note: str | None,
) -> Library:
    """Build what the cache lacks, and put it there.  folder: of the cache, None if it cannot be used."""
    built = _build(build)
    path = built / names[0]
    if folder is not None:
        try:
            _publish(folder, mark, {name: (built / name).read_bytes() for name in names})
            path = folder / mark / names[0]
        except OSError as error:
            note = _unusable(error, folder)
    made = Library(path, mark, False, time.perf_counter() - started, note)
    if path.parent == built:
        _own[mark] = made
    else:
        del _folders[built]
        remove(built)
    return made


def is_stored(mark: str, name: str) -> bool:
    """Return whether the cache has what a compiler has made; builds nothing.

    mark: as for `stored`.  name: of its main file.
    """
    try:
        return mark in _own or (cache_folder("kernels") / mark / name).is_file()
    except OSError:
        return False


def fingerprint(source: str, flags: Sequence[str], compiler: Compiler) -> str:
    """Return the SHA-256 of all that a library depends on, and nothing else."""
    parts = {"source": source, "flags": [*FLAGS, NATIVE, *flags], "compiler": compiler.identity}
    return sha256(to_json(parts).encode())


def _look(folder: Path, mark: str, names: Sequence[str]) -> tuple[bool, str | None]:
    """Return whether the cache has these files; a broken entry is removed, with a note."""
    try:
        return read_entry(folder, mark, names) is not None, None
    except BrokenEntryError as broken:
        discard(folder, mark, names)
        return False, f"The cached kernel {folder / mark} was built again: {broken}."


def _build(build: Callable[[Path], None]) -> Path:
    """Build in a temporary folder, which is removed when this process ends.

    After a failure the folder stays for a day, since it has the source.
    """
    try:
        sweep(Path(tempfile.gettempdir()), _PREFIX)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        build(folder)
    except OSError as error:
        raise RequestError(
            f"A kernel cannot be compiled: {error.filename or tempfile.gettempdir()}: {error.strerror}.",
            "Set TMPDIR to a folder that temporary files can be written to.",
        ) from None
    _folders[folder] = os.getpid()
    return folder


def _publish(folder: Path, mark: str, files: Mapping[str, bytes]) -> None:
    """Put files into the cache, or leave those of a process that was quicker."""
    if not publish(folder, mark, files) and not _look(folder, mark, tuple(files))[0]:
        raise OSError(None, "another process changes it", str(folder))


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
