"""The cache of compiled kernels: a private folder for each, named by what it depends on.

    <user's cache>/rnnspec/kernels/<fingerprint>/   kernel.cpp, kernel.so, manifest.json

A folder is made under a name of its own and published by one rename, so what is there is whole and two
processes may build the same.  Before anything is loaded its owner and hashes are checked.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from rnnspec.runtime.toolchain import Compiler, CompilerError, compile_library, find_compiler, flags

#: Where the cache is, if not in the user's cache folder.
PLACE = "RNNSPEC_CACHE"
SOURCE, LIBRARY, MANIFEST = "kernel.cpp", "kernel.so", "manifest.json"
FORMAT = 1
#: Seconds after which an unfinished build belongs to nobody any more.
_ABANDONED = 24 * 3600
_BUILDING = "building-"


@dataclass(frozen=True)
class Library:
    """A compiled library.

    path: the file.  fingerprint: a hash of all that it depends on.  cached: whether it was there already.
    seconds: what it took.  note: one line on what was wrong with the cache, or None.
    """

    path: Path
    fingerprint: str
    cached: bool
    seconds: float
    note: str | None


class _Unusable(Exception):
    """The cache folder cannot be used; says why."""


def library(source: str, *, options: Sequence[str] = (), facts: Mapping[str, str] | None = None) -> Library:
    """Return the library of a C++ source, compiled now or earlier.

    options: further flags of the compiler.  facts: what else it depends on.  A cache that cannot be used costs the
    time to compile, and a note.  Raises CompilerError.
    """
    started = time.perf_counter()
    compiler = find_compiler()
    parts = [
        str(FORMAT),
        source,
        *flags(),
        *options,
        compiler.identity,
        json.dumps(facts or {}, sort_keys=True),
    ]
    fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    note = None
    try:
        root = _root()
        folder = root / fingerprint
        note = _defect(folder)
        cached = note is None and folder.exists()
        if not cached:
            _clear(folder)
            _build(root, folder, compiler, source, options)
    except (_Unusable, OSError, CompilerError) as error:
        reason = _why_not(error)
        note = (
            f"The cache of kernels cannot be used ({reason}): this one was compiled for this process alone."
        )
        folder, cached = _private(fingerprint, compiler, source, options), False
    return Library(folder / LIBRARY, fingerprint, cached, time.perf_counter() - started, note)


def cache_folder() -> Path:
    """Return where kernels are kept."""
    place = os.environ.get(PLACE)
    return (Path(place) if place else Path(platformdirs.user_cache_dir("rnnspec"))) / "kernels"


def _root() -> Path:
    """Return the cache folder, made if need be; raises _Unusable if others might have put something in it."""
    root = cache_folder().absolute()
    root.mkdir(parents=True, mode=0o700, exist_ok=True)
    _check_own(root, folder=True)
    for left in root.glob(f"{_BUILDING}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > _ABANDONED:
                _clear(left)
    return root


def _check_own(path: Path, *, folder: bool) -> None:
    """Raise _Unusable unless a path is a plain folder or file that only this user can change."""
    found = path.lstat()
    plain = stat.S_ISDIR(found.st_mode) if folder else stat.S_ISREG(found.st_mode)
    if not plain:
        raise _Unusable(f"{path} is no plain {'folder' if folder else 'file'}")
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise _Unusable(f"{path} belongs to another user")
    if found.st_mode & 0o022:
        raise _Unusable(f"others may write to {path}; 'chmod -R go-w' forbids it")


def _defect(folder: Path) -> str | None:
    """Return what is wrong with a kernel that is there, None if it is whole or there is none."""
    if not os.path.lexists(folder):
        return None
    try:
        _check_own(folder, folder=True)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        for name in (SOURCE, LIBRARY):
            _check_own(folder / name, folder=False)
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != manifest["sha256"][name]:
                raise _Unusable(f"{folder / name} is not the file that was built")
    except _Unusable as error:
        return f"A kernel in the cache was compiled anew: {error}."
    except (OSError, ValueError, TypeError, KeyError):
        return f"A kernel in the cache was compiled anew: {folder} was not whole."
    return None


def _why_not(error: _Unusable | OSError | CompilerError) -> str:
    """Return what is wrong with the cache folder; a compiler that fails for another reason fails."""
    if isinstance(error, CompilerError):
        room = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
        found = [os.strerror(code) for code in room if os.strerror(code) in error.output]
        if not found:
            raise error
        return f"{cache_folder()}: {found[0]}"
    if isinstance(error, _Unusable):
        return str(error)
    return f"{error.filename or cache_folder()}: {error.strerror or error}"


def _clear(folder: Path) -> None:
    """Remove what is in the way of a kernel, if anything is."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _build(root: Path, folder: Path, compiler: Compiler, source: str, options: Sequence[str]) -> None:
    """Compile under a name of its own, and publish it whole."""
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=root))
    try:
        _compile(building, compiler, source, options)
        try:
            building.rename(folder)
        except OSError as error:
            # Another process was faster, with the same.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or _defect(folder) is not None:
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _compile(folder: Path, compiler: Compiler, source: str, options: Sequence[str]) -> None:
    (folder / SOURCE).write_text(source)
    compile_library(compiler, folder / SOURCE, folder / LIBRARY, options)
    (folder / LIBRARY).chmod(0o700)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (SOURCE, LIBRARY)}
    with open(folder / MANIFEST, "w") as manifest:
        json.dump({"format": FORMAT, "sha256": hashes}, manifest, indent=2)
        manifest.flush()
        os.fsync(manifest.fileno())


def _private(fingerprint: str, compiler: Compiler, source: str, options: Sequence[str]) -> Path:
    """Compile for this process alone."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"rnnspec-{fingerprint[:8]}-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _compile(folder, compiler, source, options)
    except OSError as error:
        place = error.filename or tempfile.gettempdir()
        raise CompilerError(
            f"There is no room for a kernel, in {cache_folder()} or elsewhere: {place}: {error.strerror}.",
            f"Name a folder that can be written to in the environment variable {PLACE}.",
        ) from error
    return folder
