"""How many random examples a test tries: few that are the same every time, or many new ones on demand."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(count: int, **others: Any) -> settings:
    """Return settings for so many examples, twenty times as many with `--hypothesis-profile=explore`."""
    exploring = settings.get_current_profile_name() == "explore"
    return settings(max_examples=20 * count if exploring else count, deadline=None, **others)
