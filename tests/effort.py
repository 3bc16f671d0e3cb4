"""How much work something is, measured so that no other process on the machine can change the answer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def calls_of(work: Callable[[], object], *, limit: int) -> int:
    """Return how many function calls some work makes; AssertionError as soon as they exceed a limit."""
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
