"""Locks: one process at a time writes into a run folder, or creates a run in a folder of runs.

The lock file names the process that holds it.  That process also holds the system's lock on the file, which
the system releases when the process ends, however it ends.  So a lock left by a dead process on this machine
is known to be free.  Time plays no part.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from rnnspec.diagnostics import shorten
from rnnspec.errors import RequestError
from rnnspec.runs.layout import FOLDER_LOCK, LOCK, resume_command
from rnnspec.runs.record import Record
from rnnspec.runs.regular import open_regular

#: Seconds after which a lock that is held is tried again.
_PAUSE = 0.1


class LockRecord(Record):
    """What a lock file holds."""

    process: int = Field(ge=1, lt=2**31, description="number of the process that holds the lock")
    host: str = Field(description="name of its machine")
    boot: str = Field(
        description="identifier of the boot of that machine, where the system has one; empty otherwise"
    )


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock or left it behind.  alive: None if that cannot be seen from here."""

    process: int
    host: str
    alive: bool | None

    def __str__(self) -> str:
        return f"process {self.process or '?'} on {shorten(self.host)}"


class RunLock:
    """A lock that this process holds until `release`.  died: the process that left it behind, if any."""

    def __init__(self, path: Path, handle: int, died: Holder | None) -> None:
        self.path = path
        self.died = died
        self._handle: int | None = handle

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


class RunInUseError(RequestError):
    """A live process holds the lock of a run.  folder: of the run.  holder: that process."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        super().__init__(
            f"{folder} is locked: {holder} is training it.",
            "Wait until it has ended, or stop it: kill -TERM lets it save what it has trained.",
        )
        self.folder = folder
        self.holder = holder


def lock_run(folder: Path, *, break_lock: bool = False) -> RunLock:
    """Lock a run folder for this process.

    A lock left by a dead process on this machine is released by itself; one left on another machine only
    with break_lock, because its process may live.  Raises RunInUseError if a live process holds the lock,
    RequestError if that cannot be known, or if the system has no file locks.
    """
    # More than one try: `holder` takes the lock for a moment.
    taken = _take(folder / LOCK, tries=5, break_lock=break_lock)
    if isinstance(taken, RunLock):
        return taken
    if taken.alive:
        raise RunInUseError(folder, taken)
    raise RequestError(
        f"{folder} was locked by {taken}, which cannot be seen from this machine.",
        f"Look there whether that process still runs. If it does not: {resume_command(folder)} --break-lock",
    )


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder of runs, made if need be, while a run is looked for and created in it.

    Waits up to a minute.  Raises RequestError if another process holds it longer, or if the system has no
    file locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FOLDER_LOCK
    taken = _take(path, tries=600)
    if isinstance(taken, Holder):
        raise RequestError(
            f"{taken} has locked {folder} to create a run there, for more than a minute.",
            f"If that process no longer runs, delete {path}.",
        )
    try:
        yield
    finally:
        taken.release()


def require_locks() -> None:
    """Raise RequestError if the system has no file locks, as native Windows."""
    if not _has_locks():
        raise RequestError(
            "Training needs file locks, which this system does not have.",
            "On Windows, run rnnspec under WSL, the Windows Subsystem for Linux.",
        )


def _take(path: Path, *, tries: int, break_lock: bool = False) -> RunLock | Holder:
    """Take a lock, or return who holds it after so many tries, a tenth of a second apart."""
    require_locks()
    while True:
        handle = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            before = _taken(handle)
            if before is not None and not (before.alive is False or (break_lock and before.alive is None)):
                os.close(handle)
                if tries == 0:
                    return before
                tries -= 1
                time.sleep(_PAUSE)
                continue
            # The holder may have released the lock, and deleted its file, since it was opened.
            if not _same(handle, path):
                os.close(handle)
                continue
            _sign(handle)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.close(handle)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(path)) from None
            raise
        return RunLock(path, handle, before)


def holder(folder: Path) -> Holder | None:
    """Return the process that holds the lock of a run folder, or left it behind; None if there is none."""
    for flags in (os.O_RDWR, os.O_RDONLY):
        try:
            handle = open_regular(folder / LOCK, flags)
        except (FileNotFoundError, RequestError):
            return None
        except OSError:
            # In a folder of another user, the lock can be read, but not taken.
            continue
        try:
            return _taken(handle, shared=True) if flags == os.O_RDWR else _signed(handle, alive=None)
        finally:
            os.close(handle)
    return None


def _has_locks() -> bool:
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return False
    return True


def _taken(handle: int, *, shared: bool = False) -> Holder | None:
    """Take the system's lock on an open file if it is free; return whom the file named before."""
    if not _has_locks():
        return _signed(handle, alive=None)
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return _signed(handle, alive=True)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        return _signed(handle, alive=None)
    return _signed(handle, alive=False)


def _signed(handle: int, alive: bool | None) -> Holder | None:
    """Return whom a lock file names.  alive: whether the system's lock on it is held."""
    data = os.read(handle, 4096)
    if not data:
        # Just created, and not signed yet; or nobody's.
        return Holder(0, "this machine", True) if alive else None
    try:
        row = LockRecord.model_validate_json(data)
    except ValidationError:
        # A power cut has left the file incomplete.  The system still knows whether the lock is free.
        return Holder(0, "an unknown machine", alive)
    here = row.host == socket.gethostname()
    # Without file locks, on native Windows, a signal 0 would not ask but interrupt.
    if alive is None and here and row.boot == _boot() and _has_locks():
        alive = _runs(row.process)
    elif alive is False and not here and not (row.boot and row.boot == _boot()):
        # On some shared disks, the system's lock is not seen on other machines.
        alive = None
    return Holder(row.process, row.host, alive)


def _sign(handle: int) -> None:
    row = LockRecord(process=os.getpid(), host=socket.gethostname(), boot=_boot())
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{row.to_json()}\n".encode(), 0)


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    """Return a name that changes each time this machine is started; empty if the system has none."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
