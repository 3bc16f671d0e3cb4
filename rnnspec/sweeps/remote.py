"""What a job of a cluster does with a unit: trains it in a process of its own, and saves it in time.

Parsl calls `train` in one of its worker processes.  These end at once by a signal; the process of the unit
then sees the end of its input, and saves the unit by itself (`worker.py`).
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from rnnspec.sweeps.order import Order, Outcome, Remark
from rnnspec.sweeps.pool import LocalPool
from rnnspec.sweeps.providers import STOPS_AT

#: Seconds between two looks at whether the unit has to stop.
LOOK = 2.0
#: The first bytes of the control file once all units have to stop.
STOP = b"stop"

#: The process that trains units, which is used for one after the other.
_pool: LocalPool | None = None


def train(order: Order, control: Path) -> tuple[list[Remark], Outcome]:
    """Train a unit until it is finished, the job has to stop, or the control file says so.

    It stops too if the process of Parsl that called it has ended: nobody would hear how it goes on.
    """
    global _pool
    parent = os.getppid()
    stops_at = float(os.environ.get(STOPS_AT, math.inf))
    if time.time() >= stops_at or _told_to_stop(control):
        return [], Outcome(order.unit, "stopped")
    _pool = pool = _pool or LocalPool(1)
    pool.start(order)
    remarks, stopping = [], False
    while True:
        message = pool.message(min(LOOK, max(0.0, stops_at - time.time())) if not stopping else LOOK)
        if isinstance(message, Remark):
            remarks.append(message)
        elif isinstance(message, Outcome):
            if stopping:
                pool.close()
                _pool = None
            return remarks, message
        alone = os.getppid() != parent
        if not stopping and (alone or time.time() >= stops_at or _told_to_stop(control)):
            stopping = True
            pool.stop()


def _told_to_stop(control: Path) -> bool:
    """Read the control file anew: opening a file is what makes NFS ask its server."""
    try:
        return control.read_bytes().startswith(STOP)
    except OSError:
        return False
