"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that at every moment either the old one or the new one is there, and whole."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _naming(error, path) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; results are as readable as everything else the user makes.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise _naming(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, text: str) -> None:
    """Append one line to a file in one piece."""
    try:
        with path.open("ab", buffering=0) as file:
            file.write(f"{text}\n".encode())
    except OSError as error:
        raise _naming(error, path) from None


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def to_json(value: Mapping[str, object], *, indent: int | None = None) -> str:
    """Return JSON text that any reader takes: nan and infinity must have become None before."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _naming(error: OSError, path: Path) -> OSError:
    """Return an error of writing that names the file the user knows, not the temporary one."""
    return OSError(error.errno, error.strerror, str(path))
