"""The lock of a run folder: one process at a time writes into it.

The file `lock` says who.  The system's own lock on that file says whether this process lives, as far as the
system can see: it is gone with the process, however that ended.  No clock is asked.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import to_json
from rnnspec.runs.layout import LOCK

#: How often, and after how many seconds, a lock that is held is tried again.
_TRIES, _PAUSE = 5, 0.1


@dataclass(frozen=True)
class Holder:
    """Who holds, or held, a run folder.  alive: None if this machine cannot see that."""

    process: int
    host: str
    alive: bool | None

    def __str__(self) -> str:
        return f"process {self.process or '?'} on {self.host}"


class RunLock:
    """Holds a run folder until `release`.  died: who left the lock behind, if somebody did."""

    def __init__(self, path: Path, handle: int, died: Holder | None) -> None:
        self.path = path
        self.died = died
        self._handle: int | None = handle

    def release(self) -> None:
        """Give the folder back; a second time does nothing."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


def lock_run(folder: Path, *, break_lock: bool = False) -> RunLock:
    """Take a run folder for this process.

    A process that has died on this machine has no claim.  One on another machine has, as long as nobody who
    knows better breaks the lock.  Raises RequestError if the folder is taken.
    """
    path = folder / LOCK
    tries = 0
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            before = _taken(handle)
            if before is not None and not (before.alive is False or (break_lock and before.alive is None)):
                # Somebody may be looking at this very annealing: see `holder`.
                if before.alive and tries < _TRIES:
                    tries += 1
                    os.close(handle)
                    time.sleep(_PAUSE)
                    continue
                raise _refused(folder, before)
            # Somebody may have given it back, file and all, since it was opened.
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
    """Return who holds a run folder, or held it last without giving it back; None if nobody does."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        with contextlib.suppress(OSError):
            handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _signed(handle, alive=None)
            finally:
                os.close(handle)
        return None
    try:
        return _taken(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _taken(handle: int, kind: int = fcntl.LOCK_EX) -> Holder | None:
    """Take the system's lock on an open file if it is free; return who signed it before."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return _signed(handle, alive=True)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        return _signed(handle, alive=None)
    return _signed(handle, alive=False)


def _signed(handle: int, alive: bool | None) -> Holder | None:
    """Return who signed a lock.  alive: whether the system's lock on it is held."""
    data = os.pread(handle, 4096, 0)
    if not data:
        # Between opening and signing, or nobody's.
        return Holder(0, "this machine", True) if alive else None
    try:
        row = json.loads(data)
        process, host, boot = int(row["process"]), str(row["host"]), str(row["boot"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # Torn by a power cut: if the system says that it is free, it is.
        return Holder(0, "an unknown machine", alive)
    if alive is None and host == socket.gethostname() and boot == _boot():
        alive = _runs(process)
    elif alive is False and host != socket.gethostname() and not (boot and boot == _boot()):
        # The lock of the system may not reach from one machine to another.
        alive = None
    return Holder(process, host, alive)


def _sign(handle: int) -> None:
    row = {"process": os.getpid(), "host": socket.gethostname(), "boot": _boot()}
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{to_json(row)}\n".encode(), 0)


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
    """Return what tells one start of this machine from the next, where the system has it."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _refused(folder: Path, before: Holder) -> RequestError:
    if before.alive:
        return RequestError(
            f"{folder} is in use: {before} is training it.",
            "Wait until it has ended, or stop it: kill -TERM lets it save what it has trained.",
        )
    return RequestError(
        f"{folder} was last used by {before}, which did not give it back, and cannot be seen from here.",
        "Look there whether it still runs. If it does not, add --break-lock.",
    )
