"""What cannot be done for a reason that the user can change, and that is no mistake in a spec."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be met.  reason: one sentence.  remedy: what to do instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}\n{remedy}")
