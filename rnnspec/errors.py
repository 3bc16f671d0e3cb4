"""Errors outside of specs that the user can remedy."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be carried out.  reason: one sentence.  remedy: what the user can do."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}\n{remedy}")
