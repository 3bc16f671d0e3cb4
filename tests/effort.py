"""A measure of work that does not depend on the load of the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def calls_of(work: Callable[[], object], *, limit: int) -> int:
    """Return the number of function calls in some work; AssertionError as soon as it exceeds a limit."""
    made = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")
        if made > limit:
            sys.setprofile(None)
            raise AssertionError(f"more than {limit:,} function calls")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made
