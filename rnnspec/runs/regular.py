"""The files of a run folder: only regular files are read, and nothing is written through a symbolic link.

A run folder may come from somebody else.  A named pipe in it must not make a command wait, and a symbolic
link must not lead what is written to another place.  The path of the run folder itself may be a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import naming

#: Windows has neither: it has no named pipes in folders.
_NO_WAIT, _NO_LINK = getattr(os, "O_NONBLOCK", 0), getattr(os, "O_NOFOLLOW", 0)

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file and return its descriptor; never wait, and never write through a link.

    flags: of `os.open`.  Raises RequestError if it is something else, and OSError if it cannot be opened.
    """
    if flags & (os.O_WRONLY | os.O_RDWR):
        refuse_link(path)
        flags |= _NO_LINK
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            what = _KINDS.get(stat.S_IFMT(mode), "a special file")
            raise RequestError(
                f"{path} is {what}, not a regular file.", "Remove it, and restore the file from a copy."
            )
    return os.open(path, flags | _NO_WAIT, 0o666)


def read_regular(path: Path) -> bytes:
    """Return the bytes of a regular file, also of one that a symbolic link leads to.

    Raises as `open_regular`.
    """
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def read_end(path: Path, size: int) -> bytes:
    """Return the last bytes of a regular file, at most `size`.  Raises as `open_regular`."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def append_line(path: Path, text: str) -> None:
    """Append one line to a file; if that fails, the file is left as it was."""
    rest = f"{text}\n".encode()
    try:
        with os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                # A disk that is almost full takes a part of a line, and refuses only the next.
                while rest:
                    rest = rest[file.write(rest) :]
            except BaseException:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise
    except OSError as error:
        raise naming(error, path) from None


def truncate_file(path: Path, size: int) -> None:
    """Cut a file to its first bytes; make it if it does not exist."""
    with os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.truncate(size)


def cut_torn_line(path: Path) -> None:
    """Remove the last line of a file if a power cut has left only a part of it."""
    data = read_regular(path)
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        truncate_file(path, whole)


def sync_file(path: Path) -> None:
    """Make what was appended to a file survive a power cut."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise naming(error, path) from None


def refuse_link(path: Path) -> None:
    """Refuse a file or folder that will be written if it is a symbolic link."""
    if path.is_symlink():
        raise RequestError(
            f"{path} is a symbolic link, and rnnspec writes through none in a run folder.",
            "Replace the link with a copy of what it leads to.",
        )
