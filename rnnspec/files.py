"""Files that are written atomically: after a crash, a file is complete or absent."""

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
    """Replace a file atomically: at every moment, either the old or the new content is there, complete.

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
        # mkstemp makes private files; results get the default permissions of the user.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise naming(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def ordinary(path: Path) -> Path:
    """Return the real path of a file, without links.

    Raises IsADirectoryError for a folder, and RequestError for a device or pipe: a rename would destroy it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        raise RequestError(f"{path} is a device or a pipe, not an ordinary file.", "Give the name of a file.")
    return Path(os.path.realpath(path))


def check_output(path: Path | str, suffix: str) -> Path:
    """Return the path of a result file; RequestError if it cannot be written.  Call before long work.

    suffix: the required suffix, so that no file of another kind is overwritten.
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
        raise RequestError(
            f"There is no folder {folder} for {path.name}.", "Create it, or choose another one."
        )
    if not os.access(folder, os.W_OK):
        raise RequestError(f"You have no permission to write into {folder}.", "Choose another folder.")
    return path


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power cut; systems that cannot do it are ignored."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def to_json(value: Mapping[str, object], *, indent: int | None = None) -> str:
    """Return standard JSON text; ValueError for NaN and infinity, which must be None."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def naming(error: OSError, path: Path) -> OSError:
    """Return the same error, naming the user's file instead of the temporary one."""
    return OSError(error.errno, error.strerror, str(path))


def finite(value: float | None) -> float | None:
    """Return a number with six digits, the precision of float32; None for NaN and infinity."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
