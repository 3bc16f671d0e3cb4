"""Entries of the user's cache: folders of files, published whole or not at all.

An entry is built in a temporary folder beside it and published by one rename.  Its manifest has the hash of
every file, and no entry is used whose files differ from it.  The cache belongs to the user alone, so nobody
else can put a library there that this user would load.

Whatever is wrong with the cache as a whole, or with its disk, is an OSError that says what and where.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import platformdirs

from rnnspec.files import sha256, to_json

MANIFEST = "manifest.json"

#: The names of folders begin with this before they are published, and before they are removed.
TEMPORARY = ".temporary-"

#: The locks of entries that are being built begin with this.
BUILDING = ".building-"

#: Seconds that a process waits for another that builds the same entry.
PATIENCE = 120.0

#: Seconds after which a temporary folder belongs to a process that was killed.
LEFT_BEHIND = 86_400.0


class BrokenEntryError(Exception):
    """An entry that is not as it was published: changed or incomplete."""


def cache_folder(name: str) -> Path:
    """Return a folder of the cache that only this user can change, made if need be; else OSError.

    The cache is $RNNSPEC_CACHE, or where the system keeps the caches of a user.
    """
    root = Path(os.environ.get("RNNSPEC_CACHE") or platformdirs.user_cache_dir("rnnspec"))
    if str(root).startswith("~"):
        raise OSError(errno.ENOENT, "there is no home folder", str(root))
    root = Path(os.path.abspath(root))
    for folder in (root, root / name):
        folder.mkdir(0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise OSError(errno.EPERM, "it belongs to another user", str(folder))
        if status.st_mode & 0o022:
            raise OSError(errno.EPERM, "other users may write to it: chmod go-w", str(folder))
    return root / name


def read_entry(folder: Path, name: str, files: Collection[str]) -> dict[str, bytes] | None:
    """Return the verified files of an entry, or None if there is none.

    files: their names.  Raises BrokenEntryError.
    """
    entry = folder / name
    if not entry.exists():
        return None
    try:
        hashes = dict(json.loads((entry / MANIFEST).read_bytes())["sha256"])
        contents = {file: (entry / file).read_bytes() for file in files}
    except FileNotFoundError as error:
        raise BrokenEntryError(f"it has no {Path(error.filename).name}") from None
    except (ValueError, TypeError, KeyError):
        raise BrokenEntryError(f"its {MANIFEST} cannot be read") from None
    for file, content in contents.items():
        if sha256(content) != hashes.get(file):
            raise BrokenEntryError(f"its {file} was changed")
    return contents


def publish(folder: Path, name: str, files: Mapping[str, bytes]) -> bool:
    """Write an entry, all at once; return False if there is one of that name already."""
    sweep(folder)
    manifest = to_json({"sha256": {file: sha256(content) for file, content in files.items()}}, indent=2)
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
    try:
        for file, content in files.items():
            _write(temporary / file, content)
        _write(temporary / MANIFEST, f"{manifest}\n".encode())
        temporary.rename(folder / name)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    finally:
        remove(temporary)
    return True


def discard(folder: Path, name: str, files: Collection[str]) -> None:
    """Remove a broken entry, unless another process has repaired it meanwhile."""
    with _locked(folder):
        try:
            read_entry(folder, name, files)
        except BrokenEntryError:
            away = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
            try:
                (folder / name).rename(away / name)
            finally:
                remove(away)


@contextlib.contextmanager
def building(folder: Path, name: str) -> Iterator[None]:
    """Let one process after the other build an entry, so that the others find it when their turn comes.

    A process that waits longer than PATIENCE builds the entry itself; so do all where there are no locks.
    """
    import fcntl

    path = folder / f"{BUILDING}{name}"
    handle, alone = None, False
    try:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    alone = True
                    break
                except BlockingIOError:
                    time.sleep(0.05)
        yield
    finally:
        if handle is not None:
            if alone:
                with contextlib.suppress(OSError):
                    path.unlink()
            os.close(handle)


def sweep(folder: Path, prefix: str = TEMPORARY) -> None:
    """Remove the temporary folders that killed processes have left behind."""
    for path in folder.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFT_BEHIND:
                remove(path)


def remove(path: Path) -> None:
    """Remove a folder and all in it, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    """Write a file to the disk; if the disk is full, this says so."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process after the other do this in a folder."""
    # Windows has no fcntl; the target torch works there, and imports this module.
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network drives have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
