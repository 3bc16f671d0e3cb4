"""Entries of the user's cache: folders of files that are private, and whole or absent.

An entry is built in a temporary folder beside it and published by one rename.  Its manifest has the hash of
every file, and nothing is taken from an entry whose files differ.  Between that check and the use of a file
nobody else can change it: the folders belong to the user alone, and no symbolic link among them is followed.

Whatever is wrong with the cache as a whole, or with its disk, is an OSError that says what and where.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import platformdirs

from rnnspec.files import sha256, to_json

MANIFEST = "manifest.json"
FORMAT = 1

#: What the names of folders begin with that are not published yet, or not there any more.
TEMPORARY = ".temporary-"

#: A temporary folder is that of a killed process when it is older, in seconds.
LEFT_BEHIND = 86_400.0


class BrokenEntryError(Exception):
    """An entry that is not as it was published: changed, incomplete, or no folder at all."""


def cache_folder(name: str) -> Path:
    """Return a private folder of the cache, made if need be.

    The cache is $RNNSPEC_CACHE, or where the system keeps the caches of a user.
    """
    root = Path(os.environ.get("RNNSPEC_CACHE") or platformdirs.user_cache_dir("rnnspec"))
    if str(root).startswith("~"):
        raise OSError(errno.ENOENT, "there is no home folder", str(root))
    root = Path(os.path.abspath(root))
    root.parent.mkdir(parents=True, exist_ok=True)
    _check_folder(root)
    folder = root / name
    if _check_folder(folder) & 0o077:
        # Copies of a home folder often lose the modes.  Read-only, it cannot be changed, nor need it be.
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
    return folder


def read_entry(folder: Path, name: str, files: Collection[str]) -> dict[str, bytes] | None:
    """Return the verified files of an entry, or None if there is none.

    files: their names.  Raises BrokenEntryError.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        handle = os.open(folder / name, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EACCES):
            raise BrokenEntryError("it is not a folder of this user") from None
        raise
    try:
        if os.fstat(handle).st_uid != os.getuid():
            raise BrokenEntryError("it belongs to another user")
        hashes = _manifest(_read(handle, MANIFEST), name)
        if hashes.keys() != set(files):
            raise BrokenEntryError(f"its {MANIFEST} names other files")
        contents = {file: _read(handle, file) for file in files}
    finally:
        os.close(handle)
    for file, content in contents.items():
        if sha256(content) != hashes[file]:
            raise BrokenEntryError(f"its {file} was changed")
    return contents


def publish(folder: Path, name: str, files: Mapping[str, bytes]) -> bool:
    """Write an entry, all at once; return False if there is something of that name already."""
    sweep(folder)
    hashes = {file: sha256(content) for file, content in files.items()}
    manifest = to_json({"format": FORMAT, "name": name, "sha256": hashes}, indent=2)
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
    try:
        for file, content in files.items():
            _write(temporary / file, content)
        _write(temporary / MANIFEST, f"{manifest}\n".encode())
        try:
            temporary.rename(folder / name)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            raise
    finally:
        remove(temporary)
    return True


def discard(folder: Path, name: str, files: Collection[str]) -> None:
    """Take a broken entry out of the way, unless another process has repaired it by now."""
    with _locked(folder):
        try:
            read_entry(folder, name, files)
        except BrokenEntryError:
            away = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
            try:
                (folder / name).rename(away / name)
            finally:
                remove(away)


def sweep(folder: Path) -> None:
    """Remove the temporary folders that killed processes have left behind."""
    for path in folder.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > LEFT_BEHIND:
                remove(path)


def remove(path: Path) -> None:
    """Remove a folder and all in it, as far as that is possible; no link is followed."""
    shutil.rmtree(path, ignore_errors=True)


def _check_folder(path: Path) -> int:
    """Return the mode of a folder that only this user can change, made if need be; else OSError."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        # Another process may be as quick.
        with contextlib.suppress(FileExistsError):
            path.mkdir(0o700)
        status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, "it is not a folder", str(path))
    if status.st_uid != os.getuid():
        raise OSError(errno.EPERM, "it belongs to another user", str(path))
    if status.st_mode & 0o022:
        raise OSError(errno.EPERM, "other users may write to it: chmod go-w", str(path))
    return status.st_mode


def _manifest(content: bytes, name: str) -> dict[str, str]:
    """Return the hashes by the names of the files."""
    try:
        manifest = json.loads(content)
        if (manifest["format"], manifest["name"]) == (FORMAT, name):
            return dict(manifest["sha256"])
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise BrokenEntryError(f"its {MANIFEST} is not that of this entry")


def _read(folder: int, name: str) -> bytes:
    """Return the content of an ordinary file of this user, given the open folder."""
    try:
        # Not blocking, should somebody have put a pipe there.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        raise BrokenEntryError(f"it has no {name}") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EACCES, errno.ENXIO):
            raise BrokenEntryError(f"its {name} is not a file of this user") from None
        raise
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise BrokenEntryError(f"its {name} is not a file of this user")
        return file.read()


def _write(path: Path, content: bytes) -> None:
    """Write a new private file; a disk that turns out to be full says so here."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process after the other do this in a folder."""
    # Windows has none; the torch target works there, and imports this.
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network drives have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
