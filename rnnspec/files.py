"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rnnspec.errors import RequestError


def write_file(path: Path, data: bytes) -> None:
    """Write a file so that at every moment either the old one or the new one is there, and whole.

    A symbolic link is followed.  A device, a pipe or a folder is refused.
    """
    replace_file(ordinary(path), data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file as `write_file` does, but put it in the place of a symbolic link.

    The content is written to a temporary file and synced before that is renamed; then the folder is synced.
    Raises OSError.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise naming(error, path) from None
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
        raise naming(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def ordinary(path: Path) -> Path:
    """Return where a file is or would be, without links; refuse what a rename would destroy."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is a device or a pipe, not an ordinary file.", "Give the name of a file.")
    return Path(os.path.realpath(path))


def check_output(path: Path | str, suffix: str) -> Path:
    """Return the path of a result that is to be written, before the work for it begins.

    suffix: what its name must end in, so that no file of another kind is written over.
    """
    path = Path(path)
    folder = ordinary(path).parent
    if path.suffix.lower() != suffix:
        raise RequestError(
            f"{path} does not end in {suffix}.", f"Write {path.with_suffix(suffix)}, or another name."
        )
    if folder.is_file():
        raise RequestError(f"{folder} is a file, not a folder for {path.name}.", "Choose a folder.")
    if not folder.is_dir():
        raise RequestError(f"There is no folder {folder} for {path.name}.", "Make it, or choose another one.")
    if not os.access(folder, os.W_OK):
        raise RequestError(f"You may not write into {folder}.", "Choose another folder.")
    return path


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


def naming(error: OSError, path: Path) -> OSError:
    """Return an error of writing that names the file the user knows, not the temporary one."""
    return OSError(error.errno, error.strerror, str(path))


def finite(value: float | None) -> float | None:
    """Return a number with six digits, the precision of float32; None for NaN and infinity."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
