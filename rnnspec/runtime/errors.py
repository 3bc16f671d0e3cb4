"""What cannot be done for a reason that the user can change, and that is no mistake in a spec."""

from __future__ import annotations

from pathlib import PurePath


class RequestError(Exception):
    """A request that cannot be met.  reason: one sentence.  remedy: what to do instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}\n{remedy}")


def refuse_text(**lists: object) -> None:
    """Raise TypeError if text stands where a list of texts is meant: Python would take it apart."""
    for name, value in lists.items():
        if isinstance(value, str | PurePath):
            raise TypeError(f"{name} takes a list: write {name}=[{str(value)!r}].")
